// The programs that may ask: read from the store, kept while their revision stays the same.

import AccessToken
import ContactModel
import StrictEncoding
import Synchronization

/// Registered clients, parsed once per revision.
///
/// What must be fresh is the revision, and that is read in each transaction: a suspension counts from the next decision
/// on, in every process.
final class ClientRegistry: Sendable {
    private let parsed = Mutex<[Reference: (revision: UInt64, client: RegisteredClient)]>([:])

    /// The present registrations of these clients; unknown ones are left out.
    func current(_ ids: [Reference], in reader: any VaultReader) throws -> [Reference: RegisteredClient] {
        let revisions = try reader.clientRevisions(ids)
        var found: [Reference: RegisteredClient] = [:]
        var isStale = false
        parsed.withLock { parsed in
            for (id, revision) in revisions {
                if let known = parsed[id], known.revision == revision {
                    found[id] = known.client
                } else {
                    isStale = true
                }
            }
        }
        guard isStale else { return found }
        for stored in try reader.clients() where revisions[stored.id] != nil {
            guard let client = RegisteredClient(registration: stored.registration) else {
                throw StoreError.corrupt("clients")
            }
            found[stored.id] = client
            parsed.withLock { $0[stored.id] = (stored.revision, client) }
        }
        return found
    }
}

extension RegisteredClient {
    /// The registration as canonical JSON: public keys only.
    package var registration: [UInt8] {
        var object = JSONObject([
            ("v", .integer(1)), ("id", .string(id.text)), ("agency", .string(agency.text)),
            ("kind", .string(kind.rawValue)),
            ("roles", .array(roles.map(\.rawValue).sorted().map { .string($0) })),
            ("keys", .array(keys.map(\.json))),
            ("portfolios", .array(portfolios.map(\.text).sorted().map { .string($0) })),
            ("purposes", .array(purposes.map(\.text).sorted().map { .string($0) })),
            ("suspended", .bool(isSuspended)),
        ])
        object["encryption_key"] = encryptionKey?.json
        object["certificate_name"] = certificateName.map { .string($0) }
        if !keyEnds.isEmpty {
            object["key_ends"] = .object(
                JSONObject(
                    keyEnds.sorted { $0.key < $1.key }.map { ($0.key, .integer($0.value.milliseconds)) }))
        }
        return JSONValue.object(object).canonicalBytes
    }

    /// Reads what ``registration`` wrote; `nil` if it was not.
    package init?(registration: [UInt8]) {
        guard let object = (try? JSONValue.parse(registration))?.objectValue, object["v"]?.integerValue == 1,
            let id = object["id"]?.stringValue.flatMap({ Reference($0) }),
            let agency = object["agency"]?.stringValue.flatMap({ Reference($0) }),
            let kind = object["kind"]?.stringValue.flatMap({ ClientKind(rawValue: $0) }),
            let roles = object["roles"]?.arrayValue?.compactMap({
                $0.stringValue.flatMap { Role(rawValue: $0) }
            }),
            let keys = object["keys"]?.arrayValue?.compactMap({ try? PublicJWK(parsing: $0) }), !keys.isEmpty,
            let portfolios = object["portfolios"]?.arrayValue?.compactMap({
                $0.stringValue.flatMap { Reference($0) }
            }),
            let purposes = object["purposes"]?.arrayValue?.compactMap({
                $0.stringValue.flatMap { Purpose($0) }
            }),
            let suspended = object["suspended"]?.boolValue
        else { return nil }
        var encryptionKey: EncryptionJWK?
        if let value = object["encryption_key"] {
            guard let key = try? EncryptionJWK(parsing: value) else { return nil }
            encryptionKey = key
        }
        var keyEnds: [String: Timestamp] = [:]
        if let value = object["key_ends"] {
            guard let members = value.objectValue?.members else { return nil }
            for (thumbprint, end) in members {
                guard let milliseconds = end.integerValue, milliseconds >= 0 else { return nil }
                keyEnds[thumbprint] = Timestamp(milliseconds: milliseconds)
            }
        }
        var certificateName: String?
        if let value = object["certificate_name"] {
            guard let name = value.stringValue, Self.isCertificateName(name) else { return nil }
            certificateName = name
        }
        self.init(
            id: id, agency: agency, kind: kind, roles: Set(roles), keys: keys, portfolios: Set(portfolios),
            purposes: Set(purposes), isSuspended: suspended, encryptionKey: encryptionKey,
            keyEnds: keyEnds, certificateName: certificateName)
    }

    /// Whether a text can be the DNS name of a certificate: letters, digits, hyphens and dots, and no wildcard, which would
    /// name more than one client.
    package static func isCertificateName(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
                (1...63).contains(label.utf8.count)
                    && label.utf8.allSatisfy {
                        (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || $0 == 0x2D
                    }
            }
    }
}
