// A request that every rule of the demonstration policy allows, to be spoilt one member at a time.

import ConfigurationFile
import ContactModel
import PurposePolicy
import Testing

enum Fixture {
    static let now = Timestamp(seconds: 1_767_225_600)
    static let tenant = TenantID(bytes: [UInt8](repeating: 1, count: 16))!
    static let contact = ContactID(bytes: [UInt8](repeating: 2, count: 16))!
    static let otherContact = ContactID(bytes: [UInt8](repeating: 3, count: 16))!
    static let relay = Purpose("relay.message")!
    static let notice = Purpose("contact.notice")!
    static let verify = Purpose("contact.verify")!
    static let dial = Action("dial")!
    static let portfolio = Reference("pf_autumn")!
    static let shanghai = TimeZoneDatabase.system.zone("Asia/Shanghai")!

    static func demonstration() throws -> Policy {
        try Policy.parse(text: StarterPolicy.demonstrationPolicy, file: "policy.yaml")
    }

    static func catalogue() throws -> Policy {
        try Policy.parse(
            text: StarterPolicy.starterCatalogue, file: "policy.yaml", calendars: StarterPolicy.calendars)
    }

    /// The demonstration policy with one piece of its text replaced.
    static func demonstration(replacing old: String, with new: String) throws -> Policy {
        let text = StarterPolicy.demonstrationPolicy.replacing(old, with: new)
        try #require(text != StarterPolicy.demonstrationPolicy)
        return try Policy.parse(text: text, file: "policy.yaml")
    }

    static func scope() -> ReleaseScope {
        ReleaseScope(
            purpose: relay, action: dial, fields: [.phone], stage: .callCollection,
            precondition: .unreachableThreeDays, reference: nil,
            actor: Actor(kind: .human, id: Reference("u_7")!),
            agency: Reference("ag_north")!, clientKind: .gateway, clientRoles: [.collection],
            clientPurposes: nil)
    }

    static func request() -> ReleaseRequest {
        ReleaseRequest(
            scope: scope(), tenant: tenant, contact: contact, caseReference: Reference("cs_9")!,
            clientPortfolios: nil)
    }

    static func consent(_ purpose: Purpose = relay) -> ConsentFact {
        ConsentFact(purpose: purpose, given: now.adding(seconds: -1000), expires: nil, withdrawn: nil)
    }

    static func facts() -> ContactFacts {
        ContactFacts(
            contact: contact, state: .active, stopped: nil, generation: 5, portfolio: portfolio,
            consents: [consent()], verification: .verified, verifiedAt: now.adding(seconds: -5000),
            zones: [shanghai])
    }
}

/// A decision without its permit, which cannot be copied into an expectation.
enum Outcome: Equatable {
    case permit(ReleaseForm, generation: UInt64, fields: [FieldName], contact: ContactID)
    case deny(DenialCode)
}

extension Policy {
    func outcome(
        _ request: ReleaseRequest = Fixture.request(), facts: ContactFacts? = Fixture.facts(),
        usage: UsageFacts = UsageFacts(), at now: Timestamp = Fixture.now
    ) -> Outcome {
        switch decide(request, facts: facts, usage: usage, at: now) {
        case .permit(let permit):
            return .permit(
                permit.form, generation: permit.generation, fields: permit.fields, contact: permit.contact)
        case .deny(let code):
            return .deny(code)
        }
    }
}

/// SplitMix64: a seeded generator whose seed a failing test prints.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
