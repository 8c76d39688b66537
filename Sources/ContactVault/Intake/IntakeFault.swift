// Why a contact was not taken in: the field and one code, so that the caller can mend it and a log line about it
// says nothing about a person.

/// A field that intake refused. Carries neither the value nor any part of it.
public struct IntakeFault: Error, Equatable, Sendable {
    /// The kinds of fault. The raw value is stable: callers program against it.
    public enum Problem: String, CaseIterable, Sendable {
        // Any field.

        /// The field is required and absent or empty.
        case missing
        /// The field is not of the form that the format asks for.
        case malformed
        /// The field is longer than its limit.
        case tooLong = "too_long"
        /// The vault does not hold this: debt amounts, identity numbers, free text, or a member it does not know.
        case notAccepted = "not_accepted"

        // Phone numbers.

        /// Something else than one telephone number: letters, two numbers, a link.
        case notANumber = "not_a_number"
        /// Fewer digits than any number of that country; a local number without its area code is one cause.
        case tooShort = "too_short"
        /// A length or prefix that the country's numbering plan does not have.
        case invalidNumber = "invalid_number"
        /// Neither a calling code in the number nor a region beside it.
        case countryUnknown = "country_unknown"
        /// The region is not two capital letters of a country (ISO 3166-1).
        case invalidRegion = "invalid_region"
        /// A number with an extension: behind it is a switchboard, not one person.
        case hasExtension = "has_extension"
        /// An emergency or service short code.
        case shortCode = "short_code"
        /// Free for the caller: a company's line.
        case tollFree = "toll_free"
        /// The called person pays a part, or the caller pays more: a company's line.
        case sharedCost = "shared_cost"
        /// A line that charges the caller.
        case premiumRate = "premium_rate"
        /// A company's access number.
        case companyNumber = "company_number"
        /// An internet line, a follow-me number, a pager or a mailbox: it may ring anywhere, at any hour, at anyone's.
        case notAPersonsLine = "not_a_persons_line"
        /// A satellite telephone or a number that belongs to no country: no local time, so no hours can be kept.
        case satellite
        /// A number of a machine.
        case machine
        /// The telephone library failed. Says nothing about the number; try again.
        case unavailable
    }

    /// The member of the intake format, such as `phone`. Always a name of the format, never a name out of the input.
    public let field: String
    /// What is wrong with it.
    public let problem: Problem

    /// A fault.
    /// - Parameter field: a name of the format. An unknown member of the input is reported under the name of the object
    ///   that holds it: its own name is input.
    public init(field: StaticString, problem: Problem) {
        self.field = "\(field)"
        self.problem = problem
    }
}
