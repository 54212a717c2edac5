internal import CNATS
package import Platform

/// Why a call to the NATS server failed, and what the caller may do about it.
package struct JetStreamError: Error, Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible {
    /// What kind of failure it was.
    package enum Code: String, Sendable {
        /// No server could be reached.
        case unreachable
        /// The connection is cut, or was cut since the consumer was bound: what was under way is lost.
        case disconnected
        /// We closed the connection or the consumer.
        case closed
        /// The server did not answer in time.
        case timeout
        /// The server does not know us or forbids this.
        case unauthorized
        /// The server has no JetStream, or it is not ready.
        case jetStreamUnavailable
        case streamNotFound
        case consumerNotFound
        /// The subjects belong to another stream already.
        case subjectOverlap
        /// A stream or consumer of that name exists with another configuration.
        case nameTaken
        /// What the server made is not what was asked for; it ignores fields that it does not know.
        case configurationDiffers
        /// The message is larger than the server takes.
        case messageTooLarge
        /// The library dropped messages that we were slow to take.
        case dropped
        /// A message that is none of JetStream's came where only those may come.
        case protocolViolation
        /// The server refused the request; `apiCode` says why.
        case refused
        /// A call that the library takes for wrong; `natsStatus` says why.
        case misuse
    }

    package let code: Code
    /// Which call failed, such as `create consumer`.
    package let operation: String
    /// The stream, consumer, subject or server it was about.
    package let subject: String
    package let detail: String
    /// The library's `natsStatus`.
    package let natsStatus: Int
    /// The server's `err_code`; 0 where it sent none.
    package let apiCode: Int

    init(_ code: Code, _ operation: String, _ subject: String, _ detail: String = "", status: Int = 0, api: Int = 0) {
        self.code = code
        self.operation = operation
        self.subject = subject
        self.detail = detail
        natsStatus = status
        apiCode = api
    }

    package var disposition: Disposition {
        switch code {
        case .unreachable, .disconnected, .closed, .timeout, .jetStreamUnavailable, .dropped: .retry
        // Streams and consumers come back: a collector replaces them, an operator restarts.
        case .streamNotFound, .consumerNotFound, .protocolViolation: .retry
        case .messageTooLarge: .reject
        case .refused: Self.passingRefusals.contains(apiCode) ? .retry : .halt
        case .unauthorized, .subjectOverlap, .nameTaken, .configurationDiffers, .misuse: .halt
        }
    }

    package var description: String {
        let native = [natsStatus == 0 ? nil : "status \(natsStatus)", apiCode == 0 ? nil : "err_code \(apiCode)"]
        return (["\(operation) \(subject): \(code.rawValue)"] + native.compactMap { $0 }).joined(separator: ", ")
    }
    package var debugDescription: String { detail.isEmpty ? description : "\(description): \(detail)" }

    /// Refusals of a server or cluster that is short of something or busy, not of what was asked.
    private static let passingRefusals = Set(
        [
            JSAccountResourcesExceededErr, JSClusterIncompleteErr, JSClusterNoPeersErr, JSClusterNotActiveErr,
            JSClusterNotAssignedErr, JSClusterNotAvailErr, JSClusterNotLeaderErr, JSInsufficientResourcesErr,
            JSMaximumConsumersLimitErr, JSMemoryResourcesExceededErr, JSStorageResourcesExceededErr,
            JSStreamStoreFailedErr, JSConsumerStoreFailedErr, JSStreamOfflineErr, JSConsumerOfflineErr,
        ].map { Int($0.rawValue) }
    )
}

extension JetStreamError {
    /// Throws unless `status` is `NATS_OK`; the server's own code, where there is one, says more than the library's.
    static func check(
        _ status: natsStatus,
        _ operation: String,
        _ subject: String,
        api: jsErrCode = jsErrCode(0)
    ) throws(JetStreamError) {
        guard status != NATS_OK else { return }
        let code = code(api) ?? (api.rawValue == 0 ? code(status) : .refused)
        let detail = nats_GetLastError(nil).map { String(cString: $0) } ?? ""
        throw JetStreamError(
            code,
            operation,
            subject,
            detail,
            status: Int(status.rawValue),
            api: Int(api.rawValue)
        )
    }

    private static func code(_ api: jsErrCode) -> Code? {
        switch api {
        case JSStreamNotFoundErr: .streamNotFound
        case JSConsumerNotFoundErr: .consumerNotFound
        case JSStreamSubjectOverlapErr: .subjectOverlap
        case JSStreamNameExistErr, JSConsumerNameExistErr, JSConsumerExistingActiveErr: .nameTaken
        case JSNotEnabledErr, JSNotEnabledForAccountErr: .jetStreamUnavailable
        case JSStreamMessageExceedsMaximumErr: .messageTooLarge
        default: nil
        }
    }

    private static func code(_ status: natsStatus) -> Code {
        switch status {
        case NATS_NO_SERVER, NATS_SYS_ERROR: .unreachable
        case NATS_CONNECTION_DISCONNECTED, NATS_STALE_CONNECTION, NATS_IO_ERROR: .disconnected
        // A publish while the library reconnects: we give it no buffer for that.
        case NATS_INSUFFICIENT_BUFFER, NATS_NOT_YET_CONNECTED: .disconnected
        case NATS_CONNECTION_CLOSED, NATS_INVALID_SUBSCRIPTION, NATS_DRAINING: .closed
        case NATS_TIMEOUT: .timeout
        case NATS_CONNECTION_AUTH_FAILED, NATS_NOT_PERMITTED, NATS_SSL_ERROR: .unauthorized
        case NATS_SECURE_CONNECTION_WANTED, NATS_SECURE_CONNECTION_REQUIRED: .unauthorized
        case NATS_NO_RESPONDERS: .jetStreamUnavailable
        case NATS_MAX_PAYLOAD: .messageTooLarge
        case NATS_SLOW_CONSUMER: .dropped
        case NATS_PROTOCOL_ERROR, NATS_LINE_TOO_LONG, NATS_MISMATCH: .protocolViolation
        default: .misuse
        }
    }
}
