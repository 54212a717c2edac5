import Postgres
import Records
import Tiering

/// The messages kept aside in the hot database, as a lane writes them.
struct QuarantineTable {
    let call: HotCall
    /// `quarantine.max_bytes`.
    let maxBytes: Int

    /// Keeps messages of a stream whole; one that is there already stays as it is.
    ///
    /// Throws: `.failed` (halt) at the bound: the lane stops rather than drop a message.
    func add(_ messages: [QuarantinedMessage], of stream: String) async throws(StoreError) {
        guard !messages.isEmpty else { return }
        try await checkRoom(for: messages.reduce(0) { $0 + $1.headers.count + $1.payload.count })
        let columns: [(QuarantinedMessage) -> String?] = [
            { "\($0.sequence)" }, { $0.time.description }, { printable($0.subject) }, { ByteText.text($0.headers) },
            { ByteText.text($0.payload) }, { $0.reason }, { printable(Array($0.detail.utf8)) }, { $0.sqlState },
        ]
        let arrays = columns.map { column in SQLText.array(messages.map(column)) }
        try await call.execute(HotSQL.addQuarantine, [stream] + arrays)
    }

    private func checkRoom(for bytes: Int) async throws(StoreError) {
        var found = 0
        for question in [HotSQL.quarantineBytes, HotSQL.quarantineLiveBytes] {
            guard let answer = try await call.execute(question).scalar.flatMap(Int.init) else {
                throw call.halt("the quarantine did not say how large it is", .corrupt)
            }
            if answer + bytes <= maxBytes { return }
            found = answer
        }
        throw call.halt(
            "the quarantine holds \(found) bytes, \(bytes) are to come, and quarantine.max_bytes is \(maxBytes): the "
                + "lane stops rather than drop a message. See what is there with `thermocline quarantine list`, store "
                + "what fits now with `thermocline quarantine replay`, delete what is not wanted with `thermocline "
                + "quarantine drop`, or raise the bound; the lane goes on by itself"
        )
    }
}

/// Text for a person: what is not UTF-8 or is a zero byte is shown by the replacement character.
func printable(_ bytes: [UInt8]) -> String {
    String(decoding: bytes, as: UTF8.self).replacing("\0", with: "\u{FFFD}")
}
