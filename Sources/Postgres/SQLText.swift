/// Puts names and values into statements that take no parameters: DDL and COPY.
package enum SQLText {
    /// A name in double quotes, so that it means exactly itself.
    package static func identifier(_ name: String) -> String { quoted(name, "\"") }

    /// `schema.name`, both quoted.
    package static func identifier(_ schema: String, _ name: String) -> String {
        identifier(schema) + "." + identifier(name)
    }

    /// A text literal, for statements that take no parameters; everything else passes parameters.
    ///
    /// Valid whatever `standard_conforming_strings` says.
    package static func literal(_ text: String) -> String {
        let doubled = quoted(text, "'")
        guard text.unicodeScalars.contains("\\") else { return doubled }
        var escaped = "E"
        for character in doubled.unicodeScalars {
            if character == "\\" { escaped += "\\" }
            escaped.unicodeScalars.append(character)
        }
        return escaped
    }

    /// The text form of a one-dimensional array, to be passed as a parameter and cast (`$1::text[]`).
    package static func array(_ elements: [String?]) -> String {
        "{" + elements.map { $0.map(arrayElement) ?? "NULL" }.joined(separator: ",") + "}"
    }

    private static func arrayElement(_ element: String) -> String {
        var text = "\""
        for character in element.unicodeScalars {
            if character == "\"" || character == "\\" { text += "\\" }
            text.unicodeScalars.append(character)
        }
        return text + "\""
    }

    private static func quoted(_ text: String, _ quote: Unicode.Scalar) -> String {
        var result = String(quote)
        for character in text.unicodeScalars {
            if character == quote { result.unicodeScalars.append(quote) }
            result.unicodeScalars.append(character)
        }
        result.unicodeScalars.append(quote)
        return result
    }
}
