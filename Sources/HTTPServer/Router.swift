/// One thing that can be asked for.
package struct Route: Sendable {
    package let method: String
    /// `/transfers/{id}`: a part in braces matches any one part and becomes a parameter.
    package let pattern: String
    /// One sentence for whoever reads the list of routes.
    package let summary: String
    let parts: [Substring]
    let handler: HTTPServer.Handler

    package init(_ method: String, _ pattern: String, _ summary: String, _ handler: @escaping HTTPServer.Handler) {
        precondition(pattern.hasPrefix("/"), "a pattern begins with a slash: \(pattern)")
        self.method = method
        self.pattern = pattern
        self.summary = summary
        self.handler = handler
        parts = pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
    }

    /// The parameters of a path that fits, nil for one that does not.
    fileprivate func match(_ path: [Substring]) -> [String: String]? {
        guard path.count == parts.count else { return nil }
        var parameters: [String: String] = [:]
        for (part, given) in zip(parts, path) {
            if part.hasPrefix("{"), part.hasSuffix("}") {
                guard !given.isEmpty else { return nil }
                parameters[String(part.dropFirst().dropLast())] = String(given)
            } else if part != given {
                return nil
            }
        }
        return parameters
    }
}

/// Finds the handler of a request; what fits none is answered with 404 or 405.
package struct Router: Sendable {
    package let routes: [Route]

    package init(_ routes: [Route]) {
        precondition(Set(routes.map { $0.method + $0.pattern }).count == routes.count, "each route once")
        self.routes = routes
    }

    /// Answers one request; HEAD is answered as GET, whose body the server leaves out.
    package func reply(to request: HTTPRequest) -> HTTPReply {
        let path = request.path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        let method = request.method == "HEAD" ? "GET" : request.method
        var allowed: Set<String> = []
        for route in routes {
            guard let parameters = route.match(path) else { continue }
            if route.method == method {
                var request = request
                request.parameters = parameters
                return route.handler(request)
            }
            allowed.insert(route.method)
            if route.method == "GET" { allowed.insert("HEAD") }
        }
        return .now(allowed.isEmpty ? notFound(request) : notAllowed(request, allowed.sorted()))
    }

    private func notFound(_ request: HTTPRequest) -> HTTPResponse {
        let known = Set(routes.map(\.pattern)).sorted().joined(separator: ", ")
        return .error(
            404,
            code: "not_found",
            message: "there is nothing at \(request.path)",
            remedy: "ask for one of \(known)"
        )
    }

    private func notAllowed(_ request: HTTPRequest, _ allowed: [String]) -> HTTPResponse {
        let list = allowed.joined(separator: ", ")
        var response = HTTPResponse.error(
            405,
            code: "method_not_allowed",
            message: "\(request.path) does not answer \(request.method)",
            remedy: "use \(list)"
        )
        response.headers.append(("Allow", list))
        return response
    }
}
