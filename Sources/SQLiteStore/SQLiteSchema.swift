// The tables, as named migration steps. A step that has been released is never edited; a change is a new step.

import GRDB

/// The schema of the embedded store.
enum SQLiteSchema {
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
        return migrator
    }()
}
