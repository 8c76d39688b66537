// What can be wrong with a log, a proof or an entry: few codes, each with a sentence that says what to do.

/// Why something of the access log was refused. Carries no part of the input: notes and entries come from
/// outside.
public enum LogError: String, Error, Equatable, CaseIterable, Sendable, CustomStringConvertible {
    // Trees and proofs.

    /// An index outside the tree, or tree sizes in the wrong order.
    case positionOutsideTree = "position_outside_tree"
    /// A proof that has not exactly as many hashes, of 32 bytes each, as its position and sizes ask for.
    case proofLength = "proof_length"
    /// A proof of the right length that does not lead to the root.
    case proofMismatch = "proof_mismatch"
    /// A source of hashes gave too few hashes or hashes of another length.
    case hashesIncomplete = "hashes_incomplete"

    // Notes, checkpoints, proof files.

    /// Not a signed note (C2SP signed-note).
    case noteMalformed = "note_malformed"
    /// A name that may not stand in a note, or a verifier key that is not one or whose key id is another
    /// key's.
    case noteKeyMalformed = "note_key_malformed"
    /// A signature that names a trusted key and is not that key's.
    case signatureInvalid = "signature_invalid"
    /// No signature of a trusted key.
    case signerUnknown = "signer_unknown"
    /// Not the body of a checkpoint (C2SP tlog-checkpoint) as this log writes it.
    case checkpointMalformed = "checkpoint_malformed"
    /// A checkpoint of another log.
    case originMismatch = "origin_mismatch"
    /// A checkpoint smaller than the last one that was signed.
    case checkpointGoesBack = "checkpoint_goes_back"
    /// A checkpoint that contradicts the last one that was signed.
    case checkpointForks = "checkpoint_forks"
    /// The signature could not be made.
    case signingFailed = "signing_failed"
    /// Not a proof file (C2SP tlog-proof).
    case proofFileMalformed = "proof_file_malformed"
    /// Fewer witnesses have cosigned than the trust policy asks for.
    case quorumMissing = "quorum_missing"
    /// Not a trust policy (C2SP tlog-policy).
    case policyMalformed = "policy_malformed"
    /// Not the manifest of an export.
    case manifestMalformed = "manifest_malformed"

    // Entries.

    /// Longer than `Limits.logEntryBytes`.
    case entryTooLarge = "entry_too_large"
    /// Not JSON of the subset, or a member of the wrong type, missing, or outside its bounds.
    case entryMalformed = "entry_malformed"
    /// A member that format version 1 does not have.
    case entryUnknownMember = "entry_unknown_member"
    /// The right members in other bytes than the canonical ones.
    case entryNotCanonical = "entry_not_canonical"
    /// Not a disclosure as this log writes it, or one kind of fact disclosed twice.
    case disclosureMalformed = "disclosure_malformed"
    /// A disclosure whose digest the entry does not have.
    case disclosureForeign = "disclosure_foreign"

    /// What is wrong and what to do, in one sentence.
    public var description: String {
        switch self {
        case .positionOutsideTree:
            "The position lies outside the tree; ask with an index below the tree size."
        case .proofLength: "The proof has the wrong number of hashes for its position; fetch it again."
        case .proofMismatch: "The proof does not lead to the root; keep proof and checkpoint as evidence."
        case .hashesIncomplete:
            "Stored hashes of the tree are missing or damaged; recompute them from the entries."
        case .noteMalformed: "This is not a signed note; fetch it again, byte for byte."
        case .noteKeyMalformed: "This is not a note verifier key; copy name, key id and key as published."
        case .signatureInvalid: "A trusted key's signature does not verify; keep the note as evidence."
        case .signerUnknown: "No trusted key has signed this note; check which key is configured."
        case .checkpointMalformed: "The note is not a checkpoint of three lines; fetch it again."
        case .originMismatch: "The checkpoint belongs to another log; check the configured origin."
        case .checkpointGoesBack:
            "The log is smaller than its last signed checkpoint; restore the newer store."
        case .checkpointForks: "The log contradicts its last signed checkpoint; stop and investigate."
        case .signingFailed: "The checkpoint could not be signed; check the log's Ed25519 signing key."
        case .proofFileMalformed: "This is not a log proof file; fetch it again, byte for byte."
        case .quorumMissing:
            "Fewer witnesses have cosigned than the trust policy asks for; ask for a checkpoint that they have."
        case .policyMalformed:
            "This is no trust policy (C2SP tlog-policy): it needs a line `log <verifier key>` and a line `quorum …`."
        case .manifestMalformed: "This is not the manifest of an export of this version."
        case .entryTooLarge: "The log entry is longer than its limit."
        case .entryMalformed: "The log entry has a member missing, of the wrong type or out of bounds."
        case .entryUnknownMember:
            "The log entry has a member that this version does not know; use a newer program."
        case .entryNotCanonical: "The log entry is not in canonical form, so it is not what was written."
        case .disclosureMalformed: "This is not a disclosure of this log."
        case .disclosureForeign: "The disclosure does not belong to this entry."
        }
    }
}
