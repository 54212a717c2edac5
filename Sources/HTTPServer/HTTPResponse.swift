package import Platform

/// One response, written whole.
package struct HTTPResponse: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package init(status: Int, contentType: String, body: [UInt8]) {
        self.status = status
        headers = [("Content-Type", contentType)]
        self.body = body
    }

    /// One JSON object whose fields `body` writes.
    package static func json(_ status: Int = 200, _ body: (inout JSONWriter) -> Void) -> HTTPResponse {
        let text = JSONWriter.object(indented: true, body) + [UInt8(ascii: "\n")]
        return HTTPResponse(status: status, contentType: "application/json", body: text)
    }

    package static func text(_ text: String, status: Int = 200) -> HTTPResponse {
        HTTPResponse(status: status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
    }

    /// What is wrong, in the one form that every error has.
    ///
    /// `code` is for programs and never changes, `message` says what happened, `remedy` what the caller can do.
    package static func error(_ status: Int, code: String, message: String, remedy: String) -> HTTPResponse {
        .json(status) { json in
            json.object("error") { json in
                json.field("code", code)
                json.field("message", message)
                json.field("remedy", remedy)
            }
        }
    }

    static let stopping = error(
        503,
        code: "stopping",
        message: "this process is shutting down",
        remedy: "ask again when it is back"
    )
    static let tooLate = error(
        504,
        code: "no_answer",
        message: "no answer was ready in time",
        remedy: "ask again; if that goes on, look at /health and the log"
    )

    static func tooLarge(limit: Int) -> HTTPResponse {
        error(
            413,
            code: "body_too_large",
            message: "the body is larger than \(limit) bytes",
            remedy: "send less, or raise http.body_bytes"
        )
    }
}

/// A handler's answer: at once, or from another thread when it is known.
package enum HTTPReply: Sendable {
    case now(HTTPResponse)
    case later(PendingResponse)
}
