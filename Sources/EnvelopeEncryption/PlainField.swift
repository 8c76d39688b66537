// One field in the clear, inside this package only.

package import VaultCrypto

/// A field's place and value. A class, because a list cannot hold values that are not copyable.
package final class PlainField: Sendable {
    /// What the field is.
    package let fieldID: UInt16
    /// Which of several of that kind, from 0.
    package let occurrence: UInt16
    /// The value without padding.
    package let value: SecretBytes

    /// A field.
    package init(fieldID: UInt16, occurrence: UInt16, value: consuming SecretBytes) {
        self.fieldID = fieldID
        self.occurrence = occurrence
        self.value = value
    }
}
