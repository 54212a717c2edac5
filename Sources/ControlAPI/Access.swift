package import HTTPServer

/// Who may ask for what: looking is free, changing something is for this machine alone until there are tokens.
package struct Access: Sendable {
    /// Nobody but this machine can reach the listener.
    private let isLoopback: Bool

    package init(isLoopback: Bool) { self.isLoopback = isLoopback }

    /// Answers through the router what may be asked, and refuses the rest with 403 and the reason.
    package func reply(to request: HTTPRequest, _ router: Router) -> HTTPReply {
        if request.method == "GET" || request.method == "HEAD" { return router.reply(to: request) }
        guard isLoopback else {
            return .now(
                .error(
                    403,
                    code: "not_on_loopback",
                    message:
                        "this listener can be reached from other machines and has no tokens yet, so it changes nothing",
                    remedy: "ask on the machine itself, of a listener on 127.0.0.1"
                )
            )
        }
        // A browser sends the page's origin along: a page of another site must not act through its visitor.
        if let origin = request.header("origin"), origin != "http://\(request.header("host") ?? "")" {
            return .now(
                .error(
                    403,
                    code: "other_origin",
                    message: "the page at \(origin) may not change anything here",
                    remedy: "ask by curl, or from a page of this listener"
                )
            )
        }
        return router.reply(to: request)
    }
}
