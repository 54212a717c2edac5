internal import Glibc

/// What a command prints for a person or a pipe: written at once, so that a line in a pipe is never late or lost.
package enum StandardOutput {
    /// Whether a terminal reads it.
    package static var isTerminal: Bool { isatty(1) == 1 }

    /// Writes `text` and a newline.
    package static func line(_ text: String) { write(text + "\n", to: 1) }
    package static func write(_ text: String) { write(text, to: 1) }
    /// Writes `text` and a newline to standard error.
    package static func errorLine(_ text: String) { write(text + "\n", to: 2) }

    /// Writes bytes as they are.
    package static func write(_ bytes: [UInt8]) { write(bytes[...], to: 1) }

    private static func write(_ text: String, to descriptor: Int32) { write(Array(text.utf8)[...], to: descriptor) }

    private static func write(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) {
        var rest = bytes
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { return }  // nobody reads: there is nobody to tell
            rest = rest.dropFirst(written)
        }
    }
}
