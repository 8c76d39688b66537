// Why a sealed record was not opened or not made: a code for the log, never a text for the caller.
//
// To the outside every case is one and the same refusal. A caller who could tell a wrong key from a wrong
// tag, or a moved record from a damaged one, could learn about records by sending them.

import VaultCrypto

/// Why an envelope was refused. Carries no input, no key and no personal data.
public enum EnvelopeError: String, Error, Equatable, CaseIterable, Sendable {
    /// The bytes are not a sealed record of format 1, to the last byte.
    case malformed = "envelope_malformed"
    /// More bytes, fields or a longer value than the format allows.
    case tooLarge = "envelope_too_large"
    /// The record carries another tenant, contact, generation or schema than the caller expects: it was moved
    /// or rolled back.
    case contextMismatch = "envelope_context_mismatch"
    /// The permit was given for another tenant, contact or generation than the record's.
    case permitMismatch = "envelope_permit_mismatch"
    /// The clear attributes beside the record are not those it was sealed with: somebody changed them in the store.
    case bindingMismatch = "envelope_binding_mismatch"
    /// The suite is reserved or unknown, or not that of the key which the record names.
    case suiteNotAllowed = "envelope_suite_not_allowed"
    /// The active key is of another suite: the record can be sealed anew under it, and not rewrapped.
    case suiteMismatch = "envelope_suite_mismatch"
    /// The keyring has no such key of this tenant.
    case keyUnknown = "envelope_key_unknown"
    /// The key exists but its state forbids this use.
    case keyNotUsable = "envelope_key_not_usable"
    /// The key version lies below the floor: records under it should have been rewrapped long ago.
    case keyBelowFloor = "envelope_key_below_floor"
    /// A tag or the header MAC did not verify: the record was changed, or the key is another.
    case authenticationFailed = "envelope_authentication_failed"
    /// An opened field is not padded as the format says. Only a faulty writer that has the keys can cause
    /// this.
    case paddingInvalid = "envelope_padding_invalid"
    /// The record holds no such field.
    case fieldAbsent = "envelope_field_absent"
    /// Fields to seal that are none, or two with the same id and occurrence.
    case fieldsInvalid = "envelope_fields_invalid"
    /// A generation of 0, or one past the last.
    case generationInvalid = "envelope_generation_invalid"
    /// The cryptographic library or the random generator failed.
    case unavailable = "envelope_crypto_unavailable"

    /// The stable code for the log.
    public var code: String { rawValue }
}

extension EnvelopeError {
    /// What a failure of the cryptographic library means for an envelope.
    init(_ error: CryptoError) {
        self = error == .authenticationFailed ? .authenticationFailed : .unavailable
    }
}
