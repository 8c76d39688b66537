// The tables, as named migration steps. A step that has been released is never edited; a change is a new
// step.

import ContactVault

/// The schema of the shared store.
enum PostgresSchema {
    /// Every step, in order.
    static let steps: [(name: String, sql: StaticString)] = [("1 vault", vault)]

    /// Does the steps that are missing, in one transaction.
    /// - Throws: ``StoreError/missing`` if there is none and none may be made;
    ///   ``StoreError/newerVersion(_:)``.
    static func bringUpToDate(_ connection: PostgresConnection, create: Bool) throws {
        let before = try appliedSteps(connection)
        guard create || before != nil else { throw StoreError.missing }
        if let before, try missingSteps(before).isEmpty { return }
        do {
            // One process at a time, for as long as the transaction: steps may take a while, and others wait
            // for them.
            try connection.command(
                """
                BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
                SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s';
                SELECT pg_advisory_xact_lock(4850187534710817);
                CREATE TABLE IF NOT EXISTS schema_steps (
                    ordinal bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE
                )
                """)
            // Another process may have done them meanwhile.
            for step in try missingSteps(try appliedSteps(connection) ?? []) {
                try connection.command(step.sql)
                try connection.run("INSERT INTO schema_steps (name) VALUES ($1)", [.text(step.name)])
            }
            try connection.commit()
        } catch {
            connection.rollback()
            throw error
        }
    }

    private static func missingSteps(_ applied: [String]) throws -> [(name: String, sql: StaticString)] {
        guard Set(applied).isSubset(of: steps.map(\.name)) else {
            throw StoreError.newerVersion(applied.count)
        }
        return steps.filter { !applied.contains($0.name) }
    }

    /// Names of the steps that were done, `nil` where there is no table of them.
    private static func appliedSteps(_ connection: PostgresConnection) throws -> [String]? {
        let isThere = try connection.first(
            "SELECT count(*) FROM (SELECT to_regclass('schema_steps') AS place) AS places WHERE place IS NOT NULL"
        ) { try $0.flag(0) }
        guard isThere == true else { return nil }
        return try connection.all("SELECT name FROM schema_steps ORDER BY ordinal") { try $0.text(0) }
    }

    // Texts compare by their bytes, as everywhere else in the vault. A yes or no is a bigint of 1 or 0, so
    // that there are three types of columns: bigint, bytea, text.
    private static let vault: StaticString = """
        CREATE TABLE identity (
            id bigint PRIMARY KEY CHECK (id = 1),
            tenant bytea NOT NULL, issuer text NOT NULL, log_origin text NOT NULL, created bigint NOT NULL,
            keyring_epoch bigint NOT NULL DEFAULT 0
        );
        CREATE TABLE policies (
            sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            version text NOT NULL, text text NOT NULL, applied bigint NOT NULL
        );
        CREATE TABLE policy_calendars (
            policy bigint NOT NULL, name text COLLATE "C" NOT NULL, text text NOT NULL, PRIMARY KEY (policy, name)
        );

        -- Row numbers grow with every row, so that jobs over all contacts have an order in which new ones
        -- come last.
        CREATE TABLE contacts (
            ordinal bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
            id bytea PRIMARY KEY, borrower text NOT NULL, portfolio text NOT NULL, attributes bytea NOT NULL,
            generation bigint NOT NULL, sealed bytea NOT NULL, disclosure_key bytea NOT NULL,
            phone_index_version bigint NOT NULL, phone_index bytea NOT NULL,
            state text COLLATE "C" NOT NULL, stopped bigint, created bigint NOT NULL, updated bigint NOT NULL,
            retain_until text COLLATE "C" NOT NULL
        );
        CREATE INDEX contacts_phone ON contacts (phone_index);
        CREATE INDEX contacts_retention ON contacts (retain_until, id) WHERE retain_until <> '';
        -- Recipients are names with a space between them; null names every agency, and an empty text none.
        CREATE TABLE consents (
            contact bytea NOT NULL, purpose text COLLATE "C" NOT NULL, notice text NOT NULL, evidence bytea NOT NULL,
            given bigint NOT NULL, expires bigint, withdrawn bigint, recipients text,
            PRIMARY KEY (contact, purpose)
        );
        CREATE TABLE authorisations (
            contact bytea PRIMARY KEY, evidence bytea NOT NULL, given bigint NOT NULL, expires bigint, withdrawn bigint
        );
        CREATE TABLE contact_references (
            contact bytea NOT NULL, reference text COLLATE "C" NOT NULL, kind text NOT NULL, recorded bigint NOT NULL,
            PRIMARY KEY (contact, reference)
        );
        CREATE TABLE suppressions (
            number bytea PRIMARY KEY, index_version bigint NOT NULL, since bigint NOT NULL, latest bigint NOT NULL
        );
        CREATE TABLE sequences (contact bytea PRIMARY KEY, count bigint NOT NULL, latest bigint NOT NULL);
        CREATE TABLE legal_holds (contact bytea PRIMARY KEY, reference text NOT NULL, since bigint NOT NULL);

        CREATE TABLE clients (
            id text COLLATE "C" PRIMARY KEY, revision bigint NOT NULL, registration bytea NOT NULL
        );
        CREATE TABLE agencies (
            id text COLLATE "C" PRIMARY KEY, entrusted_from bigint NOT NULL, entrusted_until bigint,
            bounds bytea NOT NULL
        );

        CREATE TABLE log_head (
            id bigint PRIMARY KEY CHECK (id = 1),
            size bigint NOT NULL, frontier bytea NOT NULL, last_time bigint NOT NULL
        );
        INSERT INTO log_head VALUES (1, 0, '', 0);
        CREATE TABLE log_entries (position bigint PRIMARY KEY, leaf bytea NOT NULL);
        -- Retention says first, in the same transaction, from where on leaves stay.
        CREATE TABLE log_retention (id bigint PRIMARY KEY CHECK (id = 1), first_leaf bigint NOT NULL);
        CREATE FUNCTION log_entries_no_update() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN
                RAISE EXCEPTION 'log entries are never changed' USING ERRCODE = 'integrity_constraint_violation';
            END
        $body$;
        CREATE FUNCTION log_entries_no_delete() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN
                IF EXISTS (
                    SELECT 1 FROM removed
                    WHERE position >= COALESCE((SELECT first_leaf FROM log_retention), 0)
                ) THEN
                    RAISE EXCEPTION 'log entries are never deleted'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NULL;
            END
        $body$;
        CREATE TRIGGER log_entries_no_update BEFORE UPDATE ON log_entries
            FOR EACH STATEMENT EXECUTE FUNCTION log_entries_no_update();
        CREATE TRIGGER log_entries_no_delete AFTER DELETE ON log_entries REFERENCING OLD TABLE AS removed
            FOR EACH STATEMENT EXECUTE FUNCTION log_entries_no_delete();
        -- TRUNCATE deletes without asking the trigger above.
        CREATE TRIGGER log_entries_no_truncate BEFORE TRUNCATE ON log_entries
            FOR EACH STATEMENT EXECUTE FUNCTION log_entries_no_update();
        -- Every entry about a contact names the one before it: all of them are found from the last without an
        -- index, which would cost each release a write at a random place.
        CREATE TABLE log_disclosures (
            position bigint PRIMARY KEY, contact bytea, sealed bytea NOT NULL, previous bigint
        );
        CREATE TABLE log_tiles (
            level bigint NOT NULL, position bigint NOT NULL, hashes bytea NOT NULL, root bytea NOT NULL,
            PRIMARY KEY (level, position)
        );
        CREATE TABLE checkpoints (
            size bigint PRIMARY KEY, root bytea NOT NULL, note text NOT NULL, signed bigint NOT NULL,
            witnessed bigint NOT NULL
        );

        -- What may be forgotten is keyed by its expiry first: a purge is then one range, and no second index
        -- has to be kept for it.
        CREATE TABLE proofs (expires bigint NOT NULL, digest bytea NOT NULL, PRIMARY KEY (expires, digest));
        CREATE TABLE token_uses (
            expires bigint NOT NULL, token bytea NOT NULL, contact bytea NOT NULL, uses bigint NOT NULL,
            PRIMARY KEY (expires, token, contact)
        );
        CREATE TABLE deliveries (
            expires bigint NOT NULL, token bytea NOT NULL, request text COLLATE "C" NOT NULL, contact bytea NOT NULL,
            release bytea NOT NULL, time bigint NOT NULL, use bigint NOT NULL,
            PRIMARY KEY (expires, token, request, contact)
        );
        CREATE TABLE idempotent_results (
            client text COLLATE "C" NOT NULL, digest bytea NOT NULL, body bytea NOT NULL, contact bytea NOT NULL,
            expires bigint NOT NULL, PRIMARY KEY (client, digest)
        );
        CREATE TABLE revocations (
            kind text COLLATE "C" NOT NULL, subject bytea NOT NULL, revoked bigint NOT NULL, expires bigint NOT NULL,
            PRIMARY KEY (kind, subject)
        );

        -- Row numbers grow with every release, so that rows of one moment keep their order.
        CREATE TABLE releases (
            ordinal bigint GENERATED ALWAYS AS IDENTITY,
            id bytea PRIMARY KEY, time bigint NOT NULL, number bytea NOT NULL, contact bytea NOT NULL,
            case_reference bytea NOT NULL, reference bytea, actor bytea NOT NULL, client text NOT NULL,
            purpose text NOT NULL, form text NOT NULL, is_approach bigint NOT NULL, outcome_due bigint,
            outcome text COLLATE "C", outcome_time bigint, number_version bigint NOT NULL
        );
        CREATE INDEX releases_number ON releases (number, time);
        CREATE INDEX releases_case ON releases (case_reference, time);
        CREATE INDEX releases_reference ON releases (reference, time) WHERE reference IS NOT NULL;
        -- An actor's outcomes are counted in the index alone, and only those that count.
        CREATE INDEX releases_outcome ON releases (actor, outcome, outcome_time) WHERE outcome IS NOT NULL;
        CREATE INDEX releases_missing ON releases (actor, outcome_due)
            WHERE outcome IS NULL AND outcome_due IS NOT NULL;
        -- Of a sum, so that nobody takes it for the index above: a plan that is made once for all values knows
        -- no better than that few outcomes are due in any time, and would read those of every actor.
        CREATE INDEX releases_overdue ON releases ((outcome_due + 0), ordinal)
            WHERE outcome IS NULL AND outcome_due IS NOT NULL;

        -- What is counted by time is keyed by it: a purge is then one range.
        CREATE TABLE request_counts (
            minute bigint NOT NULL, client text COLLATE "C" NOT NULL, purpose text COLLATE "C" NOT NULL,
            count bigint NOT NULL, PRIMARY KEY (minute, client, purpose)
        );
        CREATE TABLE distinct_numbers (
            day bigint NOT NULL, subject bytea NOT NULL, number bytea NOT NULL, PRIMARY KEY (day, subject, number)
        );
        -- How many rows of the table above there are: counting them would cost an agency more with every
        -- number that it has had on the day.
        CREATE TABLE distinct_counts (
            day bigint NOT NULL, subject bytea NOT NULL, count bigint NOT NULL, PRIMARY KEY (day, subject)
        );

        CREATE TABLE approvals (
            ordinal bigint GENERATED ALWAYS AS IDENTITY,
            id bytea PRIMARY KEY, kind text NOT NULL, operation bytea NOT NULL, payload bytea NOT NULL,
            contact bytea, requester text NOT NULL, requested bigint NOT NULL, expires bigint NOT NULL,
            approver text, used bigint
        );
        CREATE INDEX approvals_operation ON approvals (operation, requested) WHERE used IS NULL;
        CREATE INDEX approvals_used ON approvals (operation, requested) WHERE used IS NOT NULL;
        CREATE INDEX approvals_pending ON approvals (expires) WHERE approver IS NULL AND used IS NULL;
        CREATE TABLE reviews (
            ordinal bigint GENERATED ALWAYS AS IDENTITY,
            release bytea PRIMARY KEY, purpose text NOT NULL, client text NOT NULL,
            opened bigint NOT NULL, due bigint NOT NULL, alerted bigint, closed bigint, finding text
        );
        CREATE INDEX reviews_open ON reviews (opened) WHERE closed IS NULL;

        CREATE TABLE key_changes (
            name text COLLATE "C" NOT NULL, id bigint NOT NULL, version bigint NOT NULL, state text NOT NULL,
            since bigint NOT NULL, PRIMARY KEY (name, id, version)
        );
        CREATE TABLE key_jobs (
            ordinal bigint GENERATED ALWAYS AS IDENTITY,
            id bytea PRIMARY KEY, kind text NOT NULL, version bigint NOT NULL,
            is_dry_run bigint NOT NULL, rate bigint, requester text NOT NULL, created bigint NOT NULL,
            total bigint NOT NULL, state text COLLATE "C" NOT NULL, cursor bytea NOT NULL, examined bigint NOT NULL,
            changed bigint NOT NULL, unreadable bigint NOT NULL, resumed bigint NOT NULL,
            examined_before bigint NOT NULL, updated bigint NOT NULL
        );
        -- One job at a time, whoever starts it.
        CREATE UNIQUE INDEX key_jobs_unfinished ON key_jobs ((1)) WHERE state IN ('running', 'paused');
        CREATE TABLE instances (
            name text COLLATE "C" PRIMARY KEY, keyring_epoch bigint NOT NULL, seen bigint NOT NULL
        );
        -- Needs are null while the copy is being made: then it may need every key.
        CREATE TABLE backups (
            id text COLLATE "C" PRIMARY KEY, made bigint NOT NULL, log_size bigint NOT NULL,
            has_keyring bigint NOT NULL, key_needs text, forgotten bigint
        );
        """
}
