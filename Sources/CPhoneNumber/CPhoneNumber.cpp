// libphonenumber behind a C interface. Every path out of here wipes what this file copied and catches everything:
// an exception that crosses into Swift ends the process, and a number typed by a caller must not be able to do that.

#include "CPhoneNumber.h"

#include <string.h>

#include <string>

#include <phonenumbers/logger.h>
#include <phonenumbers/phonenumber.pb.h>
#include <phonenumbers/phonenumberutil.h>
#include <phonenumbers/shortnumberinfo.h>

namespace {

using i18n::phonenumbers::NullLogger;
using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;
using i18n::phonenumbers::ShortNumberInfo;

/// A string that is overwritten when it goes.
class WipedString {
public:
    WipedString() {}
    WipedString(const uint8_t *bytes, size_t length) : text(reinterpret_cast<const char *>(bytes), length) {}
    WipedString(const WipedString &) = delete;
    WipedString &operator=(const WipedString &) = delete;
    ~WipedString() {
        // The whole capacity: a shorter assignment leaves the tail of a longer one behind. resize() within the
        // capacity allocates nothing and so cannot throw.
        text.resize(text.capacity());
        explicit_bzero(&text[0], text.size());
    }

    std::string text;
};

/// A parsed number that is cleared when it goes.
class WipedNumber {
public:
    WipedNumber() {}
    WipedNumber(const WipedNumber &) = delete;
    WipedNumber &operator=(const WipedNumber &) = delete;
    ~WipedNumber() {
        // The optimiser may drop stores to a dying object; a value that is read back through a volatile stays.
        number.set_national_number(0);
        volatile uint64_t read_back = number.national_number();
        (void)read_back;
        number.Clear();
    }

    PhoneNumber number;
};

/// The library's one instance, silenced: its default logger writes to standard output, where a number does not belong.
PhoneNumberUtil &Library() {
    static PhoneNumberUtil *const library = [] {
        PhoneNumberUtil *instance = PhoneNumberUtil::GetInstance();
        NullLogger *logger = new NullLogger();
        logger->set_level(0);
        instance->SetLogger(logger);
        return instance;
    }();
    return *library;
}

const ShortNumberInfo &ShortNumbers() {
    static const ShortNumberInfo *const info = new ShortNumberInfo();
    return *info;
}

bool IsCapital(char character) { return character >= 'A' && character <= 'Z'; }

uint16_t Type(PhoneNumberUtil::PhoneNumberType type) {
    switch (type) {
    case PhoneNumberUtil::FIXED_LINE: return CONTACT_VAULT_PHONE_FIXED_LINE;
    case PhoneNumberUtil::MOBILE: return CONTACT_VAULT_PHONE_MOBILE;
    case PhoneNumberUtil::FIXED_LINE_OR_MOBILE: return CONTACT_VAULT_PHONE_FIXED_LINE_OR_MOBILE;
    case PhoneNumberUtil::TOLL_FREE: return CONTACT_VAULT_PHONE_TOLL_FREE;
    case PhoneNumberUtil::PREMIUM_RATE: return CONTACT_VAULT_PHONE_PREMIUM_RATE;
    case PhoneNumberUtil::SHARED_COST: return CONTACT_VAULT_PHONE_SHARED_COST;
    case PhoneNumberUtil::VOIP: return CONTACT_VAULT_PHONE_VOIP;
    case PhoneNumberUtil::PERSONAL_NUMBER: return CONTACT_VAULT_PHONE_PERSONAL;
    case PhoneNumberUtil::PAGER: return CONTACT_VAULT_PHONE_PAGER;
    case PhoneNumberUtil::UAN: return CONTACT_VAULT_PHONE_UAN;
    case PhoneNumberUtil::VOICEMAIL: return CONTACT_VAULT_PHONE_VOICEMAIL;
    case PhoneNumberUtil::UNKNOWN: break;
    }
    return CONTACT_VAULT_PHONE_UNKNOWN;
}

uint8_t DecimalDigits(int value) { return value < 10 ? 1 : value < 100 ? 2 : 3; }

int32_t Parse(const uint8_t *input, size_t length, const char *region, contact_vault_phone *out) {
    PhoneNumberUtil &library = Library();
    std::string region_code = "ZZ";
    if (region != nullptr) {
        if (!IsCapital(region[0]) || !IsCapital(region[1]) || region[2] != '\0') {
            return CONTACT_VAULT_PHONE_INVALID_REGION;
        }
        region_code.assign(region, 2);
        if (library.GetCountryCodeForRegion(region_code) == 0) return CONTACT_VAULT_PHONE_INVALID_REGION;
    }

    WipedString typed(input, length);
    WipedNumber parsed;
    switch (library.Parse(typed.text, region_code, &parsed.number)) {
    case PhoneNumberUtil::NO_PARSING_ERROR: break;
    case PhoneNumberUtil::INVALID_COUNTRY_CODE_ERROR: return CONTACT_VAULT_PHONE_COUNTRY_UNKNOWN;
    case PhoneNumberUtil::TOO_SHORT_AFTER_IDD:
    case PhoneNumberUtil::TOO_SHORT_NSN: return CONTACT_VAULT_PHONE_TOO_SHORT;
    case PhoneNumberUtil::TOO_LONG_NSN: return CONTACT_VAULT_PHONE_TOO_LONG;
    case PhoneNumberUtil::NOT_A_NUMBER: return CONTACT_VAULT_PHONE_NOT_A_NUMBER;
    }
    if (parsed.number.has_extension()) return CONTACT_VAULT_PHONE_HAS_EXTENSION;

    if (!library.IsValidNumber(parsed.number)) {
        if (region != nullptr && ShortNumbers().IsPossibleShortNumberForRegion(parsed.number, region_code)
            && ShortNumbers().IsValidShortNumberForRegion(parsed.number, region_code)) {
            return CONTACT_VAULT_PHONE_SHORT_CODE;
        }
        switch (library.IsPossibleNumberWithReason(parsed.number)) {
        case PhoneNumberUtil::TOO_SHORT:
        case PhoneNumberUtil::IS_POSSIBLE_LOCAL_ONLY: return CONTACT_VAULT_PHONE_TOO_SHORT;
        case PhoneNumberUtil::TOO_LONG: return CONTACT_VAULT_PHONE_TOO_LONG;
        case PhoneNumberUtil::INVALID_COUNTRY_CODE: return CONTACT_VAULT_PHONE_COUNTRY_UNKNOWN;
        case PhoneNumberUtil::IS_POSSIBLE:
        case PhoneNumberUtil::INVALID_LENGTH: break;
        }
        return CONTACT_VAULT_PHONE_INVALID;
    }

    WipedString e164;
    // Reserved first, so that no reallocation leaves a copy behind.
    e164.text.reserve(CONTACT_VAULT_PHONE_INPUT_BYTES);
    library.Format(parsed.number, PhoneNumberUtil::E164, &e164.text);
    if (e164.text.size() > CONTACT_VAULT_PHONE_E164_BYTES) return CONTACT_VAULT_PHONE_TOO_LONG;

    const int country_code = parsed.number.country_code();
    const uint8_t country_code_length = DecimalDigits(country_code);
    const int area_code_length = library.GetLengthOfGeographicalAreaCode(parsed.number);
    std::string number_region;
    library.GetRegionCodeForNumber(parsed.number, &number_region);
    // What the rest of the vault relies on, checked where it is made rather than assumed of a library.
    if (country_code < 1 || country_code > 999 || e164.text.size() < 1u + country_code_length + 1u
        || e164.text[0] != '+' || e164.text.find_first_not_of("0123456789", 1) != std::string::npos
        || number_region.size() >= sizeof(out->region)) {
        return CONTACT_VAULT_PHONE_INVALID;
    }
    const size_t national_length = e164.text.size() - 1 - country_code_length;
    if (area_code_length < 0 || static_cast<size_t>(area_code_length) >= national_length) {
        return CONTACT_VAULT_PHONE_INVALID;
    }

    memcpy(out->e164, e164.text.data(), e164.text.size());
    memcpy(out->region, number_region.data(), number_region.size());
    out->e164_length = static_cast<uint8_t>(e164.text.size());
    out->country_code_length = country_code_length;
    out->national_length = static_cast<uint8_t>(national_length);
    out->area_code_length = static_cast<uint8_t>(area_code_length);
    out->country_code = static_cast<uint16_t>(country_code);
    out->type = Type(library.GetNumberType(parsed.number));
    return CONTACT_VAULT_PHONE_OK;
}

}  // namespace

extern "C" int32_t contact_vault_phone_parse(
    const uint8_t *input, size_t length, const char *region, struct contact_vault_phone *out) {
    if (out == nullptr) return CONTACT_VAULT_PHONE_UNAVAILABLE;
    memset(out, 0, sizeof(*out));
    if (input == nullptr || length == 0) return CONTACT_VAULT_PHONE_NOT_A_NUMBER;
    if (length > CONTACT_VAULT_PHONE_INPUT_BYTES) return CONTACT_VAULT_PHONE_TOO_LONG;
    try {
        return Parse(input, length, region, out);
    } catch (...) {
        contact_vault_phone_wipe(out);
        return CONTACT_VAULT_PHONE_UNAVAILABLE;
    }
}

extern "C" void contact_vault_phone_wipe(struct contact_vault_phone *out) {
    if (out != nullptr) explicit_bzero(out, sizeof(*out));
}
