#ifndef CONTACT_VAULT_CRYPTOKI_SHIM_H
#define CONTACT_VAULT_CRYPTOKI_SHIM_H

/*
 * Cryptoki (PKCS #11 2.40) from the header of p11-kit. The module is loaded at run time: nothing links against p11-kit, so
 * its compiler flags are not asked for either.
 */
#include <dlfcn.h>
#include <p11-kit-1/p11-kit/pkcs11.h>

/*
 * A module keeps the pointers in a mechanism and in a template until the operation has ended, and Swift lends a value to C
 * for the length of one call: so parameters are built here, and an operation is begun and ended in one function.
 */

/** The functions of a module that was opened with dlopen; NULL if it is no Cryptoki module. */
static inline CK_FUNCTION_LIST *contact_vault_cryptoki_functions(void *library) {
    CK_FUNCTION_LIST *functions = NULL;
    CK_C_GetFunctionList get_functions = (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
    if (get_functions == NULL || get_functions(&functions) != CKR_OK) return NULL;
    return functions;
}

/** Initialises a module for several threads. */
static inline CK_RV contact_vault_cryptoki_initialize(CK_FUNCTION_LIST *functions) {
    CK_C_INITIALIZE_ARGS arguments = {0};
    arguments.flags = CKF_OS_LOCKING_OK;
    return functions->C_Initialize(&arguments);
}

/** Logs the user of a token in. The PIN is not kept. */
static inline CK_RV contact_vault_cryptoki_login(
    CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, const unsigned char *pin, size_t length) {
    return functions->C_Login(session, CKU_USER, (unsigned char *)pin, length);
}

/** Handles of at most two secret keys with this label: two are as many as it takes to refuse them. */
static inline CK_RV contact_vault_cryptoki_find(
    CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, const unsigned char *label, size_t length,
    CK_OBJECT_HANDLE found[2], unsigned long *count) {
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_LABEL, (void *)label, length},
    };
    CK_RV result = functions->C_FindObjectsInit(session, template, 2);
    if (result != CKR_OK) return result;
    *count = 0;
    /* A module may hand them out one at a time. */
    while (*count < 2) {
        unsigned long more = 0;
        result = functions->C_FindObjects(session, found + *count, 2 - *count, &more);
        if (result != CKR_OK || more == 0) break;
        *count += more;
    }
    CK_RV ended = functions->C_FindObjectsFinal(session);
    return result != CKR_OK ? result : ended;
}

/** What a key is and may be used for. */
typedef struct {
    CK_KEY_TYPE type;
    CK_ULONG length;
    CK_BBOOL token, is_private, sensitive, extractable, encrypt, decrypt, wrap, unwrap, sign, verify, derive;
} contact_vault_key_attributes;

/** Reads them all; what a token does not say is an error, not a default. */
static inline CK_RV contact_vault_cryptoki_attributes(
    CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
    contact_vault_key_attributes *attributes) {
    CK_ATTRIBUTE template[] = {
        {CKA_KEY_TYPE, &attributes->type, sizeof attributes->type},
        {CKA_VALUE_LEN, &attributes->length, sizeof attributes->length},
        {CKA_TOKEN, &attributes->token, 1},
        {CKA_PRIVATE, &attributes->is_private, 1},
        {CKA_SENSITIVE, &attributes->sensitive, 1},
        {CKA_EXTRACTABLE, &attributes->extractable, 1},
        {CKA_ENCRYPT, &attributes->encrypt, 1},
        {CKA_DECRYPT, &attributes->decrypt, 1},
        {CKA_WRAP, &attributes->wrap, 1},
        {CKA_UNWRAP, &attributes->unwrap, 1},
        {CKA_SIGN, &attributes->sign, 1},
        {CKA_VERIFY, &attributes->verify, 1},
        {CKA_DERIVE, &attributes->derive, 1},
    };
    const unsigned long count = sizeof template / sizeof template[0];
    CK_RV result = functions->C_GetAttributeValue(session, key, template, count);
    if (result != CKR_OK) return result;
    for (unsigned long index = 0; index < count; index++) {
        unsigned long expected = index == 0 ? sizeof(CK_KEY_TYPE) : index == 1 ? sizeof(CK_ULONG) : 1;
        if (template[index].ulValueLen != expected) return CKR_ATTRIBUTE_VALUE_INVALID;
    }
    return CKR_OK;
}

/** Makes a 256-bit AES key of the token that never leaves it, does nothing but AES-GCM, and cannot be changed. */
static inline CK_RV contact_vault_cryptoki_generate(
    CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, const unsigned char *label, size_t length,
    int restricts_mechanisms, CK_OBJECT_HANDLE *key) {
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ULONG key_length = 32;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_MECHANISM_TYPE allowed = CKM_AES_GCM;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_VALUE_LEN, &key_length, sizeof key_length},
        {CKA_LABEL, (void *)label, length},
        {CKA_TOKEN, &yes, 1},
        {CKA_PRIVATE, &yes, 1},
        {CKA_SENSITIVE, &yes, 1},
        {CKA_EXTRACTABLE, &no, 1},
        {CKA_MODIFIABLE, &no, 1},
        {CKA_ENCRYPT, &yes, 1},
        {CKA_DECRYPT, &yes, 1},
        {CKA_WRAP, &no, 1},
        {CKA_UNWRAP, &no, 1},
        {CKA_SIGN, &no, 1},
        {CKA_VERIFY, &no, 1},
        {CKA_DERIVE, &no, 1},
        {CKA_ALLOWED_MECHANISMS, &allowed, sizeof allowed},
    };
    unsigned long count = sizeof template / sizeof template[0];
    return functions->C_GenerateKey(session, &mechanism, template, restricts_mechanisms ? count : count - 1, key);
}

/** AES-GCM with a 96-bit nonce and a 128-bit tag behind the ciphertext. The nonce can be written by a token that insists on
 * its own. */
static inline CK_RV contact_vault_cryptoki_gcm(
    CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, int is_encrypting,
    unsigned char *nonce, const unsigned char *context, size_t context_length, const unsigned char *input,
    size_t input_length, unsigned char *output, unsigned long *output_length) {
    CK_GCM_PARAMS parameters = {nonce, 12, 96, (unsigned char *)context, context_length, 128};
    CK_MECHANISM mechanism = {CKM_AES_GCM, &parameters, sizeof parameters};
    CK_RV result = is_encrypting ? functions->C_EncryptInit(session, &mechanism, key)
                                 : functions->C_DecryptInit(session, &mechanism, key);
    if (result != CKR_OK) return result;
    return is_encrypting
        ? functions->C_Encrypt(session, (unsigned char *)input, input_length, output, output_length)
        : functions->C_Decrypt(session, (unsigned char *)input, input_length, output, output_length);
}

#endif
