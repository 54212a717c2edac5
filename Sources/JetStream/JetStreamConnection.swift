internal import CNATS
internal import Platform

/// A connection to NATS and its JetStream requests, each on the connection's own thread.
///
/// It reconnects for ever by itself. A request while it is cut throws `.disconnected` at once: the caller retries.
package actor JetStreamConnection {
    let link: Link
    private let executor: BlockingExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Runs the blocking connect on the thread of a connection that does not exist yet.
    private actor Opener {
        let executor: BlockingExecutor
        nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
        init(_ executor: BlockingExecutor) { self.executor = executor }
        func open(_ options: ConnectionOptions) throws(JetStreamError) -> Link { try Link(options) }
    }

    /// Connects.
    ///
    /// Throws: `.unreachable`, `.timeout` (retry), `.unauthorized`, `.misuse` (halt).
    package init(_ options: ConnectionOptions) async throws(JetStreamError) {
        executor = BlockingExecutor(label: "nats \(options.name)")
        link = try await Opener(executor).open(options)
    }

    package nonisolated var isConnected: Bool { link.isConnected }

    /// Whether it is closed for good: by us, or by the library, which gives up where it is refused again and again.
    package nonisolated var isClosed: Bool { link.isClosed }

    /// How often the connection was cut and restored.
    package nonisolated func reconnects() throws(JetStreamError) -> UInt64 { try link.reconnects() }

    /// The largest message that the server takes, in bytes with headers.
    package nonisolated var maxPayload: Int { Int(natsConnection_GetMaxPayload(link.raw)) }

    /// Waits until the server has answered: all that was published before has arrived there.
    ///
    /// Throws: `.timeout`, `.disconnected`, `.closed`.
    package func flush(within limit: Duration = .seconds(5)) throws(JetStreamError) { try link.flush(limit) }

    /// Closes the connection for all who use it; what they do next throws `.closed`.
    package func close() { link.close() }

    /// Returns the stream's configuration and state; nil if there is none of that name.
    package func stream(named name: String) throws(JetStreamError) -> StreamStatus? {
        try absentAsNil(.streamNotFound) { () throws(JetStreamError) in
            var info: UnsafeMutablePointer<jsStreamInfo>?
            var code = jsErrCode(0)
            let status = js_GetStreamInfo(&info, link.jetStream, name, nil, &code)
            return try take(info, status, code, "stream info", name)
        }
    }

    /// Returns the sequences between the stream's first and last whose messages are gone, in order.
    ///
    /// As many numbers as the stream lacks messages: ask where `removed` of its status says that they are few.
    /// Throws: `.streamNotFound`.
    package func removedSequences(of name: String) throws(JetStreamError) -> [UInt64] {
        var options = jsOptions()
        jsOptions_Init(&options)
        options.Stream.Info.DeletedDetails = true
        var info: UnsafeMutablePointer<jsStreamInfo>?
        var code = jsErrCode(0)
        let status = js_GetStreamInfo(&info, link.jetStream, name, &options, &code)
        try JetStreamError.check(status, "stream info", name, api: code)
        guard let info else { throw JetStreamError(.misuse, "stream info", name) }
        defer { jsStreamInfo_Destroy(info) }
        let state = info.pointee.State
        return (0..<Int(state.DeletedLen)).map { state.Deleted[$0] }.sorted()
    }

    /// Returns every stream of the account, by name.
    package func streams() throws(JetStreamError) -> [StreamStatus] {
        var list: UnsafeMutablePointer<jsStreamInfoList>?
        var code = jsErrCode(0)
        let status = js_Streams(&list, link.jetStream, nil, &code)
        // The library's word for an account without streams.
        if status == NATS_NOT_FOUND, code.rawValue == 0 { return [] }
        try JetStreamError.check(status, "list streams", link.name, api: code)
        guard let list else { return [] }
        defer { jsStreamInfoList_Destroy(list) }
        return (0..<Int(list.pointee.Count)).compactMap { list.pointee.List[$0].map { StreamStatus($0.pointee) } }
            .sorted { $0.name < $1.name }
    }

    /// Returns the streams that capture at least one subject that matches `pattern`.
    ///
    /// Compared here and not by the server, so that an older one cannot ignore the question.
    package func streams(capturing pattern: SubjectFilter) throws(JetStreamError) -> [StreamStatus] {
        try streams().filter { $0.subjects.contains { SubjectFilter($0)?.overlaps(pattern) == true } }
    }

    /// Creates a stream; one of the same name and configuration is left as it is.
    ///
    /// Throws: `.subjectOverlap`, `.nameTaken` (another configuration), `.configurationDiffers`.
    @discardableResult
    package func createStream(_ configuration: StreamConfiguration) throws(JetStreamError) -> StreamStatus {
        let made = try configuration.withRaw { (raw) throws(JetStreamError) in
            var info: UnsafeMutablePointer<jsStreamInfo>?
            var code = jsErrCode(0)
            let status = js_AddStream(&info, link.jetStream, &raw, nil, &code)
            return try take(info, status, code, "create stream", configuration.name)
        }
        var expected = configuration
        // A default that the server chooses.
        if expected.duplicateWindow == nil { expected.duplicateWindow = made.configuration.duplicateWindow }
        guard made.configuration == expected else {
            throw JetStreamError(.configurationDiffers, "create stream", configuration.name, "\(made.configuration)")
        }
        return made
    }

    /// Replaces the subjects of a stream and keeps the rest of its configuration.
    ///
    /// Throws: `.streamNotFound`, `.subjectOverlap`.
    @discardableResult
    package func updateStreamSubjects(_ name: String, _ subjects: [String]) throws(JetStreamError) -> StreamStatus {
        try CStrings.lend { (pool) throws(JetStreamError) in
            var current: UnsafeMutablePointer<jsStreamInfo>?
            var code = jsErrCode(0)
            let read = js_GetStreamInfo(&current, link.jetStream, name, nil, &code)
            try JetStreamError.check(read, "update stream", name, api: code)
            guard let current else { throw JetStreamError(.streamNotFound, "update stream", name) }
            defer { jsStreamInfo_Destroy(current) }
            var configuration = current.pointee.Config.pointee
            configuration.Subjects = pool.copy(subjects)
            configuration.SubjectsLen = Int32(subjects.count)
            var updated: UnsafeMutablePointer<jsStreamInfo>?
            let status = js_UpdateStream(&updated, link.jetStream, &configuration, nil, &code)
            return try take(updated, status, code, "update stream", name)
        }
    }

    /// Deletes a stream with its messages; false if there is none.
    @discardableResult
    package func deleteStream(_ name: String) throws(JetStreamError) -> Bool {
        do {
            var code = jsErrCode(0)
            let status = js_DeleteStream(link.jetStream, name, nil, &code)
            try JetStreamError.check(status, "delete stream", name, api: code)
            return true
        } catch  where error.code == .streamNotFound {
            return false
        }
    }

    /// Removes a stream's messages: all, those before `sequence`, or all but the last `keep`; where `subject` is given,
    /// of that alone.
    ///
    /// Its sequences go on.
    /// Throws: `.streamNotFound`.
    package func purge(
        _ stream: String,
        before sequence: UInt64? = nil,
        keep: UInt64? = nil,
        subject: String? = nil
    ) throws(JetStreamError) {
        try CStrings.lend { (pool) throws(JetStreamError) in
            var options = jsOptions()
            jsOptions_Init(&options)
            options.Stream.Purge.Sequence = sequence ?? 0
            options.Stream.Purge.Keep = keep ?? 0
            options.Stream.Purge.Subject = subject.flatMap { UnsafePointer(pool.copy($0)) }
            var code = jsErrCode(0)
            let status = js_PurgeStream(link.jetStream, stream, &options, &code)
            try JetStreamError.check(status, "purge", stream, api: code)
        }
    }

    /// Returns the message at a stream sequence; nil if it was discarded, or never was.
    ///
    /// Throws: `.streamNotFound`.
    package func message(in stream: String, sequence: UInt64) throws(JetStreamError) -> StoredMessage? {
        precondition(sequence > 0)
        var raw: OpaquePointer?
        var code = jsErrCode(0)
        let status = js_GetMsg(&raw, link.jetStream, stream, sequence, nil, &code)
        if status == NATS_NOT_FOUND, code == JSNoMessageFoundErr { return nil }
        try JetStreamError.check(status, "message \(sequence)", stream, api: code)
        guard let raw else { return nil }
        return StoredMessage(MessageHandle(adopting: raw))
    }

    /// Deletes one message; false if it is not there.
    ///
    /// Throws: `.streamNotFound`.
    @discardableResult
    package func deleteMessage(in stream: String, sequence: UInt64) throws(JetStreamError) -> Bool {
        guard try message(in: stream, sequence: sequence) != nil else { return false }
        var code = jsErrCode(0)
        let status = js_DeleteMsg(link.jetStream, stream, sequence, nil, &code)
        try JetStreamError.check(status, "delete message \(sequence)", stream, api: code)
        return true
    }

    /// Creates a pull consumer and compares what the server made with what was asked.
    ///
    /// Throws: `.streamNotFound` (retry), `.configurationDiffers` (halt; the consumer is deleted again).
    @discardableResult
    package func createConsumer(
        _ stream: String,
        _ configuration: ConsumerConfiguration
    ) throws(JetStreamError) -> ConsumerStatus {
        let name = "\(stream)/\(configuration.name)"
        let (made, differences) = try configuration.withRaw { (raw) throws(JetStreamError) in
            var info: UnsafeMutablePointer<jsConsumerInfo>?
            var code = jsErrCode(0)
            let status = js_AddConsumer(&info, link.jetStream, stream, &raw, nil, &code)
            try JetStreamError.check(status, "create consumer", name, api: code)
            guard let info else { throw JetStreamError(.misuse, "create consumer", name) }
            defer { jsConsumerInfo_Destroy(info) }
            return (ConsumerStatus(info.pointee), configuration.differences(from: info.pointee.Config.pointee))
        }
        guard differences.isEmpty else {
            try deleteConsumer(stream, made.name)
            let detail = "the server ignored \(differences.joined(separator: ", "))"
            throw JetStreamError(.configurationDiffers, "create consumer", name, detail)
        }
        return made
    }

    /// Returns a consumer's state; nil if there is none of that name.
    ///
    /// Throws: `.streamNotFound`.
    package func consumer(_ stream: String, _ name: String) throws(JetStreamError) -> ConsumerStatus? {
        try absentAsNil(.consumerNotFound) { () throws(JetStreamError) in
            var info: UnsafeMutablePointer<jsConsumerInfo>?
            var code = jsErrCode(0)
            let status = js_GetConsumerInfo(&info, link.jetStream, stream, name, nil, &code)
            try JetStreamError.check(status, "consumer info", "\(stream)/\(name)", api: code)
            guard let info else { throw JetStreamError(.consumerNotFound, "consumer info", "\(stream)/\(name)") }
            defer { jsConsumerInfo_Destroy(info) }
            return ConsumerStatus(info.pointee)
        }
    }

    /// Deletes a consumer; false if there is none, nor its stream.
    @discardableResult
    package func deleteConsumer(_ stream: String, _ name: String) throws(JetStreamError) -> Bool {
        do {
            var code = jsErrCode(0)
            let status = js_DeleteConsumer(link.jetStream, stream, name, nil, &code)
            try JetStreamError.check(status, "delete consumer", "\(stream)/\(name)", api: code)
            return true
        } catch  where error.code == .consumerNotFound || error.code == .streamNotFound {
            return false
        }
    }

    /// Copies the library's description of a stream and frees it.
    private func take(
        _ info: UnsafeMutablePointer<jsStreamInfo>?,
        _ status: natsStatus,
        _ code: jsErrCode,
        _ operation: String,
        _ name: String
    ) throws(JetStreamError) -> StreamStatus {
        try JetStreamError.check(status, operation, name, api: code)
        guard let info else { throw JetStreamError(.misuse, operation, name) }
        defer { jsStreamInfo_Destroy(info) }
        return StreamStatus(info.pointee)
    }

    private func absentAsNil<Value>(
        _ absent: JetStreamError.Code,
        _ body: () throws(JetStreamError) -> Value
    ) throws(JetStreamError) -> Value? {
        do { return try body() } catch  where error.code == absent { return nil }
    }
}
