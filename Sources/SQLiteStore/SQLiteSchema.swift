// The tables, as named migration steps. A step that has been released is never edited; a change is a new step.

import GRDB

/// The schema of the embedded store.
enum SQLiteSchema {
    /// The step since which leaves may be removed and checkpoints be cosigned.
    static let retention = "5 witnesses and retention"

    /// The step since which copies are registered.
    static let backups = "6 backups"

    /// Every step.
    static let steps = Set(migrator.migrations)

    static let migrator: DatabaseMigrator = {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 vault") { database in
            try database.execute(
                sql: """
                    CREATE TABLE identity (
                        id INTEGER PRIMARY KEY CHECK (id = 1),
                        tenant BLOB NOT NULL, issuer TEXT NOT NULL, log_origin TEXT NOT NULL, created INTEGER NOT NULL,
                        keyring_epoch INTEGER NOT NULL DEFAULT 0
                    ) STRICT;
                    CREATE TABLE policies (
                        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
                        version TEXT NOT NULL, text TEXT NOT NULL, applied INTEGER NOT NULL
                    ) STRICT;

                    CREATE TABLE contacts (
                        id BLOB PRIMARY KEY, borrower TEXT NOT NULL, portfolio TEXT NOT NULL, attributes BLOB NOT NULL,
                        generation INTEGER NOT NULL, sealed BLOB NOT NULL, disclosure_key BLOB NOT NULL,
                        phone_index_version INTEGER NOT NULL, phone_index BLOB NOT NULL,
                        state TEXT NOT NULL, stopped INTEGER, created INTEGER NOT NULL, updated INTEGER NOT NULL
                    ) STRICT;
                    CREATE INDEX contacts_phone ON contacts (phone_index);
                    CREATE TABLE consents (
                        contact BLOB NOT NULL, purpose TEXT NOT NULL, notice TEXT NOT NULL, evidence BLOB NOT NULL,
                        given INTEGER NOT NULL, expires INTEGER, withdrawn INTEGER,
                        PRIMARY KEY (contact, purpose)
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE sequences (
                        contact BLOB PRIMARY KEY, count INTEGER NOT NULL
                    ) STRICT, WITHOUT ROWID;

                    CREATE TABLE clients (
                        id TEXT PRIMARY KEY, revision INTEGER NOT NULL, registration BLOB NOT NULL
                    ) STRICT, WITHOUT ROWID;

                    CREATE TABLE log_head (
                        id INTEGER PRIMARY KEY CHECK (id = 1),
                        size INTEGER NOT NULL, frontier BLOB NOT NULL, last_time INTEGER NOT NULL
                    ) STRICT;
                    INSERT INTO log_head VALUES (1, 0, x'', 0);
                    CREATE TABLE log_entries (position INTEGER PRIMARY KEY, leaf BLOB NOT NULL) STRICT;
                    CREATE TRIGGER log_entries_no_update BEFORE UPDATE ON log_entries
                        BEGIN SELECT RAISE(ABORT, 'log entries are never changed'); END;
                    CREATE TRIGGER log_entries_no_delete BEFORE DELETE ON log_entries
                        BEGIN SELECT RAISE(ABORT, 'log entries are never deleted'); END;
                    -- REPLACE deletes without asking the trigger above.
                    CREATE TRIGGER log_entries_no_replace BEFORE INSERT ON log_entries
                        WHEN EXISTS (SELECT 1 FROM log_entries WHERE position = NEW.position)
                        BEGIN SELECT RAISE(ABORT, 'log entries are never replaced'); END;
                    CREATE TABLE log_disclosures (
                        position INTEGER PRIMARY KEY, contact BLOB, sealed BLOB NOT NULL
                    ) STRICT;
                    CREATE TABLE log_tiles (
                        level INTEGER NOT NULL, position INTEGER NOT NULL, hashes BLOB NOT NULL, root BLOB NOT NULL,
                        PRIMARY KEY (level, position)
                    ) STRICT;
                    CREATE TABLE checkpoints (
                        size INTEGER PRIMARY KEY, root BLOB NOT NULL, note TEXT NOT NULL, signed INTEGER NOT NULL
                    ) STRICT;

                    -- What may be forgotten is keyed by its expiry first: a purge is then one range, and no second
                    -- index has to be kept for it.
                    CREATE TABLE proofs (
                        expires INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (expires, digest)
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE token_uses (
                        expires INTEGER NOT NULL, token BLOB NOT NULL, contact BLOB NOT NULL, uses INTEGER NOT NULL,
                        PRIMARY KEY (expires, token, contact)
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE deliveries (
                        expires INTEGER NOT NULL, token BLOB NOT NULL, request TEXT NOT NULL, contact BLOB NOT NULL,
                        release BLOB NOT NULL, time INTEGER NOT NULL, use INTEGER NOT NULL,
                        PRIMARY KEY (expires, token, request, contact)
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE idempotent_results (
                        client TEXT NOT NULL, digest BLOB NOT NULL, body BLOB NOT NULL, contact BLOB NOT NULL,
                        expires INTEGER NOT NULL, PRIMARY KEY (client, digest)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("2 purposes") { database in
            try database.execute(
                sql: """
                    CREATE TABLE policy_calendars (
                        policy INTEGER NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (policy, name)
                    ) STRICT;
                    -- Names with a space between them; null names every agency, and an empty text none.
                    ALTER TABLE consents ADD COLUMN recipients TEXT;

                    CREATE TABLE authorisations (
                        contact BLOB PRIMARY KEY, evidence BLOB NOT NULL, given INTEGER NOT NULL, expires INTEGER,
                        withdrawn INTEGER
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE contact_references (
                        contact BLOB NOT NULL, reference TEXT NOT NULL, kind TEXT NOT NULL, recorded INTEGER NOT NULL,
                        PRIMARY KEY (contact, reference)
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE suppressions (
                        number BLOB PRIMARY KEY, index_version INTEGER NOT NULL, since INTEGER NOT NULL,
                        latest INTEGER NOT NULL
                    ) STRICT, WITHOUT ROWID;

                    -- Row numbers grow with every release, so that rows of one moment keep their order.
                    CREATE TABLE releases (
                        id BLOB NOT NULL UNIQUE, time INTEGER NOT NULL, number BLOB NOT NULL, contact BLOB NOT NULL,
                        case_reference BLOB NOT NULL, reference BLOB, actor BLOB NOT NULL, client TEXT NOT NULL,
                        purpose TEXT NOT NULL, form TEXT NOT NULL, is_approach INTEGER NOT NULL, outcome_due INTEGER,
                        outcome TEXT, outcome_time INTEGER
                    ) STRICT;
                    CREATE INDEX releases_number ON releases (number, time);
                    CREATE INDEX releases_case ON releases (case_reference, time);
                    CREATE INDEX releases_reference ON releases (reference, time) WHERE reference IS NOT NULL;
                    -- An actor's outcomes are counted in the index alone, and only those that count.
                    CREATE INDEX releases_outcome ON releases (actor, outcome, outcome_time)
                        WHERE outcome IS NOT NULL;
                    CREATE INDEX releases_missing ON releases (actor, outcome, outcome_due)
                        WHERE outcome IS NULL AND outcome_due IS NOT NULL;
                    CREATE INDEX releases_overdue ON releases (outcome_due)
                        WHERE outcome IS NULL AND outcome_due IS NOT NULL;

                    -- What is counted by time is keyed by it: a purge is then one range.
                    CREATE TABLE request_counts (
                        minute INTEGER NOT NULL, client TEXT NOT NULL, purpose TEXT NOT NULL, count INTEGER NOT NULL,
                        PRIMARY KEY (minute, client, purpose)
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE distinct_numbers (
                        day INTEGER NOT NULL, subject BLOB NOT NULL, number BLOB NOT NULL,
                        PRIMARY KEY (day, subject, number)
                    ) STRICT, WITHOUT ROWID;
                    -- How many rows of the table above there are: counting them would cost an agency more with
                    -- every number that it has had on the day.
                    CREATE TABLE distinct_counts (
                        day INTEGER NOT NULL, subject BLOB NOT NULL, count INTEGER NOT NULL,
                        PRIMARY KEY (day, subject)
                    ) STRICT, WITHOUT ROWID;

                    CREATE TABLE approvals (
                        id BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, operation BLOB NOT NULL, payload BLOB NOT NULL,
                        contact BLOB, requester TEXT NOT NULL, requested INTEGER NOT NULL, expires INTEGER NOT NULL,
                        approver TEXT, used INTEGER
                    ) STRICT;
                    CREATE INDEX approvals_operation ON approvals (operation, requested) WHERE used IS NULL;
                    CREATE INDEX approvals_pending ON approvals (expires) WHERE approver IS NULL AND used IS NULL;
                    CREATE TABLE reviews (
                        release BLOB NOT NULL UNIQUE, purpose TEXT NOT NULL, client TEXT NOT NULL,
                        opened INTEGER NOT NULL, due INTEGER NOT NULL, alerted INTEGER, closed INTEGER, finding TEXT
                    ) STRICT;
                    CREATE INDEX reviews_open ON reviews (opened) WHERE closed IS NULL;
                    """)
        }
        migrator.registerMigration("3 revocations") { database in
            try database.execute(
                sql: """
                    CREATE TABLE revocations (
                        kind TEXT NOT NULL, subject BLOB NOT NULL, revoked INTEGER NOT NULL, expires INTEGER NOT NULL,
                        PRIMARY KEY (kind, subject)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("4 agencies and keys") { database in
            try database.execute(
                sql: """
                    CREATE TABLE agencies (
                        id TEXT PRIMARY KEY, entrusted_from INTEGER NOT NULL, entrusted_until INTEGER,
                        bounds BLOB NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    CREATE TABLE key_changes (
                        name TEXT NOT NULL, id INTEGER NOT NULL, version INTEGER NOT NULL, state TEXT NOT NULL,
                        since INTEGER NOT NULL, PRIMARY KEY (name, id, version)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration(retention) { database in
            try database.execute(
                sql: """
                    ALTER TABLE checkpoints ADD COLUMN witnessed INTEGER NOT NULL DEFAULT 0;

                    -- Every entry about a contact names the one before it: all of them are found from the last without
                    -- an index, which would cost each release a write at a random place.
                    ALTER TABLE log_disclosures ADD COLUMN previous INTEGER;
                    ALTER TABLE sequences ADD COLUMN latest INTEGER NOT NULL DEFAULT 0;
                    UPDATE log_disclosures SET previous = earlier.previous FROM (
                        SELECT position, LAG(position) OVER (PARTITION BY contact ORDER BY position) AS previous
                        FROM log_disclosures WHERE contact IS NOT NULL
                    ) AS earlier WHERE earlier.position = log_disclosures.position;
                    UPDATE sequences SET latest = last.position FROM (
                        SELECT contact, MAX(position) AS position FROM log_disclosures
                        WHERE contact IS NOT NULL GROUP BY contact
                    ) AS last WHERE last.contact = sequences.contact;

                    CREATE TABLE legal_holds (
                        contact BLOB PRIMARY KEY, reference TEXT NOT NULL, since INTEGER NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    -- As in the attributes, which the record is bound to: the day that decides is theirs.
                    ALTER TABLE contacts ADD COLUMN retain_until TEXT NOT NULL DEFAULT '';
                    UPDATE contacts SET retain_until = COALESCE(CASE WHEN json_valid(CAST(attributes AS TEXT))
                        THEN json_extract(CAST(attributes AS TEXT), '$.retain_until') END, '');
                    CREATE INDEX contacts_retention ON contacts (retain_until, id) WHERE retain_until <> '';

                    -- Retention says first, in the same transaction, from where on leaves stay.
                    CREATE TABLE log_retention (
                        id INTEGER PRIMARY KEY CHECK (id = 1), first_leaf INTEGER NOT NULL
                    ) STRICT;
                    DROP TRIGGER log_entries_no_delete;
                    CREATE TRIGGER log_entries_no_delete BEFORE DELETE ON log_entries
                        WHEN OLD.position >= COALESCE((SELECT first_leaf FROM log_retention), 0)
                        BEGIN SELECT RAISE(ABORT, 'log entries are never deleted'); END;
                    """)
        }
        migrator.registerMigration(backups) { database in
            try database.execute(
                sql: """
                    -- Needs are null while the copy is being made: then it may need every key.
                    CREATE TABLE backups (
                        id TEXT PRIMARY KEY, made INTEGER NOT NULL, log_size INTEGER NOT NULL,
                        has_keyring INTEGER NOT NULL, key_needs TEXT, forgotten INTEGER
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("7 key jobs") { database in
            try database.execute(
                sql: """
                    CREATE TABLE key_jobs (
                        id BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, version INTEGER NOT NULL,
                        is_dry_run INTEGER NOT NULL, rate INTEGER, requester TEXT NOT NULL, created INTEGER NOT NULL,
                        total INTEGER NOT NULL, state TEXT NOT NULL, cursor BLOB NOT NULL, examined INTEGER NOT NULL,
                        changed INTEGER NOT NULL, unreadable INTEGER NOT NULL, resumed INTEGER NOT NULL,
                        examined_before INTEGER NOT NULL, updated INTEGER NOT NULL
                    ) STRICT;
                    -- One job at a time, whoever starts it.
                    CREATE UNIQUE INDEX key_jobs_unfinished ON key_jobs (1) WHERE state IN ('running', 'paused');
                    CREATE TABLE instances (
                        name TEXT PRIMARY KEY, keyring_epoch INTEGER NOT NULL, seen INTEGER NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    -- Pages of an export ask whether it was approved.
                    CREATE INDEX approvals_used ON approvals (operation, requested) WHERE used IS NOT NULL;
                    -- The blind-index key could not be rotated before this step: all that is there is under its first version.
                    ALTER TABLE releases ADD COLUMN number_version INTEGER NOT NULL DEFAULT 1;
                    """)
        }
        return migrator
    }()
}
