// Errors in words that say what to do. No error here carries input, so none is echoed.

import AccessLog
import AccessToken
import ConfigurationFile
import ContactModel
import ContactVault
import EnvelopeEncryption
import VaultAPI
import VaultClient
import VaultCrypto
import VaultService

/// What an error means to the person at the terminal.
enum ErrorText {
    static func describe(_ error: any Error) -> String {
        switch error {
        case let failure as CommandFailure: failure.message
        case let fault as ConfigurationFault: fault.description
        case let error as StoreError: store(error)
        case let error as VaultError: vault(error)
        case let error as RootKeyError: error.description
        case let error as KeyringError: error.description
        case let error as ServiceError: error.description
        case let fault as LogFault: fault.description
        case let fault as WitnessFolder.Fault: fault.description
        case let fault as TileFault: fault.description
        case let fault as BackupFault: fault.description
        case let error as LogError: error.description
        case let fault as JWKFault: fault.description
        case CryptoError.selfTestFailed(let algorithm):
            "the self-test of \(algorithm) failed: this OpenSSL must not be used"
        case let error as VaultClientError:
            error.problem.map { problem in
                "\(problem.status): \(problem.title)" + (problem.detail.map { " (\($0))" } ?? "")
            } ?? error.description
        case let error as ClientKeyError: error.description
        default: "failed (\(type(of: error)))"
        }
    }

    private static func store(_ error: StoreError) -> String {
        switch error {
        case .locked:
            "another process holds this vault; if it is `contact-vault serve`, use commands that ask the service, or stop it"
        case .missing:
            "there is no vault here: make one with `contact-vault init`, or name its folder with --data"
        case .newerVersion:
            "this vault was written by a newer contact-vault: use that version; nothing was changed"
        case .corrupt(let table):
            "the store is damaged (\(table)): restore a backup and check it with `log verify`"
        case .unavailable(let code):
            "the store cannot be written or read (\(code)): check free space, permissions and the disk"
        case .conflict: "the store changed meanwhile: try again"
        }
    }

    private static func vault(_ error: VaultError) -> String {
        switch error {
        case .denied(let code): "refused: \(code.rawValue)"
        case .intake(let fault): "not accepted, nothing was stored: \(fault.field): \(fault.problem.rawValue)"
        case .inconsistent("client_exists"): "a client of this name is registered already"
        case .inconsistent("client_name_reserved"): "this name is the operator's: choose another"
        case .inconsistent("encryption_key_signs"):
            "the encryption key also signs: make another for sealed numbers"
        case .inconsistent("issuer_is_not_an_origin"):
            "the issuer must be an origin such as https://vault.example, without path or trailing slash"
        case .inconsistent("store_older_than_its_signer"):
            "the store ends before what its signer has signed: it is an old copy. Put the newer one back; nothing was written"
        case .inconsistent("store_not_its_signer's"):
            "the store holds another history than its signer has signed: keep it as evidence. Nothing was written"
        case .inconsistent("log_contradicted_by_a_witness"):
            "a witness has seen more of this log than is here, or something else: the store is an old copy or was rewritten. "
                + "Put the newer one back; nothing was written"
        case .inconsistent("checkpoint_is_not_the_log's"):
            "a checkpoint is not by this vault's keys, or of another name of its log (the store's, log.signer_memory's or the one given)"
        case .inconsistent("signer_memory_unreadable"):
            "what the log's signer remembers cannot be read (signer.checkpoint, or log.signer_memory of the configuration)"
        case .inconsistent(let what): "keys, policy and store do not belong together: \(what)"
        case .conflict(let what): ConflictText.describe(what)
        case .keyInUse(let needs): "something needs this key version: \(needs.description)"
        case .tooEarly(let moment):
            "that step has to wait until \(moment); nothing was changed (`contact-vault keys list` shows the times)"
        case .clockWentBack:
            "the system's clock is behind the log's last entry: set the clock right, then start again"
        case .logUnavailable(let code): "the access log cannot be written (\(code)): nothing was released"
        case .notFound: "there is no such thing here"
        case .outcomeConflict: "another outcome of this release is on record"
        case .approvalVoid:
            "this approval was given already, was used, has expired, or what it approves has changed since"
        case .approvalByRequester: "nobody approves what they asked for themselves"
        case .generationMismatch: "the contact has changed meanwhile: read it again"
        case .recordUnreadable(let code): "the record does not open: \(code)"
        case .storeCorrupt(let table): store(.corrupt(table))
        case .idempotencyConflict, .overloaded, .cryptographyUnavailable, .token: "failed (\(error))"
        }
    }
}
