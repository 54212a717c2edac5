/// Why a private server could not be started, stopped or asked.
package struct ServerError: Error, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// A program is not installed; `detail` names the Debian package.
        case missingProgram
        /// The operating system refused to start a process, or to make a directory or a port.
        case refused
        /// The server ended before it was ready; `detail` holds the end of its log.
        case ended
        /// The server was not ready by its deadline; `detail` holds the end of its log.
        case notReady
    }

    package let code: Code
    /// The program or the file that this is about.
    package let subject: String
    package let detail: String

    package init(_ code: Code, _ subject: String, _ detail: String) {
        self.code = code
        self.subject = subject
        self.detail = detail
    }

    package var description: String { "\(subject): \(code.rawValue): \(detail)" }
}
