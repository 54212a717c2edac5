/// A text that must not be shown: a connection string, a password, a token.
///
/// It prints, interpolates, dumps and logs as `<redacted>`; only `reveal()` gives it away.
package struct Secret: Sendable, Equatable {
    private let text: String

    package init(_ text: String) { self.text = text }

    /// Reads a secret from a file, without the newline that editors and `echo` put at its end.
    ///
    /// A file that others may change is refused: they could send our data elsewhere. One that others may read is not,
    /// because container secrets are mounted like that; `check` warns.
    package init(file: File) throws(FileError) {
        func refuse(_ detail: String) -> FileError { FileError(path: file.path, detail: detail) }
        guard !file.isWritableByOthers else { throw refuse("others may write to this secret; chmod go-w it") }
        var bytes = file.bytes[...]
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        guard !bytes.isEmpty else { throw refuse("the secret is empty") }
        guard !bytes.contains(where: { $0 < 0x20 }) else { throw refuse("the secret is more than one line of text") }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw refuse("the secret is not UTF-8") }
        self.text = text
    }

    /// The text itself, for the one call that needs it.
    package func reveal() -> String { text }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "<redacted>" }
    package var debugDescription: String { "<redacted>" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
