// Releases in an emergency: somebody is told at once, and somebody looks at each of them afterwards.

import AccessLog
import AccessToken
public import ContactModel

/// What a review found.
public enum ReviewFinding: String, CaseIterable, Sendable {
    /// There was a threat to life.
    case justified
    /// There was none; what follows is not the vault's.
    case notJustified = "not_justified"
}

extension Vault {
    /// Reviews, oldest first, and the moment at which they were looked at. The look has an entry.
    public func reviews(
        openOnly: Bool, as caller: Caller, requestID: Reference
    ) async throws -> (reviews: [StoredReview], now: Timestamp) {
        try await manage(
            .reviewRead, as: caller, requestID: requestID,
            covers: { _ throws(TokenError) in throw .insufficientScope },
            { transaction -> ManagedOutcome<(reviews: [StoredReview], now: Timestamp)> in
                let reviews = try transaction.store.reviews(openOnly: openOnly)
                try transaction.log(.reviewRead, about: nil) { $0.count = UInt64(reviews.count) }
                return .done((reviews, transaction.now))
            })
    }

    /// Closes a review, with an entry.
    /// - Throws: ``VaultError/notFound`` if no review of this release is open.
    public func closeReview(
        of release: ReleaseID, finding: ReviewFinding, as caller: Caller, requestID: Reference
    ) async throws {
        let contact = try await reading { try $0.releases([release])[release]?.contact }
        try await manage(
            .reviewClose, as: caller, requestID: requestID, contacts: contact.map { [$0] } ?? [],
            covers: { _ throws(TokenError) in throw .insufficientScope },
            { transaction -> ManagedOutcome<Void> in
                guard
                    var review = try transaction.store.reviews(openOnly: true).first(where: {
                        $0.release == release
                    })
                else { return .failed(.notFound, "not_found") }
                review.closed = transaction.now
                review.finding = finding.rawValue
                try transaction.store.putReviews([review])
                let stored = try contact.flatMap { try transaction.store.contacts([$0])[$0] }
                try transaction.log(.reviewClose, about: stored) { draft in
                    draft.basis = EntryCode(finding.rawValue)
                    draft.purpose = review.purpose
                }
                return .done(())
            })
    }

    /// Emergencies whose alert has not been delivered yet.
    public func undeliveredAlerts() async throws -> [StoredReview] {
        // What somebody has looked at needs no alert any more.
        try await reading { try $0.reviews(openOnly: true).filter { $0.alerted == nil } }
    }

    /// Remembers that the alerts of these releases were delivered.
    public func markAlerted(_ releases: [ReleaseID]) async throws {
        try await storing { transaction in
            var reviews: [StoredReview] = []
            for var review in try transaction.reviews(openOnly: true)
            where review.alerted == nil && releases.contains(review.release) {
                review.alerted = transaction.now
                reviews.append(review)
            }
            try transaction.putReviews(reviews)
        }
    }

    /// Figures for a monitoring system.
    public func figures() async throws -> VaultFigures {
        let now = clock()
        return try await reading { reader in
            let reviews = try reader.reviews(openOnly: false)
            let open = reviews.filter { $0.closed == nil }
            return VaultFigures(
                logSize: try reader.logHead().size, emergencyReleases: UInt64(reviews.count),
                openReviews: UInt64(open.count), overdueReviews: UInt64(open.count { $0.due <= now }),
                pendingAlerts: UInt64(open.count { $0.alerted == nil }),
                missingOutcomes: UInt64(try reader.overdueReleases(before: now, limit: 1000).count))
        }
    }
}

/// Figures for a monitoring system.
public struct VaultFigures: Sendable {
    /// Entries of the access log.
    public let logSize: UInt64
    /// Releases that broke the glass, ever.
    public let emergencyReleases: UInt64
    /// Those that nobody has reviewed.
    public let openReviews: UInt64
    /// Those whose review is past its time.
    public let overdueReviews: UInt64
    /// Those whose alert is not delivered.
    public let pendingAlerts: UInt64
    /// Releases whose outcome is overdue, counted up to a thousand.
    public let missingOutcomes: UInt64
}
