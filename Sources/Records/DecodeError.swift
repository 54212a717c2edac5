/// Why a message is not a record: it is data, kept in quarantine with its bytes and this reason.
package struct DecodeError: Error, Equatable, CustomStringConvertible {
    /// Stable names: operators filter `quarantine` and metrics by them.
    package enum Reason: String, CaseIterable, Sendable {
        case messageTooLarge = "message_too_large"
        case invalidJSON = "invalid_json"
        case invalidUTF8 = "invalid_utf8"
        case invalidText = "invalid_text"
        case tooDeep = "too_deep"
        case tooManyKeys = "too_many_keys"
        case duplicateKey = "duplicate_key"
        case unknownSubject = "unknown_subject"
        case otherType = "other_type"
        case otherVariant = "other_variant"
        case subjectDisagrees = "subject_disagrees"
        case aliasesDisagree = "aliases_disagree"
        case invalidExchange = "invalid_exchange"
        case invalidMarketType = "invalid_market_type"
        case invalidSymbol = "invalid_symbol"
        case missingValue = "missing_value"
        case wrongKind = "wrong_kind"
        case valueNotAllowed = "value_not_allowed"
        case textTooLong = "text_too_long"
        case invalidNumber = "invalid_number"
        case numberTooLong = "number_too_long"
        case negativeNumber = "negative_number"
        case invalidInteger = "invalid_integer"
        case missingTime = "missing_time"
        case invalidTime = "invalid_time"
        case timeOutOfRange = "time_out_of_range"
        case invalidBook = "invalid_book"
        case emptyBookSide = "empty_book_side"
        case tooManyLevels = "too_many_levels"
    }

    package let reason: Reason
    /// Where in the payload, in bytes; nil where no single place is to blame.
    package let offset: Int?
    /// What was expected, naming the key; never the value.
    package let detail: String

    package init(_ reason: Reason, at offset: Int? = nil, _ detail: String) {
        self.reason = reason
        self.offset = offset
        self.detail = detail
    }

    package var description: String {
        guard let offset else { return "\(reason.rawValue): \(detail)" }
        return "\(reason.rawValue) at byte \(offset): \(detail)"
    }
}
