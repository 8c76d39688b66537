// Questions that need what the store holds besides the log: reviews, outcomes, contacts, their zones and counts.

import AccessLog
import ContactModel
import PurposePolicy

extension Vault {
    /// Reviews, missing outcomes, and contacts past their day, as they are now.
    func storedAnswer(_ question: LogQuestion, time: TimeSpan) async throws -> LogAnswer {
        let limits = state.policy.policy.limits
        let clock = clock
        return try await reading { reader in
            var answer = LogAnswer(question)
            let now = clock()
            switch question {
            case .emergencies:
                for review in try reader.reviews(openOnly: false) where time.contains(review.opened) {
                    answer.add([
                        review.release.description, review.opened.description, review.client.text,
                        review.purpose.text, review.due.description, review.closed?.description ?? "",
                        review.finding ?? "",
                    ])
                }
            case .missingOutcomes:
                let overdue = try reader.overdueReleases(before: now, limit: LogAnswer.rowLimit)
                for release in overdue where time.contains(release.time) {
                    answer.add([
                        release.id.description, release.time.description, release.client.text,
                        release.purpose.text,
                        (release.outcomeDue ?? release.time.adding(seconds: limits.outcomeHours * 3600))
                            .description,
                    ])
                }
            default:
                let today = String(now.description.prefix(10))
                let contacts = try reader.contactsPastRetention(today, limit: LogAnswer.rowLimit)
                let holds = try reader.legalHolds(of: contacts.map(\.id))
                for contact in contacts {
                    answer.add([
                        contact.id.description, contact.retainUntil,
                        holds[contact.id]?.since.description ?? "",
                    ])
                }
            }
            return answer
        }
    }

    /// Releases of contacts that are still here, by their present zones and the present policy.
    func hoursAnswer(time: TimeSpan, size: UInt64, as caller: Caller) async throws -> LogAnswer {
        var answer = LogAnswer(.hours)
        let policy = state.policy.policy
        try await scanReleases(time, size: size, as: caller) { logged, _, attributes in
            let entry = logged.entry
            guard let purpose = entry.purpose,
                let code = policy.hoursDenial(
                    for: purpose, portfolio: attributes.portfolio,
                    zones: state.rules(of: attributes.timeZones),
                    preferredWindow: attributes.preferredWindow, at: entry.time)
            else { return }
            answer.add([
                String(logged.index), entry.time.description, entry.client?.text ?? "", purpose.text,
                entry.action?.text ?? "", logged.disclosed?.contact?.description ?? "", code.rawValue,
            ])
        }
        return answer
    }

    /// Caps of the contacts that had a release in the time, or in the last 31 days.
    func capAnswer(time: TimeSpan, size: UInt64, as caller: Caller) async throws -> LogAnswer {
        let now = clock()
        let end = min(time.to ?? now, now)
        let recent = TimeSpan(from: time.from ?? end.adding(seconds: -31 * 86_400), to: time.to)
        var contacts: [ContactID: (contact: StoredContact, attributes: ContactAttributes)] = [:]
        try await scanReleases(recent, size: size, as: caller) { _, contact, attributes in
            contacts[contact.id] = (contact, attributes)
        }
        let (policy, state, found) = (state.policy.policy, state, contacts)
        return try await reading { reader in
            var answer = LogAnswer(.caps)
            for (id, known) in found.sorted(by: { $0.key.description < $1.key.description }) {
                let key = HistoryKey.number(known.contact.phoneIndex)
                let history = try reader.releaseHistory([key: Timestamp(milliseconds: 0)])[key] ?? []
                let releases = history.filter { $0.time <= end }.map { release in
                    PastRelease(
                        time: release.time, purpose: release.purpose, isMask: release.form == .mask,
                        isApproach: release.isApproach, isSameNumber: true, isSameCase: false,
                        isSameReference: false)
                }
                let uses = policy.capUses(
                    of: releases, portfolio: known.attributes.portfolio,
                    zones: state.rules(of: known.attributes.timeZones), at: end)
                for use in uses where use.isNearlyReached {
                    answer.add([
                        id.description, use.purpose?.text ?? "all", String(use.used),
                        String(use.cap.releases),
                        use.cap.window.words,
                    ])
                }
            }
            return answer
        }
    }

    /// Permitted releases with the contact, as far as it is still here.
    private func scanReleases(
        _ time: TimeSpan, size: UInt64, as caller: Caller,
        _ body: (LoggedEntry, StoredContact, ContactAttributes) throws -> Void
    ) async throws {
        var query = LogQuery()
        query.time = time
        query.kinds = [.release]
        query.outcomes = [.permit, .redelivered]
        try await scanPages(query, size: size, as: caller) { page in
            let ids = Array(Set(page.compactMap { $0.disclosed?.contact }))
            let contacts = try await reading { try $0.contacts(ids) }
            for logged in page {
                guard let contact = logged.disclosed?.contact.flatMap({ contacts[$0] }),
                    let attributes = state.attributes.attributes(of: contact.id, in: contact.attributes)
                else { continue }
                try body(logged, contact, attributes)
            }
        }
    }
}

extension CapUse {
    /// Whether one more release, or a fifth of what is allowed, is all that is left.
    fileprivate var isNearlyReached: Bool { used >= cap.releases - max(1, cap.releases / 5) }
}

extension Cap.Window {
    fileprivate var words: String {
        switch self {
        case .days(let days): days == 1 ? "a day" : "\(days) days"
        case .hours(let hours): "\(hours) hours"
        case .inAll: "in all"
        }
    }
}
