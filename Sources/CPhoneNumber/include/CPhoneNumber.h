/*
 * A C view of libphonenumber: enough to normalise a typed number and to mask a stored one.
 *
 * Nothing here allocates for the caller, keeps the input, throws, or writes to standard output or error. What the
 * shim copies it wipes; libphonenumber's own temporaries on the heap are out of its reach.
 */

#ifndef CONTACT_VAULT_PHONE_NUMBER_H
#define CONTACT_VAULT_PHONE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Longest input that is looked at, bytes. */
#define CONTACT_VAULT_PHONE_INPUT_BYTES 64

/** Longest E.164 text: a plus sign and 15 digits (ITU-T E.164 clause 6.2.1). */
#define CONTACT_VAULT_PHONE_E164_BYTES 16

/** What became of a parse. Only ::CONTACT_VAULT_PHONE_OK fills the output. */
enum contact_vault_phone_result {
    /** A valid number. */
    CONTACT_VAULT_PHONE_OK = 0,
    /** Not recognisable as a telephone number. */
    CONTACT_VAULT_PHONE_NOT_A_NUMBER = 1,
    /** Fewer digits than any number of the country. */
    CONTACT_VAULT_PHONE_TOO_SHORT = 2,
    /** More digits than any number of the country, more than 15, or an input beyond the limit. */
    CONTACT_VAULT_PHONE_TOO_LONG = 3,
    /** A length or a prefix that the country's numbering plan does not have. */
    CONTACT_VAULT_PHONE_INVALID = 4,
    /** No calling code in the number and no region given, or a calling code that no country has. */
    CONTACT_VAULT_PHONE_COUNTRY_UNKNOWN = 5,
    /** The region is not two capital letters of a region with a numbering plan. */
    CONTACT_VAULT_PHONE_INVALID_REGION = 6,
    /** A number with an extension: two numbers in one field. */
    CONTACT_VAULT_PHONE_HAS_EXTENSION = 7,
    /** A short code of the region, such as an emergency or a service number. */
    CONTACT_VAULT_PHONE_SHORT_CODE = 8,
    /** The library failed, for instance for lack of memory. Says nothing about the number. */
    CONTACT_VAULT_PHONE_UNAVAILABLE = 9,
};

/** What kind of line a number is. */
enum contact_vault_phone_type {
    CONTACT_VAULT_PHONE_FIXED_LINE = 0,
    CONTACT_VAULT_PHONE_MOBILE = 1,
    CONTACT_VAULT_PHONE_FIXED_LINE_OR_MOBILE = 2,
    CONTACT_VAULT_PHONE_TOLL_FREE = 3,
    CONTACT_VAULT_PHONE_PREMIUM_RATE = 4,
    CONTACT_VAULT_PHONE_SHARED_COST = 5,
    CONTACT_VAULT_PHONE_VOIP = 6,
    CONTACT_VAULT_PHONE_PERSONAL = 7,
    CONTACT_VAULT_PHONE_PAGER = 8,
    CONTACT_VAULT_PHONE_UAN = 9,
    CONTACT_VAULT_PHONE_VOICEMAIL = 10,
    CONTACT_VAULT_PHONE_UNKNOWN = 11,
};

/** A parsed number. It holds the number itself: call ::contact_vault_phone_wipe when done. */
struct contact_vault_phone {
    /** `+`, calling code, national digits; NUL-terminated. */
    char e164[CONTACT_VAULT_PHONE_E164_BYTES + 1];
    /** Two capital letters, or `001` for a calling code that belongs to no country; NUL-terminated. */
    char region[4];
    /** Length of `e164` without the NUL. */
    uint8_t e164_length;
    /** Digits of the country calling code, 1…3. */
    uint8_t country_code_length;
    /** National digits: those after the calling code. */
    uint8_t national_length;
    /** How many of the national digits are a geographical area code; 0 where there is none. */
    uint8_t area_code_length;
    /** The country calling code. */
    uint16_t country_code;
    /** A `contact_vault_phone_type`. */
    uint16_t type;
};

/**
 * Parses and validates one number.
 *
 * @param input   UTF-8, not NUL-terminated; may be NULL when `length` is 0.
 * @param length  bytes of input; more than ::CONTACT_VAULT_PHONE_INPUT_BYTES is refused unread.
 * @param region  two capital letters and a NUL, the region whose national notation is assumed when the number does
 *                not begin with a plus sign; NULL for none.
 * @param out     zeroed first, filled on success.
 * @return a `contact_vault_phone_result`.
 */
int32_t contact_vault_phone_parse(
    const uint8_t *input, size_t length, const char *region, struct contact_vault_phone *out);

/** Overwrites a parsed number with zeros, in a way that no optimiser removes. */
void contact_vault_phone_wipe(struct contact_vault_phone *out);

#ifdef __cplusplus
}
#endif

#endif
