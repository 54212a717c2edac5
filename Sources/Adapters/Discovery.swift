package import JetStream
package import Records
package import Tiering

/// What the streams of an account mean for the types: where each is read, what nobody captures, what must be created.
package struct Discovery: Sendable, Equatable {
    package struct Found: Sendable, Equatable, Hashable {
        package var source: SourceID
        package var type: String
        /// Other types share the stream.
        package var isShared: Bool
    }
    package private(set) var sources: [Found] = []
    /// By type: patterns that no stream captures, or only in part, and then which part is.
    package private(set) var uncaptured: [String: [String]] = [:]
    /// Every stream of the account.
    package private(set) var streams: Set<String> = []
    /// Streams that cannot be read without taking messages from their owner.
    package private(set) var refused: [String] = []
    /// Types without a source that may get a stream of ours.
    package private(set) var missing: [RecordType] = []
    /// Types without a source that wait for their collector's stream, with what is expected.
    package private(set) var waiting: [String: String] = [:]

    /// - Parameters:
    ///   - types: the types that are ingested.
    ///   - streams: every stream of the account.
    ///   - creatable: names of the types that we may create a stream for.
    package init(types: [RecordType], streams: [StreamStatus], creatable: Set<String>) {
        self.streams = Set(streams.map(\.name))
        let readable = streams.filter { $0.configuration.retention == .limits }
        refused = streams.filter { stream in
            stream.configuration.retention != .limits
                && types.contains { Self.touches($0, subjects: stream.subjects) }
        }.map(\.name).sorted()
        for type in types {
            let found = readable.flatMap { Self.sources(of: type, in: $0) }
            sources += found
            uncaptured[type.name] = Self.uncaptured(type, readable)
            guard found.isEmpty else { continue }
            if let owner = streams.first(where: {
                refused.contains($0.name) && Self.touches(type, subjects: $0.subjects)
            }) {
                waiting[type.name] =
                    "stream \(owner.name) captures it, but is no limits stream: reading it would take its messages; "
                    + "make it again with limits retention"
            } else if creatable.contains(type.name) {
                missing.append(type)
            } else {
                let patterns = type.subjects.map(\.filter).joined(separator: ", ")
                waiting[type.name] =
                    "no stream captures \(patterns); the collector creates MARKET_DATA for it, or list \(type.name) in "
                    + "nats.create_streams"
            }
        }
    }

    /// Notes that the stream of a type could not be created: the type waits, the others go on.
    mutating func note(_ type: RecordType, failed detail: String) {
        waiting[type.name] = "its stream could not be created: \(detail); this is tried again by itself"
    }

    private static func patterns(_ type: RecordType) -> [SubjectFilter] {
        type.subjects.compactMap { SubjectFilter($0.filter) }
    }

    private static func touches(_ type: RecordType, subjects: [String]) -> Bool {
        patterns(type).contains { pattern in
            subjects.compactMap(SubjectFilter.init).contains { $0.overlaps(pattern) }
        }
    }

    /// Our own stream of a type is read whole, any other by one consumer a pattern.
    ///
    /// Another's stream may carry one type today, others tomorrow, and their messages ever after: collectors replace
    /// its subjects when they start.
    private static func sources(of type: RecordType, in stream: StreamStatus) -> [Found] {
        let subjects = stream.subjects.compactMap(SubjectFilter.init)
        let own = patterns(type).filter { pattern in subjects.contains { $0.overlaps(pattern) } }
        guard !own.isEmpty else { return [] }
        let isWhole =
            stream.name == streamName(of: type)
            && subjects.allSatisfy { subject in own.contains { $0.covers(subject) } }
        let filters = isWhole ? [SourceID.everything] : own.map(\.description)
        return filters.map {
            Found(source: SourceID(stream: stream.name, filter: $0), type: type.name, isShared: !isWhole)
        }
    }

    private static func uncaptured(_ type: RecordType, _ streams: [StreamStatus]) -> [String] {
        let subjects = streams.flatMap { $0.subjects.compactMap(SubjectFilter.init) }
        return patterns(type).compactMap { pattern in
            if subjects.contains(where: { $0.covers(pattern) }) { return nil }
            let parts = subjects.filter { pattern.covers($0) }.map(\.description).sorted()
            return parts.isEmpty ? pattern.description : "\(pattern) but for \(parts.joined(separator: ", "))"
        }
    }

    /// The stream that we create for a type: all its subjects, so that it is read without filter.
    package static func streamName(of type: RecordType) -> String { "THERMOCLINE_\(type.name.uppercased())" }
}
