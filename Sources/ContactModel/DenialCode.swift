// Why a release was denied: one stable code per rule, written into the log entry and never into the reply.

/// The code of the rule that denied.
public enum DenialCode: String, CaseIterable, Error, Sendable {
    // The purpose and its catalogue entry.
    case purposeUnknown = "purpose_unknown"
    case purposeNotConfigured = "not_configured"
    case actionNotAllowed = "action_not_allowed"
    case stageNotAllowed = "stage_not_allowed"
    case fieldNotAllowed = "field_not_allowed"
    case formNotAllowed = "form_not_allowed"
    case roleNotAllowed = "role_not_allowed"
    case usesNotAllowed = "uses_not_allowed"
    case purposeNotRegistered = "purpose_not_registered"
    case portfolioNotRegistered = "portfolio_not_registered"

    // The contact.
    case contactUnknown = "contact_unknown"
    case contactErased = "contact_erased"
    case contactRestricted = "contact_restricted"
    case contactSuspended = "contact_suspended"
    case stopFlag = "stop_flag"

    // What the purpose needs.
    case consentMissing = "consent_missing"
    case consentExpired = "consent_expired"
    case consentWithdrawn = "consent_withdrawn"
    case preconditionMissing = "precondition_missing"
    case preconditionNotAccepted = "precondition_not_accepted"
    case consentNoticeOutdated = "consent_notice_outdated"
    case consentRecipient = "consent_recipient"
    case authorisationMissing = "authorisation_missing"
    case authorisationExpired = "authorisation_expired"
    case referenceMissing = "reference_missing"
    case referenceUnknown = "reference_unknown"
    case referenceExpired = "reference_expired"
    case verificationMissing = "verification_missing"
    case verificationExpired = "verification_expired"
    case approvalMissing = "approval_missing"
    case encryptionKeyMissing = "encryption_key_missing"

    // When and how often.
    case timeZoneUnknown = "time_zone_unknown"
    case channelNotAccepted = "channel_not_accepted"
    case outsideHours = "outside_hours"
    case holiday
    case holidaysUnknown = "holidays_unknown"
    case conversationPause = "conversation_pause"
    case capReached = "cap_reached"
    case ceilingReached = "ceiling_reached"
    case actorThrottled = "actor_throttled"
    case rateLimited = "rate_limited"
    case batchTooLarge = "batch_too_large"

    // The token and the client, found in the release transaction.
    case proofReplayed = "proof_replayed"
    case assertionReplayed = "assertion_replayed"
    case insufficientScope = "insufficient_scope"
    case tokenSpent = "token_spent"
    case tokenLifeTooLong = "token_life_too_long"
    case tokenRevoked = "token_revoked"
    case tokenExpired = "token_expired"
    case clientSuspended = "client_suspended"
    case clientUnknown = "client_unknown"
    case keyNotRegistered = "key_not_registered"
    case agencyNotEntrusted = "agency_not_entrusted"
}
