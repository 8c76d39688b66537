// Another root key while the vault serves, for the operator alone: whoever may ask for it holds the old one's folder.

import ContactModel
import ContactVault
public import EnvelopeEncryption
import Hummingbird
package import StrictEncoding
public import VaultCrypto

/// What the service cannot do itself about root keys: it knows neither modules of tokens nor where the configuration is.
public struct RootKeyCustody: Sendable {
    /// Opens a root key. The bytes are its passphrase or PIN, if one was given.
    let open: @Sendable (RootKeySettings, SharedSecret?) throws -> any RootKey
    /// Writes into the configuration which root key is in force.
    let record: @Sendable (RootKeySettings) throws -> Void

    /// What opens a root key, and what writes into the configuration which one is in force.
    public init(
        open: @escaping @Sendable (RootKeySettings, SharedSecret?) throws -> any RootKey,
        record: @escaping @Sendable (RootKeySettings) throws -> Void
    ) {
        self.open = open
        self.record = record
    }
}

/// `POST /operator/root-key`.
struct RootKeyRoutes {
    let vault: Vault
    let custody: RootKeyCustody

    func add(to router: Router<VaultRequestContext>) {
        router.post("/operator/root-key") { request, context -> Response in
            let object = try await request.object(
                members: ["provider", "file", "module", "token", "key", "secret"])
            guard let settings = RootKeySettings(object) else { throw RequestFault.bodyMalformed }
            var secret: SharedSecret?
            if let text = object["secret"] {
                guard let bytes = text.stringValue.flatMap({ Base64URL.decode($0) }), !bytes.isEmpty else {
                    throw RequestFault.bodyMalformed
                }
                secret = SharedSecret(SecretBytes(copying: bytes))
            }
            let root = try custody.open(settings, secret)
            switch try await vault.changeRootKey(
                to: root, by: settings.provider, requestID: context.requestID)
            {
            case .waiting(let approval): return try .waiting(approval)
            case .done(let epoch):
                // It is done all the same, and the operator can write it where it belongs.
                let isRecorded = (try? custody.record(settings)) != nil
                return .json(
                    bytes: JSONValue.object(
                        JSONObject([
                            ("epoch", .integer(Int64(clamping: epoch))), ("recorded", .bool(isRecorded)),
                        ])
                    ).canonicalBytes)
            }
        }
    }
}

extension RootKeySettings {
    /// Settings as the operator's command sends them; `nil` for any that a configuration could not have.
    fileprivate init?(_ object: JSONObject) {
        let settings: RootKeySettings
        switch object["provider"]?.stringValue.flatMap({ RootKeyProvider(rawValue: $0) }) {
        case .file:
            guard let name = object["file"]?.stringValue else { return nil }
            settings = .file(name: name)
        case .credential: settings = .credential
        case .pkcs11:
            guard let module = object["module"]?.stringValue, let token = object["token"]?.stringValue,
                let key = object["key"]?.stringValue
            else { return nil }
            settings = .pkcs11(module: module, token: token, key: key)
        case nil: return nil
        }
        guard settings.isAcceptable else { return nil }
        self = settings
    }

    /// As ``RootKeyRoutes`` reads them.
    package var json: JSONObject {
        var object = JSONObject([("provider", .string(provider.rawValue))])
        switch self {
        case .file(let name): object["file"] = .string(name)
        case .credential: break
        case .pkcs11(let module, let token, let key):
            object["module"] = .string(module)
            object["token"] = .string(token)
            object["key"] = .string(key)
        }
        return object
    }
}
