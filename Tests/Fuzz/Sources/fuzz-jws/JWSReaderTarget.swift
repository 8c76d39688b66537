// Fuzz target of the compact JWS reader. Each input is read twice: as a token, and as a header that is put into an
// otherwise sound token, because a mutation hardly ever survives base64. Beyond "no crash": the reader accepts exactly
// what a second reader, written here from docs/spec/access-token.md, accepts, as each kind of message, and both find
// the same parts. A key in the header is read again as the proof's verifier reads it.

import AccessToken
import Foundation
import StrictEncoding
import VaultCrypto

/// Ends the process; the fuzzer then keeps the input.
func finding(_ what: String) -> Never { fatalError("finding: \(what)") }

/// The header parameters of one kind of message, as the readers in `Sources/AccessToken` ask for them.
struct MessageKind {
    let required: Set<HeaderParameter>
    let optional: Set<HeaderParameter>

    static let all = [
        // Access token, DPoP proof, client assertion.
        MessageKind(required: [.type, .keyID], optional: []),
        MessageKind(required: [.type, .key], optional: []),
        MessageKind(required: [], optional: [.type, .keyID]),
    ]
    /// What accepts every message that one of the others accepts.
    static let any = MessageKind(required: [], optional: [.type, .keyID, .key])
}

/// What libFuzzer calls for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let segments = [bytes, Array("{}".utf8), [UInt8](repeating: 0x5A, count: 64)].map(base64URL)
    for token in [bytes, Array(segments.joined(separator: [dot]))] {
        // Every kind where one may say yes. Else one, by the length: it tries more inputs in the same time.
        let kinds = check(token, as: .any) ? MessageKind.all : [MessageKind.all[count % 3]]
        for kind in kinds { check(token, as: kind) }
    }
    return 0
}

/// Reads a token with both readers and compares; whether it was accepted.
@discardableResult
private func check(_ token: [UInt8], as kind: MessageKind) -> Bool {
    let expected = Result { () throws(TokenFault) in try TokenParts(reading: token, as: kind) }
    let jws: CompactJWS
    do throws(TokenFault) {
        jws = try CompactJWS(parsing: token, required: kind.required, optional: kind.optional)
    } catch {
        guard case .failure(let fault) = expected else { finding("refused a sound token: \(error.rawValue)") }
        let told: [TokenFault] = [.tooLarge, .segments, .json]
        if error != fault && (told.contains(error) || told.contains(fault)) {
            finding("refused as \(error.rawValue), not as \(fault.rawValue)")
        }
        return false
    }
    guard case .success(let parts) = expected else { finding("accepted what is no token of this kind") }
    if !isSame(jws.algorithm.rawValue, parts.algorithm) { finding("the algorithm is not the header's") }
    if !isSame(jws.type, parts.type) { finding("the type is not the header's") }
    if !isSame(jws.keyID, parts.keyID) { finding("the key's name is not the header's") }
    if jws.payload != parts.payload { finding("another payload") }
    if jws.signature != parts.signature { finding("another signature") }
    if jws.signingInput + [dot] + base64URL(jws.signature) != token { finding("something else is signed") }
    if let key = parts.key { checkKey(key, of: jws) }
    return true
}

/// A key that the header's reader accepted lacks nothing but the proof that it is a point of its curve.
private func checkKey(_ value: JSONValue, of jws: CompactJWS) {
    do throws(JWKFault) {
        let key = try PublicJWK(parsing: value)
        if key.algorithm != jws.algorithm { finding("a key of another algorithm") }
        let again = try PublicJWK(parsing: key.json)
        if again != key { finding("a key that is another one when it is written") }
    } catch {
        if error != .invalidKey { finding("a key that is refused later: \(error.rawValue)") }
    }
}

/// A token taken apart by docs/spec/access-token.md, with Foundation's base64. JSON is read by our reader, which
/// `fuzz-json` compares with another.
private struct TokenParts {
    let algorithm: String
    let type: String?
    let keyID: String?
    let key: JSONValue?
    let payload: [UInt8]
    let signature: [UInt8]

    /// - Throws: `tooLarge`, `segments`, `json`; `malformedMember` for whatever else is wrong.
    init(reading token: [UInt8], as kind: MessageKind) throws(TokenFault) {
        guard token.count <= 8192 else { throw .tooLarge }
        let segments = token.split(separator: dot, omittingEmptySubsequences: false).compactMap(decoded)
        guard segments.count == 3, token.count(where: { $0 == dot }) == 2, !segments[0].isEmpty else {
            throw .segments
        }
        payload = segments[1]
        signature = segments[2]
        guard let value = try? JSONValue.parse(segments[0], maximumDepth: 3) else { throw .json }

        let needed = ["alg"] + kind.required.map(\.rawValue)
        guard let header = members(of: value, needed: needed, allowed: kind.optional.map(\.rawValue)),
            let algorithm = header["alg"]?.stringValue, isOne(algorithm, of: ["ES256", "Ed25519"]),
            header["typ"].map({ $0.stringValue != nil }) ?? true,
            header["kid"].map({ $0.stringValue != nil }) ?? true,
            header["jwk"].map({ isPublicKey($0, of: algorithm) }) ?? true,
            signature.count == 64
        else { throw .malformedMember }
        self.algorithm = algorithm
        type = header["typ"]?.stringValue
        keyID = header["kid"]?.stringValue
        key = header["jwk"]
    }
}

/// Whether this is a public key for signatures of that algorithm, by the section "Client keys".
private func isPublicKey(_ value: JSONValue, of algorithm: String) -> Bool {
    let names = algorithm == "ES256" ? ["kty", "crv", "x", "y"] : ["kty", "crv", "x"]
    guard let key = members(of: value, needed: names, allowed: ["alg", "use", "key_ops", "kid"]) else {
        return false
    }
    func holds(_ member: String, _ text: String) -> Bool { isSame(key[member]?.stringValue, text) }
    func isCoordinate(_ member: String) -> Bool {
        (key[member]?.stringValue).flatMap { decoded(Array($0.utf8)[...]) }?.count == 32
    }
    let kind = algorithm == "ES256" ? ("EC", "P-256") : ("OKP", "Ed25519")
    return holds("kty", kind.0) && holds("crv", kind.1) && names.dropFirst(2).allSatisfy(isCoordinate)
        && (key["alg"] == nil || holds("alg", algorithm)) && (key["use"] == nil || holds("use", "sig"))
        && (key["kid"] == nil || (1...128).contains(key["kid"]?.stringValue?.utf8.count ?? 0))
        && [nil, .array([]), .array([.string("verify")])].contains(key["key_ops"])
}

/// The members of an object that has all that are needed and, besides, only allowed ones.
private func members(of value: JSONValue, needed: [String], allowed: [String]) -> [String: JSONValue]? {
    guard let object = value.objectValue, object.keys.allSatisfy({ isOne($0, of: needed + allowed) }) else {
        return nil
    }
    let members = Dictionary(uniqueKeysWithValues: object.members.map { ($0.key, $0.value) })
    return needed.allSatisfy { members[$0] != nil } ? members : nil
}

// MARK: Bytes, not `==`, which would take the Kelvin sign for a K.

private func isSame(_ text: String?, _ other: String?) -> Bool {
    text.map { Array($0.utf8) } == other.map { Array($0.utf8) }
}

private func isOne(_ text: String, of others: [String]) -> Bool { others.contains { isSame($0, text) } }

// MARK: Foundation's base64, which shares no code with ours.

private let dot = UInt8(ascii: ".")

private func base64URL(_ bytes: [UInt8]) -> [UInt8] {
    Data(bytes).base64EncodedData().compactMap { byte in
        switch byte {
        case UInt8(ascii: "+"): UInt8(ascii: "-")
        case UInt8(ascii: "/"): UInt8(ascii: "_")
        case UInt8(ascii: "="): nil
        default: byte
        }
    }
}

/// The bytes of which this is the one spelling.
private func decoded(_ segment: ArraySlice<UInt8>) -> [UInt8]? {
    var standard = segment.map { byte in
        switch byte {
        case UInt8(ascii: "-"): UInt8(ascii: "+")
        case UInt8(ascii: "_"): UInt8(ascii: "/")
        default: byte
        }
    }
    while standard.count % 4 != 0 { standard.append(UInt8(ascii: "=")) }
    guard let bytes = Data(base64Encoded: Data(standard)).map(Array.init) else { return nil }
    return base64URL(bytes) == Array(segment) ? bytes : nil
}
