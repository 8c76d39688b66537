// Tokens of SoftHSM in a folder of this test process. SoftHSM reads where they are when it is initialised, so all are made
// before that.

import CCryptoki
import EnvelopeEncryption
import Foundation
import Synchronization
import Testing
import VaultCrypto

@testable import HardwareRootKey

/// A token of SoftHSM.
struct SoftToken {
    let label: String
    /// Where SoftHSM keeps it.
    let folder: String

    static let module = "/usr/lib/softhsm/libsofthsm2.so"
    static let pin = "48213977"
    static let wrongPIN = "48213978"

    /// Labels of the tokens there are. Two have the label `twins`.
    private static let labels = ["vault", "another", "pin", "removable", "imported", "twins", "twins"]

    private static let all: [String: SoftToken] = {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("hardware-root-key-\(ProcessInfo.processInfo.processIdentifier)").path
        let tokens = folder + "/tokens"
        let configuration = folder + "/softhsm2.conf"
        do {
            try FileManager.default.createDirectory(atPath: tokens, withIntermediateDirectories: true)
            try Data("directories.tokendir = \(tokens)\nlog.level = ERROR\n".utf8)
                .write(to: URL(fileURLWithPath: configuration))
            setenv("SOFTHSM2_CONF", configuration, 1)
            var made: [String: SoftToken] = [:]
            var known: Set<String> = []
            for label in labels {
                let process = Process()
                process.executableURL = URL(fileURLWithPath: "/usr/bin/softhsm2-util")
                process.arguments = [
                    "--init-token", "--free", "--label", label, "--so-pin", "91827364", "--pin", pin,
                ]
                process.standardOutput = FileHandle.nullDevice
                try process.run()
                process.waitUntilExit()
                let now = Set(try FileManager.default.contentsOfDirectory(atPath: tokens))
                guard let name = now.subtracting(known).first else { break }
                known = now
                made[label] = SoftToken(label: label, folder: tokens + "/" + name)
            }
            folderToRemove.withLock { $0 = folder }
            atexit {
                if let folder = folderToRemove.withLock({ $0 }) {
                    try? FileManager.default.removeItem(atPath: folder)
                }
            }
            return made
        } catch {
            Issue.record("SoftHSM: \(error); scripts/bootstrap installs it")
            return [:]
        }
    }()

    private static let folderToRemove = Mutex<String?>(nil)

    static func named(_ label: String) throws -> SoftToken {
        try #require(all[label], "softhsm2-util made no token; scripts/bootstrap installs it")
    }

    static func pin(_ text: String = pin) -> SecretBytes { SecretBytes(copying: Array(text.utf8)) }

    func location(_ key: String) -> CryptokiRootKey.Location {
        CryptokiRootKey.Location(module: Self.module, token: label, key: key)
    }

    /// A root key of a new key object.
    func make(_ key: String = UUID().uuidString.lowercased()) throws -> CryptokiRootKey {
        try CryptokiRootKey.makeKey(at: location(key), pin: Self.pin())
        return try open(key)
    }

    func open(_ key: String) throws -> CryptokiRootKey {
        try CryptokiRootKey(at: location(key), pin: Self.pin())
    }

    /// What opening a key throws; `nil` if it opens.
    func refusal(_ key: String, pin: String = pin) -> RootKeyError? {
        Self.refusal(location(key), pin: pin)
    }

    static func refusal(_ location: CryptokiRootKey.Location, pin: String = pin) -> RootKeyError? {
        do throws(RootKeyError) {
            _ = try CryptokiRootKey(at: location, pin: Self.pin(pin))
            return nil
        } catch {
            return error
        }
    }

    // MARK: What an operator, another program or an accident does to the token

    /// The module, initialised.
    static func functions() throws -> CK_FUNCTION_LIST {
        let module = try CryptokiModule.load(Self.module)
        try module.initialize()
        return module.functions.pointee
    }

    func flags() throws -> CK_FLAGS {
        let module = try CryptokiModule.load(Self.module)
        try module.initialize()
        return try #require(try module.tokens(label: label).first).flags
    }

    /// Runs calls in a session of its own, logged in.
    func inSession<Value>(
        pin: String = pin, _ body: (CK_FUNCTION_LIST, CK_SESSION_HANDLE) throws -> Value
    ) throws -> Value {
        let functions = try Self.functions()
        let module = try CryptokiModule.load(Self.module)
        let slot = try #require(try module.tokens(label: label).first).slot
        var session: CK_SESSION_HANDLE = 0
        #expect(
            functions.C_OpenSession(slot, CK_FLAGS(CKF_SERIAL_SESSION | CKF_RW_SESSION), nil, nil, &session)
                == CKR_OK)
        defer { _ = functions.C_CloseSession(session) }
        var bytes = Array(pin.utf8)
        let code = functions.C_Login(session, CK_USER_TYPE(CKU_USER), &bytes, CK_ULONG(bytes.count))
        #expect(code == CKR_OK || code == CKR_USER_ALREADY_LOGGED_IN)
        return try body(functions, session)
    }

    /// Changes the PIN.
    func changePIN(from old: String, to new: String) throws {
        try inSession(pin: old) { functions, session in
            var old = Array(old.utf8)
            var new = Array(new.utf8)
            #expect(
                functions.C_SetPIN(session, &old, CK_ULONG(old.count), &new, CK_ULONG(new.count)) == CKR_OK)
        }
    }

    /// Closes every session with the token, which logs its user out.
    func closeAllSessions() throws {
        let module = try CryptokiModule.load(Self.module)
        let slot = try #require(try module.tokens(label: label).first).slot
        #expect(module.functions.pointee.C_CloseAllSessions(slot) == CKR_OK)
    }

    /// Makes a secret key with attributes that may be wrong, generated or from known bytes.
    func makeKey(
        _ key: String, value: [UInt8]? = nil, type: CK_KEY_TYPE = CKK_AES, length: Int = 32,
        changing changes: [CK_ATTRIBUTE_TYPE: Bool] = [:]
    ) throws {
        var booleans: [CK_ATTRIBUTE_TYPE: Bool] = [
            CKA_TOKEN: true, CKA_PRIVATE: true, CKA_SENSITIVE: true, CKA_EXTRACTABLE: false,
            CKA_ENCRYPT: true,
            CKA_DECRYPT: true, CKA_WRAP: false, CKA_UNWRAP: false, CKA_SIGN: false, CKA_VERIFY: false,
            CKA_DERIVE: false,
        ]
        booleans.merge(changes) { $1 }
        var storage: [(CK_ATTRIBUTE_TYPE, [UInt8])] = booleans.map { ($0.key, [$0.value ? 1 : 0]) }
        func word(_ value: some BinaryInteger) -> [UInt8] {
            withUnsafeBytes(of: CK_ULONG(value)) { Array($0) }
        }
        storage.append((CKA_CLASS, word(CKO_SECRET_KEY)))
        storage.append((CKA_KEY_TYPE, word(type)))
        storage.append((CKA_LABEL, Array(key.utf8)))
        if let value {
            storage.append((CKA_VALUE, value))
        } else {
            storage.append((CKA_VALUE_LEN, word(length)))
        }
        let pointers = storage.map { attribute in
            let pointer = UnsafeMutablePointer<UInt8>.allocate(capacity: attribute.1.count)
            pointer.initialize(from: attribute.1, count: attribute.1.count)
            return pointer
        }
        defer { pointers.forEach { $0.deallocate() } }
        var template = zip(storage, pointers).map { attribute, pointer in
            CK_ATTRIBUTE(type: attribute.0, pValue: pointer, ulValueLen: CK_ULONG(attribute.1.count))
        }
        try inSession { functions, session in
            var handle: CK_OBJECT_HANDLE = 0
            if value != nil {
                #expect(
                    functions.C_CreateObject(session, &template, CK_ULONG(template.count), &handle) == CKR_OK)
            } else {
                var mechanism = CK_MECHANISM(
                    mechanism: type == CKK_AES ? CKM_AES_KEY_GEN : CKM_GENERIC_SECRET_KEY_GEN,
                    pParameter: nil,
                    ulParameterLen: 0)
                #expect(
                    functions.C_GenerateKey(
                        session, &mechanism, &template, CK_ULONG(template.count), &handle) == CKR_OK)
            }
        }
    }

    /// Destroys the keys with a label.
    func destroyKeys(_ key: String) throws {
        try inSession { functions, session in
            var functions = functions
            var found: [CK_OBJECT_HANDLE] = [0, 0]
            var count: CK_ULONG = 0
            let label = Array(key.utf8)
            #expect(
                contact_vault_cryptoki_find(&functions, session, label, label.count, &found, &count) == CKR_OK
            )
            for handle in found.prefix(Int(count)) {
                #expect(functions.C_DestroyObject(session, handle) == CKR_OK)
            }
        }
    }

    /// Takes the token away, or puts it back.
    func move(isAway: Bool) throws {
        let aside = (folder as NSString).deletingLastPathComponent + "-" + label
        try FileManager.default.moveItem(atPath: isAway ? folder : aside, toPath: isAway ? aside : folder)
    }
}
