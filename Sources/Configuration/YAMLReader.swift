internal import CYAML

/// Reads one YAML document into nodes, with libyaml's events.
///
/// Anchors, aliases, tags and several documents are refused: a configuration that says everything once, where it is
/// meant, needs none of them.
struct YAMLReader: ~Copyable {
    private let parser: Parser
    private static let maximumDepth = 16

    /// Reads `bytes`; nil for a file that says nothing.
    static func read(_ bytes: [UInt8]) throws(YAMLError) -> YAMLNode? {
        let result = bytes.withUnsafeBufferPointer { bytes in
            Result { () throws(YAMLError) in
                let reader = YAMLReader(parser: try Parser(bytes))
                return try reader.document()
            }
        }
        return try result.get()
    }

    private func document() throws(YAMLError) -> YAMLNode? {
        // The stream's start, then the document's, if there is one.
        _ = try parser.next()
        guard case .documentStart = try parser.next().kind else { return nil }
        let node = try node(try parser.next(), depth: 0)
        _ = try parser.next()
        let after = try parser.next()
        guard case .streamEnd = after.kind else {
            throw YAMLError(mark: after.mark, detail: "a second document; a configuration is one")
        }
        return node
    }

    private func node(_ event: Parser.Event, depth: Int) throws(YAMLError) -> YAMLNode {
        guard depth < Self.maximumDepth else {
            throw YAMLError(mark: event.mark, detail: "more than \(Self.maximumDepth) levels")
        }
        switch event.kind {
        case .scalar(let text, let isPlain):
            return YAMLNode(content: .scalar(text, isPlain: isPlain), mark: event.mark)
        case .sequenceStart:
            var items: [YAMLNode] = []
            while true {
                let next = try parser.next()
                if case .sequenceEnd = next.kind { break }
                items.append(try node(next, depth: depth + 1))
            }
            return YAMLNode(content: .sequence(items), mark: event.mark)
        case .mappingStart:
            return YAMLNode(content: .mapping(try entries(depth: depth)), mark: event.mark)
        case .documentStart, .streamEnd, .sequenceEnd, .mappingEnd, .other:
            throw YAMLError(mark: event.mark, detail: "a value is expected")
        }
    }

    private func entries(depth: Int) throws(YAMLError) -> [YAMLNode.Entry] {
        var entries: [YAMLNode.Entry] = []
        while true {
            let next = try parser.next()
            if case .mappingEnd = next.kind { return entries }
            guard case .scalar(let key, _) = next.kind else {
                throw YAMLError(mark: next.mark, detail: "a key is expected")
            }
            if let first = entries.first(where: { $0.key == key }) {
                let detail = "key \"\(key)\" twice; the first is in line \(first.mark.line)"
                throw YAMLError(mark: next.mark, detail: detail)
            }
            let value = try node(try parser.next(), depth: depth + 1)
            entries.append(YAMLNode.Entry(key: key, mark: next.mark, value: value))
        }
    }
}

/// Owns one libyaml parser, which reads bytes that outlive it.
private struct Parser: ~Copyable {
    struct Event {
        enum Kind {
            case documentStart
            case streamEnd
            case scalar(String, isPlain: Bool)
            case sequenceStart
            case sequenceEnd
            case mappingStart
            case mappingEnd
            case other
        }
        let kind: Kind
        let mark: YAMLNode.Mark
    }

    /// On the heap, because libyaml keeps pointers into it.
    private let raw: UnsafeMutablePointer<yaml_parser_t>
    private let bytes: UnsafeBufferPointer<UInt8>

    init(_ bytes: UnsafeBufferPointer<UInt8>) throws(YAMLError) {
        raw = .allocate(capacity: 1)
        self.bytes = bytes
        guard yaml_parser_initialize(raw) == 1 else {
            // Zeroed, so that `deinit` has nothing to free but the struct.
            raw.initialize(to: yaml_parser_t())
            throw YAMLError(mark: YAMLNode.Mark(line: 1, column: 1), detail: "out of memory")
        }
        yaml_parser_set_input_string(raw, bytes.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(raw)
        raw.deallocate()
    }

    borrowing func next() throws(YAMLError) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(raw, &event) == 1 else { throw failure() }
        defer { yaml_event_delete(&event) }
        let mark = Self.mark(event.start_mark)
        func refuse(_ what: String) -> YAMLError { YAMLError(mark: mark, detail: "\(what) not supported here") }
        switch event.type {
        case YAML_ALIAS_EVENT: throw refuse("aliases (*name) are")
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            guard scalar.anchor == nil else { throw refuse("anchors (&name) are") }
            guard scalar.tag == nil else { throw refuse("tags (!name) are") }
            let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            return Event(kind: .scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE), mark: mark)
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            guard start.anchor == nil, start.tag == nil else { throw refuse("anchors and tags are") }
            return Event(kind: .sequenceStart, mark: mark)
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            guard start.anchor == nil, start.tag == nil else { throw refuse("anchors and tags are") }
            return Event(kind: .mappingStart, mark: mark)
        case YAML_SEQUENCE_END_EVENT: return Event(kind: .sequenceEnd, mark: mark)
        case YAML_MAPPING_END_EVENT: return Event(kind: .mappingEnd, mark: mark)
        case YAML_DOCUMENT_START_EVENT: return Event(kind: .documentStart, mark: mark)
        case YAML_STREAM_END_EVENT: return Event(kind: .streamEnd, mark: mark)
        default: return Event(kind: .other, mark: mark)
        }
    }

    private borrowing func failure() -> YAMLError {
        let problem = raw.pointee.problem.map { String(cString: $0) } ?? "not YAML"
        guard raw.pointee.error == YAML_READER_ERROR else {
            return YAMLError(mark: Self.mark(raw.pointee.problem_mark), detail: problem)
        }
        // A reader's error (bytes that are no text) has an offset and no mark.
        let before = bytes.prefix(raw.pointee.problem_offset)
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let column = before.reversed().prefix { $0 != UInt8(ascii: "\n") }.count + 1
        return YAMLError(mark: YAMLNode.Mark(line: line, column: column), detail: problem)
    }

    private static func mark(_ mark: yaml_mark_t) -> YAMLNode.Mark {
        YAMLNode.Mark(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }
}
