internal import Platform
internal import Records

extension ValueKind where Value == String {
    static var path: Self {
        ValueKind("a path") { (text) throws(UnitError) in
            guard !text.isEmpty else { throw UnitError(description: "an empty path") }
            return text
        } write: {
            quoted($0)
        }
    }

    /// The name of a time zone; whether there is one, the database says.
    static var timeZone: Self {
        ValueKind("a time zone such as UTC or Europe/Berlin") { (text) throws(UnitError) in
            guard !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                throw UnitError(description: "\"\(text)\", expected a time zone such as UTC or Europe/Berlin")
            }
            return text
        } write: {
            quoted($0)
        }
    }

    /// One or more NATS servers; a password inside is not shown.
    static var natsServers: Self {
        ValueKind("nats:// or tls:// addresses, separated by commas") { (text) throws(UnitError) in
            for server in text.split(separator: ",", omittingEmptySubsequences: false) {
                let schemes = ["nats://", "tls://"]
                guard let scheme = schemes.first(where: server.hasPrefix), server.count > scheme.count else {
                    // Without the text: it may hold a password.
                    let detail = "expected nats:// or tls:// addresses, separated by commas, each with a host"
                    throw UnitError(description: detail)
                }
            }
            return text
        } write: { text in
            text.split(separator: ",").map { server in
                guard let at = server.lastIndex(of: "@"), let slashes = server.firstRange(of: "://") else {
                    return String(server)
                }
                return server[..<slashes.upperBound] + "<redacted>" + server[at...]
            }.joined(separator: ",")
        }
    }
}

extension ValueKind where Value == Secret {
    static var secret: Self {
        ValueKind("a connection string") { (text) throws(UnitError) in
            guard !text.isEmpty else { throw UnitError(description: "an empty connection string") }
            return Secret(text)
        } write: {
            "\($0)"
        }
    }
}

extension ValueKind where Value == ListenAddress {
    static var listenAddress: Self {
        ValueKind("an address such as 127.0.0.1:8085") { (text) throws(UnitError) in
            try ListenAddress(parsing: text)
        } write: {
            $0.description.hasPrefix("[") ? "\"\($0)\"" : $0.description
        }
    }
}

extension ValueKind where Value == [String] {
    /// A list; where only text can be given, it is separated by commas.
    static func list(of what: String) -> Self {
        ValueKind(
            "a list of \(what)",
            written: { (written) throws(UnitError) in
                switch written {
                case .list(let items): return items
                case .null: return []
                case .text(let text): return text.split(separator: ",").map { String($0.filter { $0 != " " }) }
                }
            },
            write: {
                "[\($0.map(quoted).joined(separator: ", "))]"
            }
        )
    }
}

extension ValueKind where Value == Configuration.StreamSelection {
    /// A list of type names, or `all`.
    static func streamSelection(_ names: [String]) -> Self {
        let list = ValueKind<[String]>.list(of: "record types")
        return ValueKind(
            "a list of record types, or all",
            written: { (written) throws(UnitError) in
                if case .text("all") = written { return .all }
                let types = try list.read(written)
                for type in types where !names.contains(type) {
                    let hint = Nearest.suggestion(for: type, among: names)
                    throw UnitError(description: "\"\(type)\" is no record type\(hint)")
                }
                return .only(types)
            },
            write: {
                switch $0 {
                case .all: "all"
                case .only(let types): list.write(types)
                }
            }
        )
    }
}

extension ValueKind {
    /// A list whose items are read one by one; where only text can be given, `separator` divides them.
    private static func list<Item: Sendable & CustomStringConvertible>(
        of what: String,
        separatedBy separator: Character,
        _ read: @escaping @Sendable (String) throws(UnitError) -> Item
    ) -> Self where Value == [Item] {
        ValueKind(
            "a list of \(what)",
            written: { (written) throws(UnitError) in
                var texts: [String] = []
                switch written {
                case .null: break
                case .list(let items): texts = items
                case .text(let text): texts = text.split(separator: separator).map(String.init)
                }
                return try texts.map(read)
            },
            write: { "[\($0.map { quoted($0.description) }.joined(separator: ", "))]" }
        )
    }
}

extension ValueKind where Value == [CronExpression] {
    static var cronExpressions: Self {
        list(of: "cron expressions, in text separated by semicolons", separatedBy: ";") { (text) throws(UnitError) in
            do { return try CronExpression(text) } catch {
                throw UnitError(description: "\"\(text)\" is no cron expression: \(error)")
            }
        }
    }
}

extension ValueKind where Value == [DailyWindow] {
    static var dailyWindows: Self {
        list(of: "parts of the day, such as 22:00-06:00", separatedBy: ",") { (text) throws(UnitError) in
            guard let window = DailyWindow(text.filter { $0 != " " }) else {
                throw UnitError(description: "\"\(text)\", expected a part of the day such as 22:00-06:00")
            }
            return window
        }
    }
}

/// The text as YAML: bare where that is the same text, else in quotes.
private func quoted(_ text: String) -> String {
    let bare = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._-".contains($0)) }
    let isWord = ["null", "true", "false", "~", ""].contains(text)
    guard !bare || isWord || text.first?.isLetter != true && text.first != "/" else { return text }
    return "\"" + text.map { "\"\\".contains($0) ? "\\\($0)" : String($0) }.joined() + "\""
}
