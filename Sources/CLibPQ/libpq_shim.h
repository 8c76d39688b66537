#ifndef CONTACT_VAULT_LIBPQ_SHIM_H
#define CONTACT_VAULT_LIBPQ_SHIM_H

#include <libpq-fe.h>
#include <stddef.h>

/* What is a list of C strings, a macro or a callback, and awkward from Swift. */

/** Counts what the server says beside its answers. By itself libpq would write it to standard error, values included. */
static inline void contact_vault_pg_count_notice(void *count, const PGresult *notice) {
    (void)notice;
    *(int *)count += 1;
}

/**
 * Connects and waits for it. The address is a connection string or URI of libpq.
 *
 * What stands before the address are defaults that it may change: a dead peer is noticed within about twenty seconds.
 * What stands after it, it may not change. The
 * count of notices has to outlive the connection.
 */
static inline PGconn *contact_vault_pg_connect(const char *address, int *notices) {
    const char *const keywords[] = {
        "application_name", "connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count",
        "tcp_user_timeout", "dbname", "client_encoding", NULL,
    };
    const char *const values[] = {
        "contact-vault", "5", "10", "5", "2", "20000", address, "UTF8", NULL,
    };
    PGconn *connection = PQconnectdbParams(keywords, values, 1);
    if (connection != NULL) {
        PQsetNoticeReceiver(connection, contact_vault_pg_count_notice, notices);
    }
    return connection;
}

/** The SQLSTATE of a failed result; NULL if it did not come from the server. */
static inline const char *contact_vault_pg_sqlstate(const PGresult *result) {
    return PQresultErrorField(result, PG_DIAG_SQLSTATE);
}

#endif
