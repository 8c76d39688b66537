/* PostgreSQL's client library. Only PostgresStore imports it. */

#ifndef CONTACT_VAULT_LIBPQ_SHIM_H
#define CONTACT_VAULT_LIBPQ_SHIM_H

#include <libpq-fe.h>

#endif
