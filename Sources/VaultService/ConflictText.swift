// What the operator is told of a request that does not fit what there is.

/// Texts for the codes of `VaultError.conflict`.
package enum ConflictText {
    /// What to do about it.
    package static func describe(_ code: String) -> String {
        switch code {
        case "key_is_registered": "this key is the client's already: make a new one"
        case "certificate_name":
            "a certificate's name is a DNS name, such as dialer-1.example, without wildcard"
        case "certificate_name_taken": "another client is registered with this certificate name"
        case "too_many_groups": "more than 100,000 combinations: ask for a shorter time or for one property"
        case "key_state":
            "the state of this key version does not allow that step: see `contact-vault keys list`"
        case "key_not_rotatable": "this key cannot be changed in that way in this version"
        case "backup_folder_open":
            "the service cannot use this folder, or others may enter it: it must be one of the service's own user"
        case "backup_folder_not_empty": "the folder of a new backup must be empty"
        case "backup_not_written":
            "the backup could not be written: look at free space, and whether the service may write there"
        case "export_of_nobody": "an export for a subject is about one contact: name it"
        case "export_of_no_time": "the time ends before it begins, or none of it is yours to read"
        case "question_needs_whole_log":
            "this question needs a token without a time range: who said no before it is unknown"
        case "size_unknown": "this log never had that many entries: is the earlier export of another log?"
        case "keys_not_loaded_everywhere":
            "an instance has not loaded this version yet: see `contact-vault keys report`"
        case "key_job_unfinished":
            "another job is not finished: see `contact-vault keys jobs`; wait, or give it up"
        case "key_job_state": "the job is not in a state for that: see `contact-vault keys jobs`"
        case "not_stopped": "this contact has no stop flag"
        case "export_not_approved": "a second person has to approve this export: begin it first"
        case "backup_unknown": "there is no such backup: see `contact-vault backup list`"
        case "legal_hold":
            "the contact must be kept for now: lift the legal hold first (`contact-vault contacts hold --lift`)"
        case "retention_too_short": "the log is kept for 36 months at least"
        case "report_too_long": "there are more than 10,000 entries about this contact: export them instead"
        case "keyring_not_stored_here": "this process does not hold the keyring's file"
        default: "it does not fit what there is: \(code)"
        }
    }
}
