/// Something the control plane asks of the archive, and where the answer goes.
package struct ArchiveCommand: Sendable {
    package enum Ask: Sendable {
        case create(TransferRequest)
        /// A transfer, or every transfer of a request.
        case show(id: String)
        case list
    }
    package let ask: Ask
    /// Called exactly once, from any thread.
    package let answer: @Sendable (ArchiveAnswer) -> Void

    package init(_ ask: Ask, answer: @escaping @Sendable (ArchiveAnswer) -> Void) {
        self.ask = ask
        self.answer = answer
    }
}

package enum ArchiveAnswer: Sendable {
    case created(request: String, [Transfer])
    case transfers([Transfer])
    /// No transfer and no request has this id.
    case unknown(id: String)
    case refused(TransferRequest.Refusal)
    /// A tier cannot be reached, or the lease is another's; nothing was changed.
    case unavailable(String)
}
