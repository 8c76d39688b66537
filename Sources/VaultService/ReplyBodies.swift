// The vault's values as wire types.

import AccessLog
package import ContactModel
package import ContactVault
package import PurposePolicy
import StrictEncoding
package import VaultAPI

extension ReceiptBody {
    /// The wire form of a receipt.
    package init(_ receipt: EntryReceipt) {
        self.init(
            index: receipt.index, leafHash: Base64.encode(receipt.leafHash),
            checkpointAfter: receipt.checkpointAfter.description)
    }
}

extension StoredContactBody {
    /// The wire form of a stored contact.
    package init(_ stored: StoredReceipt) {
        self.init(
            contact: stored.contact.description, generation: stored.generation, phone: stored.mask,
            stopped: stored.stopped?.description, receipt: stored.receipt.map { ReceiptBody($0) })
    }
}

extension ImportLineBody {
    /// The wire form of one result of an import.
    package init(_ result: Result<StoredReceipt, IntakeFault>, line: Int) {
        switch result {
        case .success(let stored):
            self.init(
                line: line, contact: stored.contact.description, phone: stored.mask,
                stopped: stored.stopped?.description)
        case .failure(let fault):
            self.init(line: line, field: fault.field, problem: fault.problem.rawValue)
        }
    }
}

extension ContactBody {
    /// The wire form of a contact's view.
    package init(_ view: ContactView) {
        self.init(
            contact: view.id.description, generation: view.generation, state: view.state.rawValue,
            stopped: view.stopped?.description, borrower: view.attributes.borrower.text,
            portfolio: view.attributes.portfolio.text, language: view.attributes.language,
            timeZone: view.attributes.timeZones, channels: view.attributes.channels.map(\.rawValue).sorted(),
            source: view.attributes.source.rawValue, retainUntil: view.attributes.retainUntil,
            verification: view.attributes.verification.rawValue, phone: view.phoneMask, name: view.nameMask,
            consents: view.consents.map { consent in
                Consent(
                    purpose: consent.purpose.text, notice: consent.notice.text,
                    given: consent.given.description,
                    expires: consent.expires?.description, withdrawn: consent.withdrawn?.description)
            },
            created: view.created.description, updated: view.updated.description,
            legalHold: view.legalHold?.since.description, receipt: ReceiptBody(view.receipt))
    }
}

extension LogEntryBody {
    /// The wire form of an entry.
    package init(_ logged: LoggedEntry) throws {
        let actor = logged.disclosed?.actor
        self.init(
            index: logged.index, leaf: String(decoding: try logged.entry.encode(), as: UTF8.self),
            contact: logged.disclosed?.contact?.description,
            caseReference: logged.disclosed?.caseReference?.text,
            actor: actor.map { $0.kind.rawValue + ":" + $0.id.text }, sequence: logged.disclosed?.sequence)
    }
}

extension PolicyDifferenceBody {
    /// The wire form of a change.
    package init(_ difference: PolicyDifference) {
        self.init(place: difference.place, change: difference.change, effect: difference.effect.rawValue)
    }
}

extension PolicyChangeBody {
    /// The wire form of what became of a policy.
    package init(_ change: PolicyChange) {
        switch change {
        case .applied(let version, let changes):
            self.init(
                state: "applied", version: version, approval: nil,
                changes: changes.map { PolicyDifferenceBody($0) })
        case .waiting(let approval, let version, let changes):
            self.init(
                state: "waiting", version: version, approval: approval.description,
                changes: changes.map { PolicyDifferenceBody($0) })
        case .unchanged(let version):
            self.init(state: "unchanged", version: version, approval: nil, changes: [])
        }
    }
}

extension ApprovalBody {
    /// The wire form of an approval.
    /// - Throws: ``VaultError/storeCorrupt(_:)`` for an impossible name.
    package init(_ stored: StoredApproval, of vault: Vault) throws {
        guard let id = ApprovalID(bytes: stored.id) else { throw VaultError.storeCorrupt("approvals") }
        self.init(
            approval: id.description, kind: stored.kind.rawValue,
            operation: ProtectedOperation(stored)?.description, contact: stored.contact?.description,
            requester: stored.requester.text, requested: stored.requested.description,
            expires: stored.expires.description,
            changes: try vault.changes(by: stored).map { PolicyDifferenceBody($0) })
    }
}

extension ReviewBody {
    /// The wire form of a review.
    package init(_ review: StoredReview, at now: Timestamp) {
        self.init(
            release: review.release.description, client: review.client.text, purpose: review.purpose.text,
            released: review.opened.description, due: review.due.description,
            isOverdue: review.closed == nil && review.due <= now, alerted: review.alerted?.description,
            closed: review.closed?.description, finding: review.finding)
    }
}

extension MissingOutcomeBody {
    /// The wire form of a release without an outcome.
    package init(_ release: StoredRelease) {
        self.init(
            release: release.id.description, client: release.client.text, purpose: release.purpose.text,
            released: release.time.description, due: release.outcomeDue?.description ?? "")
    }
}

extension ExplanationBody {
    /// The wire form of an explanation.
    package init(_ explanation: PolicyExplanation) {
        self.init(
            version: explanation.version, moment: explanation.moment.descriptionWithMilliseconds,
            form: explanation.form?.rawValue, denial: explanation.denial?.rawValue,
            rules: explanation.rules.map { step in
                switch step.verdict {
                case .passed: Rule(rule: step.rule.rawValue, verdict: "passed", code: nil)
                case .denied(let code): Rule(rule: step.rule.rawValue, verdict: "denied", code: code.rawValue)
                case .notJudged: Rule(rule: step.rule.rawValue, verdict: "not_judged", code: nil)
                }
            })
    }
}

extension SimulatedDecisionBody {
    /// The wire form of simulated decisions.
    package init(_ decisions: SimulatedDecisions) {
        self.init(
            purpose: decisions.purpose.text, action: decisions.action.text, was: decisions.was,
            wouldBe: decisions.wouldBe, count: decisions.count)
    }
}
