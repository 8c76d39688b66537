// The vault's values as wire types.

import AccessLog
package import ContactModel
package import ContactVault
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
            receipt: stored.receipt.map { ReceiptBody($0) })
    }
}

extension ImportLineBody {
    /// The wire form of one result of an import.
    package init(_ result: Result<StoredReceipt, IntakeFault>, line: Int) {
        switch result {
        case .success(let stored):
            self.init(line: line, contact: stored.contact.description, phone: stored.mask)
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
            receipt: ReceiptBody(view.receipt))
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
