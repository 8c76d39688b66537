// The blind index of a number that is only there sealed, for the rotation of the index key.

import ContactModel
import VaultCrypto

extension Keyring {
    /// The blind index, under the active key, of the number in a record. The number passes through wiped memory of this call and
    /// does not leave it.
    /// - Throws: as for opening; ``EnvelopeError/fieldAbsent`` if the record holds no number.
    public func blindIndex(
        ofPhoneIn sealed: SealedRecord, context: RecordContext
    ) throws(EnvelopeError) -> BlindIndexValue {
        let dataKey = try openDataKey(of: sealed, context: context, for: .reencrypting)
        return try blindIndex(.phone, openField(.phone, of: sealed, with: dataKey), tenant: context.tenant)
    }
}
