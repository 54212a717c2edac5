/// A stream's answer to a published message: a small JSON object that only the server writes.
enum PublishAnswer: Equatable {
    case stored
    case duplicate
    /// With the server's `err_code`.
    case refused(Int)
    case unreadable

    /// Reads `{"stream":"S","seq":1,"duplicate":true}` or `{"error":{"code":503,"err_code":10077,…},…}`.
    init(_ bytes: UnsafeRawBufferPointer) {
        if Self.end(of: "\"error\":", in: bytes) != nil {
            self = .refused(Self.number(after: "\"err_code\":", in: bytes) ?? 0)
        } else if let sequence = Self.number(after: "\"seq\":", in: bytes), sequence > 0 {
            self = Self.end(of: "\"duplicate\":", in: bytes) == nil ? .stored : .duplicate
        } else {
            self = .unreadable
        }
    }

    private static func number(after key: StaticString, in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let end = end(of: key, in: bytes) else { return nil }
        let digits = bytes[end...].drop { $0 == UInt8(ascii: " ") }.prefix {
            UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
        }
        return Int(String(decoding: digits, as: UTF8.self))
    }

    /// Where a text that occurs ends.
    private static func end(of text: StaticString, in bytes: UnsafeRawBufferPointer) -> Int? {
        let pattern = UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        guard bytes.count >= pattern.count else { return nil }
        for start in 0...(bytes.count - pattern.count) {
            let end = start + pattern.count
            if bytes[start..<end].elementsEqual(pattern) { return end }
        }
        return nil
    }
}
