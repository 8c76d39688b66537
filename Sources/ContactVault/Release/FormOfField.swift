// A field in the form that was decided: masked, sealed to the client's key, or as it is.

import AccessToken
import ContactModel
import VaultCrypto

/// Brings the fields of one release into its form.
struct FormOfField {
    let form: ReleaseForm
    let release: ReleaseID
    let client: RegisteredClient
    let random: any RandomSource

    func phone(_ value: borrowing SecretBytes) throws(VaultError) -> SecretBytes {
        switch form {
        // A match has no field, so nothing is what it gives.
        case .match: SecretBytes(copying: [])
        case .mask: SecretBytes(copying: PhoneMask.mask(value))
        case .seal: try sealed(value)
        case .reveal: value.copy(0..<value.count)
        }
    }

    func name(_ value: borrowing SecretBytes) throws(VaultError) -> SecretBytes {
        switch form {
        case .match: SecretBytes(copying: [])
        case .mask: SecretBytes(copying: NameMask.mask(value))
        case .seal: try sealed(value)
        case .reveal: value.copy(0..<value.count)
        }
    }

    /// One word of a closed list: a mask has nothing to hide of it that the field's name does not say.
    func relation(_ value: borrowing SecretBytes) throws(VaultError) -> SecretBytes {
        form == .seal ? try sealed(value) : value.copy(0..<value.count)
    }

    /// A compact JWE that names this release and this client, so that it cannot be passed off as another's.
    private func sealed(_ value: borrowing SecretBytes) throws(VaultError) -> SecretBytes {
        guard let key = client.encryptionKey else { throw .inconsistent("encryption_key") }
        do {
            let jwe = try JSONWebEncryption.seal(
                value, to: key, partyUInfo: Array(release.description.utf8),
                partyVInfo: Array(client.id.text.utf8), random: random)
            return SecretBytes(copying: Array(jwe.utf8))
        } catch {
            throw .cryptographyUnavailable
        }
    }
}
