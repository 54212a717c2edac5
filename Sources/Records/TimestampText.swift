/// Timestamps as text and as numbers of unknown unit, in both directions.
extension Timestamp: CustomStringConvertible {
    private static let microsPerDay: Int64 = 86_400_000_000

    /// ISO 8601 in UTC, for example `2026-11-20T08:28:37.413936Z`; whole seconds have no fraction.
    package var description: String {
        let remainder = micros % Self.microsPerDay
        let days = micros / Self.microsPerDay - (remainder < 0 ? 1 : 0)
        let time = remainder < 0 ? remainder + Self.microsPerDay : remainder
        let date = CivilDate(daysSince1970: days)
        var text: [UInt8] = []
        text.reserveCapacity(27)
        if date.year < 0 { text.append(0x2D) }
        Self.append(abs(date.year), width: 4, to: &text)
        text.append(0x2D)
        Self.append(date.month, width: 2, to: &text)
        text.append(0x2D)
        Self.append(date.day, width: 2, to: &text)
        text.append(0x54)
        Self.append(time / 3_600_000_000, width: 2, to: &text)
        text.append(0x3A)
        Self.append(time / 60_000_000 % 60, width: 2, to: &text)
        text.append(0x3A)
        Self.append(time / 1_000_000 % 60, width: 2, to: &text)
        if time % 1_000_000 != 0 {
            text.append(0x2E)
            Self.append(time % 1_000_000, width: 6, to: &text)
        }
        text.append(0x5A)
        return String(decoding: text, as: UTF8.self)
    }

    private static func append(_ value: Int64, width: Int, to text: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<width { divisor *= 10 }
        while value / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            text.append(0x30 + UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }

    /// Reads `YYYY-MM-DDTHH:MM:SS`, a space for the T allowed, with an optional fraction and zone; nil for anything
    /// else.
    ///
    /// The offset is applied; text without a zone is UTC, or nil where `zoneRequired`. Digits below a microsecond are
    /// cut.
    package init?(iso8601 text: String, zoneRequired: Bool = false) {
        let bytes = Array(text.utf8)
        self.init(iso8601: bytes.span, 0, bytes.count, zoneRequired: zoneRequired)
    }

    init?(iso8601 bytes: Span<UInt8>, _ start: Int, _ end: Int, zoneRequired: Bool = false) {
        var reader = DigitReader(position: start, end: end)
        guard let year = reader.digits(4, bytes), reader.take(0x2D, bytes), let month = reader.digits(2, bytes),
            reader.take(0x2D, bytes), let day = reader.digits(2, bytes),
            let date = CivilDate(year: year, month: month, day: day),
            reader.take(0x54, bytes) || reader.take(0x20, bytes), let hour = reader.digits(2, bytes), hour < 24,
            reader.take(0x3A, bytes), let minute = reader.digits(2, bytes), minute < 60,
            reader.take(0x3A, bytes), let second = reader.digits(2, bytes), second < 60,
            let fraction = reader.fraction(bytes)
        else { return nil }
        let hasZone = reader.position < end
        guard hasZone || !zoneRequired, let offset = reader.offset(bytes), reader.position == end else { return nil }
        let seconds = date.daysSince1970 * 86_400 + hour * 3_600 + minute * 60 + second - offset * 60
        self.init(micros: seconds * 1_000_000 + fraction)
    }

    /// Reads a number since the epoch whose unit follows from its size: seconds, milliseconds, microseconds,
    /// nanoseconds.
    ///
    /// Within 1973 to 5138 no two units overlap, and the window of event time is far narrower. Digits below a
    /// microsecond are cut.
    init?(number: DecimalText, _ bytes: Span<UInt8>) {
        guard let whole = number.scaled(bytes, by: 0),
            let micros = number.scaled(bytes, by: Self.decimalsToMicros(whole))
        else { return nil }
        self.init(micros: micros)
    }

    /// The common case of the above, digits only: nil also for numbers that need the other way.
    init?(digits bytes: Span<UInt8>, _ start: Int, _ end: Int) {
        guard end > start, end - start <= 18 else { return nil }
        var value: Int64 = 0
        var cursor = start
        while end - cursor >= 8, let word = bytes.word(cursor) {
            guard let number = ByteWord.number(word) else { return nil }
            value = value &* 100_000_000 &+ number
            cursor += 8
        }
        while cursor < end {
            let digit = bytes[cursor] &- 0x30
            guard digit <= 9 else { return nil }
            value = value &* 10 &+ Int64(digit)
            cursor += 1
        }
        switch Self.decimalsToMicros(value) {
        case 6: self.init(micros: value * 1_000_000)
        case 3: self.init(micros: value * 1_000)
        case 0: self.init(micros: value)
        default: self.init(micros: value / 1_000)
        }
    }

    private static func decimalsToMicros(_ value: Int64) -> Int {
        switch value.magnitude {
        case 0..<100_000_000_000: 6
        case 0..<100_000_000_000_000: 3
        case 0..<100_000_000_000_000_000: 0
        default: -3
        }
    }

    /// Whether two tellings of one instant agree: to the millisecond, or to the second where one has only seconds.
    func agrees(with other: Timestamp) -> Bool {
        guard self != other else { return true }
        let second: Int64 = 1_000_000
        let unit = micros % second == 0 || other.micros % second == 0 ? second : 1_000
        return micros / unit == other.micros / unit
    }
}

/// Fixed-width digits of a timestamp's text.
private struct DigitReader {
    var position: Int
    let end: Int

    mutating func digits(_ count: Int, _ bytes: Span<UInt8>) -> Int64? {
        guard end - position >= count else { return nil }
        var value: Int64 = 0
        for _ in 0..<count {
            let digit = bytes[position] &- 0x30
            guard digit <= 9 else { return nil }
            value = value * 10 + Int64(digit)
            position += 1
        }
        return value
    }

    mutating func take(_ byte: UInt8, _ bytes: Span<UInt8>) -> Bool {
        guard position < end, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    /// Microseconds after an optional point; nil for a point without digits.
    mutating func fraction(_ bytes: Span<UInt8>) -> Int64? {
        guard take(0x2E, bytes) else { return 0 }
        var value: Int64 = 0
        var unit: Int64 = 100_000
        let start = position
        while position < end, bytes[position] &- 0x30 <= 9 {
            value += Int64(bytes[position] &- 0x30) * unit
            unit /= 10
            position += 1
        }
        return position > start ? value : nil
    }

    /// Minutes east of UTC; `Z` and nothing are 0, and a `Z` after `+00:00` is what a collector writes.
    mutating func offset(_ bytes: Span<UInt8>) -> Int64? {
        if position == end || take(0x5A, bytes) { return 0 }
        let isWest = position < end && bytes[position] == 0x2D
        guard isWest || (position < end && bytes[position] == 0x2B) else { return nil }
        position += 1
        guard let hours = digits(2, bytes) else { return nil }
        let hasColon = take(0x3A, bytes)
        guard let minutes = position < end && bytes[position] != 0x5A || hasColon ? digits(2, bytes) : 0,
            hours < 16, minutes < 60
        else { return nil }
        let total = hours * 60 + minutes
        if total == 0 { _ = take(0x5A, bytes) }
        return isWest ? -total : total
    }
}
