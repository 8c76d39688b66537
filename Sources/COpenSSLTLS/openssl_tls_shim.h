#ifndef CONTACT_VAULT_OPENSSL_TLS_SHIM_H
#define CONTACT_VAULT_OPENSSL_TLS_SHIM_H

#include <openssl/ssl.h>

/* For measuring alone: TLS connections that a load generator polls. Macros that Swift does not import. */

/** A record that carries no data, such as a session ticket, then ends a read instead of making it wait for the next. */
static inline void contact_vault_tls_no_auto_retry(SSL_CTX *context) {
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
}

#endif
