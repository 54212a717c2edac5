/// A stream's answer to a published message: a small JSON object that only the server writes.
enum PublishAnswer: Equatable {
    case stored
    case duplicate
    /// With the server's `err_code`.
    case refused(Int)
    case unreadable

    /// Reads `{"stream":"S","seq":1,"duplicate":true}` or `{"error":{"code":503,"err_code":10077,…},…}`.
    init(_ bytes: UnsafeRawBufferPointer) {
        let text = String(decoding: bytes, as: UTF8.self)
        if text.contains("\"error\":") {
            self = .refused(Self.number(after: "\"err_code\":", in: text) ?? 0)
        } else if let sequence = Self.number(after: "\"seq\":", in: text), sequence > 0 {
            self = text.contains("\"duplicate\":") ? .duplicate : .stored
        } else {
            self = .unreadable
        }
    }

    private static func number(after key: String, in text: String) -> Int? {
        guard let range = text.firstRange(of: key) else { return nil }
        return Int(text[range.upperBound...].drop { $0 == " " }.prefix { $0.isNumber })
    }
}
