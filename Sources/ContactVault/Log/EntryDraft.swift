// What is known of an access before it has a place in the log.

package import AccessLog
import AccessToken
package import ContactModel

/// An entry without its position, time and digests.
///
/// The facts of the leaf and the personal parts are apart from the beginning, so that no code path can write a personal
/// part into the leaf.
package struct EntryDraft: Sendable {
    package var kind: EntryKind
    package var outcome: EntryOutcome
    package var reason: EntryCode?
    package var requestID: Reference?
    package var client: Reference?
    package var agency: Reference?
    package var keyThumbprint: EntryDigest?
    package var certificateThumbprint: EntryDigest?
    package var trustedIssuer: Reference?
    package var tokenDigest: EntryDigest?
    package var purpose: Purpose?
    package var action: Action?
    package var form: ReleaseForm?
    package var fields: [FieldName] = []
    package var stage: Stage?
    package var basis: EntryCode?
    package var precondition: Precondition?
    package var policyVersion: Reference?
    package var use: UInt64?
    package var maximumUses: UInt64?
    package var keyVersion: UInt32?
    package var generation: UInt64?
    package var count: UInt64?
    package var root: EntryDigest?

    // The personal parts, which become disclosures.
    /// The contact it is about.
    package var contact: ContactID?
    /// The contact's wrapped disclosure key; `nil` for a contact that is not stored: the vault's general key seals then,
    /// and the entry has no sequence number.
    package var disclosureKey: [UInt8]?
    /// The case.
    package var caseReference: Reference?
    /// On whose behalf.
    package var actor: Actor?

    package init(_ kind: EntryKind, _ outcome: EntryOutcome, reason: EntryCode? = nil) {
        self.kind = kind
        self.outcome = outcome
        self.reason = reason
    }

    /// Says by which token, and what its holder proved to hold.
    mutating func bind(to token: VerifiedToken) {
        bind(to: token.claims.confirmation)
        tokenDigest = EntryDigest(bytes: token.identifierHash)
        trustedIssuer = token.trustedIssuer
    }

    /// Says what the client proved to hold.
    mutating func bind(to confirmation: TokenConfirmation) {
        switch confirmation {
        case .proofKey(let thumbprint): keyThumbprint = EntryDigest(thumbprint)
        case .certificate(let thumbprint): certificateThumbprint = EntryDigest(thumbprint)
        }
    }

    /// Takes over whom and what another entry is about, for an entry that follows from it.
    mutating func copyPlace(of other: EntryDraft) {
        requestID = other.requestID
        client = other.client
        agency = other.agency
        purpose = other.purpose
        action = other.action
        stage = other.stage
        policyVersion = other.policyVersion
        contact = other.contact
        disclosureKey = other.disclosureKey
        caseReference = other.caseReference
        actor = other.actor
    }

    /// The leaf's facts with an id and a time.
    func entry(id: EntryID, time: Timestamp, source: Reference) -> LogEntry {
        var entry = LogEntry(id: id, time: time, source: source, kind: kind, outcome: outcome, reason: reason)
        entry.requestID = requestID
        entry.client = client
        entry.agency = agency
        entry.keyThumbprint = keyThumbprint
        entry.certificateThumbprint = certificateThumbprint
        entry.trustedIssuer = trustedIssuer
        entry.tokenDigest = tokenDigest
        entry.purpose = purpose
        entry.action = action
        entry.form = form
        entry.fields = fields
        entry.stage = stage
        entry.basis = basis
        entry.precondition = precondition
        entry.policyVersion = policyVersion
        entry.use = use
        entry.maximumUses = maximumUses
        entry.keyVersion = keyVersion
        entry.generation = generation
        entry.count = count
        entry.root = root
        return entry
    }
}
