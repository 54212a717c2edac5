/// One request, read whole.
package struct HTTPRequest: Sendable {
    /// `GET`, `POST` and so on, in capitals as it came.
    package let method: String
    /// The path, percent escapes decoded, without the query.
    package let path: String
    /// The query's items in order, escapes decoded; an item without `=` has an empty value.
    package let query: [(name: String, value: String)]
    /// The headers in order, names in lower case.
    package let headers: [(name: String, value: String)]
    package let body: [UInt8]
    /// The client's address without its port.
    package let remoteAddress: String
    /// What the router found in the path: `id` of `/transfers/{id}`.
    package var parameters: [String: String] = [:]

    package init(
        method: String,
        path: String,
        query: [(name: String, value: String)] = [],
        headers: [(name: String, value: String)] = [],
        body: [UInt8] = [],
        remoteAddress: String = "127.0.0.1"
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.remoteAddress = remoteAddress
    }

    /// The first query item of that name.
    package func query(_ name: String) -> String? { query.first { $0.name == name }?.value }

    /// The first header of that name, which is given in lower case.
    package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}
