// Reports as wire types.

import AccessLog
import ContactModel
import ContactVault
import VaultAPI

extension LogCountsBody {
    /// The wire form of counts.
    init(_ counts: LogCounts) {
        self.init(
            by: counts.dimensions.map(\.rawValue),
            counts: counts.counts.map { Count(values: $0.values, count: $0.count) })
    }
}

extension LogAnswerBody {
    /// The wire form of an answer.
    init(_ answer: LogAnswer) {
        let question = answer.question
        self.init(
            question: question.rawValue, title: question.title, mustBeNone: question.mustBeNone,
            columns: question.columns, rows: answer.rows, count: answer.count)
    }
}

extension LogReportBody {
    /// The wire form of a report.
    init(_ report: LogReport, of vault: Vault) {
        self.init(
            log: vault.identity.logOrigin, made: report.made.description,
            from: report.time.from?.description ?? vault.identity.created.description,
            to: (report.time.to ?? report.made).description, size: report.size, policy: vault.policyVersion,
            days: LogCountsBody(report.days), purposes: LogCountsBody(report.purposes),
            agencies: LogCountsBody(report.agencies), denials: LogCountsBody(report.denials),
            hours: LogCountsBody(report.hours), outcomes: LogCountsBody(report.outcomes),
            answers: report.answers.map { LogAnswerBody($0) })
    }
}

extension LogShardBody {
    /// The wire form of a shard.
    init(_ shard: LogShard) {
        self.init(
            month: shard.month, first: shard.first, end: shard.end, removed: shard.removed,
            checkpoint: shard.checkpoint)
    }
}

extension SubjectReportBody {
    /// The wire form of a report to a subject.
    init(_ report: SubjectReport) {
        var recipients: [String: Recipient] = [:]
        for entry in report.accesses.map(\.entry) where entry.kind == .release {
            guard entry.outcome == .permit || entry.outcome == .redelivered else { continue }
            let (agency, time) = (entry.agency?.text ?? "", entry.time.description)
            let known = recipients[agency]
            recipients[agency] = Recipient(
                agency: agency, releases: (known?.releases ?? 0) + 1, first: known?.first ?? time, last: time)
        }
        let consents = (report.held?.consents ?? []).map { consent in
            Consent(
                purpose: consent.purpose.text, notice: consent.notice.text, given: consent.given.description,
                expires: consent.expires?.description, withdrawn: consent.withdrawn?.description,
                recipients: consent.recipients.map { $0.map(\.text).sorted() })
        }
        self.init(
            contact: report.contact.description, made: report.made.description,
            log: report.policy.logs[0].key.name, policy: report.policy.text, checkpoint: report.checkpoint,
            held: report.held.map { Held($0) },
            consents: consents,
            recipients: recipients.values.sorted { ($0.first, $0.agency) < ($1.first, $1.agency) },
            accesses: report.accesses.map { Access($0) })
    }
}

extension SubjectReportBody.Held {
    fileprivate init(_ view: ContactView) {
        self.init(
            phone: view.phoneMask, name: view.nameMask, state: view.state.rawValue,
            stopped: view.stopped?.description, source: view.attributes.source.rawValue,
            verification: view.attributes.verification.rawValue, language: view.attributes.language,
            timeZone: view.attributes.timeZones, channels: view.attributes.channels.map(\.rawValue).sorted(),
            created: view.created.description, updated: view.updated.description,
            retainUntil: view.attributes.retainUntil, isHeld: view.legalHold != nil)
    }
}

extension SubjectReportBody.Access {
    fileprivate init(_ access: SubjectAccess) {
        let entry = access.entry
        self.init(
            index: access.index, sequence: access.sequence, time: entry.time.description,
            kind: entry.kind.rawValue, outcome: entry.outcome.rawValue, why: entry.reason?.text,
            purpose: entry.purpose?.text, action: entry.action?.text, form: entry.form?.rawValue,
            fields: entry.fields.map(\.rawValue), agency: entry.agency?.text,
            leaf: String(decoding: access.leaf, as: UTF8.self),
            disclosures: String(decoding: access.disclosed, as: UTF8.self), proof: access.proof.text)
    }
}
