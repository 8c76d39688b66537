// The tables, as steps. A step that has been released is never edited; a change is a new step.

import ContactVault

/// The schema of the shared store. Times are milliseconds since 1970 and, as all integers, `bigint`.
enum PostgresSchema {
    /// Steps by their order; how many a database has is its version.
    static let steps = [vault]

    /// Names the lock of whoever holds the vault: the first eight bytes of "contact-vault".
    private static let lock: Int64 = 0x636F_6E74_6163_742D

    /// Takes the vault for this session. It is given back when the session ends, however the process ends.
    /// - Throws: ``StoreError/locked`` if another has it.
    static func lockVault(_ connection: PostgresConnection) throws {
        let taken = try connection.run("SELECT pg_try_advisory_lock($1)::int::bigint", [.integer(lock)])
        guard try taken[0].integer(0) == 1 else { throw StoreError.locked }
    }

    /// Brings a database up to date, by a session that holds the vault.
    /// - Throws: ``StoreError/newerVersion(_:)`` if a newer program has.
    static func migrate(_ connection: PostgresConnection) throws {
        let known = try version(connection)
        guard known <= steps.count else { throw StoreError.newerVersion(known) }
        for (number, step) in steps.enumerated().dropFirst(known) {
            try connection.command("BEGIN")
            do {
                try connection.command(step)
                try connection.run(
                    "INSERT INTO schema_steps (step, applied) VALUES ($1, now())",
                    [.integer(Int64(number + 1))])
                try connection.command("COMMIT")
            } catch {
                _ = try? connection.command("ROLLBACK")
                throw error
            }
        }
    }

    /// How many steps a database has.
    static func version(_ connection: PostgresConnection) throws -> Int {
        let table = try connection.run(
            "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'schema_steps'",
            [])
        guard try table[0].integer(0) == 1 else { return 0 }
        return Int(try connection.run("SELECT count(*) FROM schema_steps", [])[0].integer(0))
    }

    private static let vault = """
        CREATE TABLE schema_steps (step bigint PRIMARY KEY, applied timestamptz NOT NULL);
        -- Names and days compare byte by byte, in whatever language the database is.
        CREATE DOMAIN word AS text COLLATE "C";

        CREATE TABLE identity (
            id bigint PRIMARY KEY CHECK (id = 1), tenant bytea NOT NULL, issuer word NOT NULL, log_origin word NOT NULL,
            created bigint NOT NULL, keyring_epoch bigint NOT NULL DEFAULT 0
        );
        CREATE TABLE policies (
            sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            version word NOT NULL, text word NOT NULL, applied bigint NOT NULL
        );
        CREATE TABLE policy_calendars (
            policy bigint NOT NULL, name word NOT NULL, text word NOT NULL, PRIMARY KEY (policy, name)
        );

        CREATE TABLE contacts (
            place bigint GENERATED ALWAYS AS IDENTITY,
            id bytea PRIMARY KEY, borrower word NOT NULL, portfolio word NOT NULL, attributes bytea NOT NULL,
            generation bigint NOT NULL, sealed bytea NOT NULL, disclosure_key bytea NOT NULL,
            phone_index_version bigint NOT NULL, phone_index bytea NOT NULL, state word NOT NULL, stopped bigint,
            created bigint NOT NULL, updated bigint NOT NULL, retain_until word NOT NULL DEFAULT ''
        );
        CREATE INDEX contacts_phone ON contacts (phone_index);
        CREATE UNIQUE INDEX contacts_place ON contacts (place);
        CREATE INDEX contacts_retention ON contacts (retain_until, id) WHERE retain_until <> '';
        CREATE TABLE consents (
            contact bytea NOT NULL, purpose word NOT NULL, notice word NOT NULL, evidence bytea NOT NULL,
            given bigint NOT NULL, expires bigint, withdrawn bigint, recipients word, PRIMARY KEY (contact, purpose)
        );
        CREATE TABLE authorisations (
            contact bytea PRIMARY KEY, evidence bytea NOT NULL, given bigint NOT NULL, expires bigint, withdrawn bigint
        );
        CREATE TABLE contact_references (
            contact bytea NOT NULL, reference word NOT NULL, kind word NOT NULL, recorded bigint NOT NULL,
            PRIMARY KEY (contact, reference)
        );
        CREATE TABLE suppressions (
            number bytea PRIMARY KEY, index_version bigint NOT NULL, since bigint NOT NULL, latest bigint NOT NULL
        );
        CREATE TABLE legal_holds (contact bytea PRIMARY KEY, reference word NOT NULL, since bigint NOT NULL);
        CREATE TABLE sequences (contact bytea PRIMARY KEY, count bigint NOT NULL, latest bigint NOT NULL);

        CREATE TABLE clients (id word PRIMARY KEY, revision bigint NOT NULL, registration bytea NOT NULL);
        CREATE TABLE agencies (
            id word PRIMARY KEY, entrusted_from bigint NOT NULL, entrusted_until bigint, bounds bytea NOT NULL
        );
        CREATE TABLE key_changes (
            name word NOT NULL, id bigint NOT NULL, version bigint NOT NULL, state word NOT NULL, since bigint NOT NULL,
            PRIMARY KEY (name, id, version)
        );
        CREATE TABLE backups (
            id word PRIMARY KEY, made bigint NOT NULL, log_size bigint NOT NULL, has_keyring bigint NOT NULL,
            key_needs word, forgotten bigint
        );

        CREATE TABLE log_head (
            id bigint PRIMARY KEY CHECK (id = 1), size bigint NOT NULL, frontier bytea NOT NULL, last_time bigint NOT NULL
        );
        INSERT INTO log_head VALUES (1, 0, '', 0);
        CREATE TABLE log_retention (id bigint PRIMARY KEY CHECK (id = 1), first_leaf bigint NOT NULL);
        CREATE TABLE log_entries (position bigint PRIMARY KEY, leaf bytea NOT NULL);
        CREATE FUNCTION log_entries_stay() RETURNS trigger LANGUAGE plpgsql AS $function$
            BEGIN
                IF TG_OP = 'DELETE' AND OLD.position < COALESCE((SELECT first_leaf FROM log_retention), 0) THEN
                    RETURN OLD;
                END IF;
                RAISE EXCEPTION 'log entries are never changed' USING ERRCODE = 'restrict_violation';
            END
        $function$;
        CREATE TRIGGER log_entries_no_change BEFORE UPDATE OR DELETE ON log_entries
            FOR EACH ROW EXECUTE FUNCTION log_entries_stay();
        CREATE TRIGGER log_entries_no_truncate BEFORE TRUNCATE ON log_entries
            FOR EACH STATEMENT EXECUTE FUNCTION log_entries_stay();
        CREATE TABLE log_disclosures (
            position bigint PRIMARY KEY, contact bytea, sealed bytea NOT NULL, previous bigint
        );
        CREATE INDEX log_disclosures_general ON log_disclosures (position) WHERE contact IS NULL;
        CREATE TABLE log_tiles (
            level bigint NOT NULL, position bigint NOT NULL, hashes bytea NOT NULL, root bytea NOT NULL,
            PRIMARY KEY (level, position)
        );
        CREATE TABLE checkpoints (
            size bigint PRIMARY KEY, root bytea NOT NULL, note word NOT NULL, signed bigint NOT NULL,
            witnessed bigint NOT NULL DEFAULT 0
        );

        CREATE TABLE proofs (expires bigint NOT NULL, digest bytea NOT NULL, PRIMARY KEY (expires, digest));
        CREATE TABLE token_uses (
            expires bigint NOT NULL, token bytea NOT NULL, contact bytea NOT NULL, uses bigint NOT NULL,
            PRIMARY KEY (expires, token, contact)
        );
        CREATE TABLE deliveries (
            expires bigint NOT NULL, token bytea NOT NULL, request word NOT NULL, contact bytea NOT NULL,
            release bytea NOT NULL, time bigint NOT NULL, use bigint NOT NULL,
            PRIMARY KEY (expires, token, request, contact)
        );
        CREATE TABLE idempotent_results (
            client word NOT NULL, digest bytea NOT NULL, body bytea NOT NULL, contact bytea NOT NULL,
            expires bigint NOT NULL, PRIMARY KEY (client, digest)
        );
        CREATE TABLE revocations (
            kind word NOT NULL, subject bytea NOT NULL, revoked bigint NOT NULL, expires bigint NOT NULL,
            PRIMARY KEY (kind, subject)
        );

        CREATE TABLE releases (
            place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            id bytea NOT NULL UNIQUE, time bigint NOT NULL, number bytea NOT NULL, contact bytea NOT NULL,
            case_reference bytea NOT NULL, reference bytea, actor bytea NOT NULL, client word NOT NULL,
            purpose word NOT NULL, form word NOT NULL, is_approach bigint NOT NULL, outcome_due bigint, outcome word,
            outcome_time bigint, number_version bigint NOT NULL
        );
        CREATE INDEX releases_number ON releases (number, time);
        CREATE INDEX releases_case ON releases (case_reference, time);
        CREATE INDEX releases_reference ON releases (reference, time) WHERE reference IS NOT NULL;
        CREATE INDEX releases_outcome ON releases (actor, outcome, outcome_time) WHERE outcome IS NOT NULL;
        CREATE INDEX releases_missing ON releases (actor, outcome_due)
            WHERE outcome IS NULL AND outcome_due IS NOT NULL;
        CREATE INDEX releases_overdue ON releases (outcome_due) WHERE outcome IS NULL AND outcome_due IS NOT NULL;
        CREATE TABLE request_counts (
            minute bigint NOT NULL, client word NOT NULL, purpose word NOT NULL, count bigint NOT NULL,
            PRIMARY KEY (minute, client, purpose)
        );
        CREATE TABLE distinct_numbers (
            day bigint NOT NULL, subject bytea NOT NULL, number bytea NOT NULL, PRIMARY KEY (day, subject, number)
        );
        CREATE TABLE distinct_counts (
            day bigint NOT NULL, subject bytea NOT NULL, count bigint NOT NULL, PRIMARY KEY (day, subject)
        );

        CREATE TABLE approvals (
            place bigint GENERATED ALWAYS AS IDENTITY,
            id bytea PRIMARY KEY, kind word NOT NULL, operation bytea NOT NULL, payload bytea NOT NULL, contact bytea,
            requester word NOT NULL, requested bigint NOT NULL, expires bigint NOT NULL, approver word, used bigint
        );
        CREATE INDEX approvals_operation ON approvals (operation, requested);
        CREATE INDEX approvals_pending ON approvals (expires) WHERE approver IS NULL AND used IS NULL;
        CREATE TABLE reviews (
            place bigint GENERATED ALWAYS AS IDENTITY,
            release bytea PRIMARY KEY, purpose word NOT NULL, client word NOT NULL, opened bigint NOT NULL,
            due bigint NOT NULL, alerted bigint, closed bigint, finding word
        );
        CREATE INDEX reviews_open ON reviews (opened) WHERE closed IS NULL;

        CREATE TABLE key_jobs (
            place bigint GENERATED ALWAYS AS IDENTITY,
            id bytea PRIMARY KEY, kind word NOT NULL, version bigint NOT NULL, is_dry_run bigint NOT NULL, rate bigint,
            requester word NOT NULL, created bigint NOT NULL, total bigint NOT NULL, state word NOT NULL,
            cursor bytea NOT NULL, examined bigint NOT NULL, changed bigint NOT NULL, unreadable bigint NOT NULL,
            resumed bigint NOT NULL, examined_before bigint NOT NULL, updated bigint NOT NULL
        );
        -- One job at a time, whoever starts it.
        CREATE UNIQUE INDEX key_jobs_unfinished ON key_jobs ((1)) WHERE state IN ('running', 'paused');
        CREATE TABLE instances (name word PRIMARY KEY, keyring_epoch bigint NOT NULL, seen bigint NOT NULL);
        """
}
