import Glibc

/// What must hold of every message whatsoever, called by libFuzzer with bytes of its own making.
///
/// The first byte picks type and limits, the second what the subject is; see `FuzzCase`. A message is decoded three
/// times: by a decoder that saw nothing, by one that saw the same message, and by one that saw another message of the
/// type. All must say the same, so that nothing that a decoder remembers is ever mistaken for what stands there.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzDecoder(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: data, count: size))
    guard let message = FuzzCase(bytes) else { return 0 }
    let target = FuzzTarget.all[message.target]
    var fresh = RowBatch()
    let row = target.decode(message, into: &fresh)
    require(target.decode(message, into: &fresh) == row, "the same message twice gives the same row")
    var used = target.used
    require(target.decode(message, into: &used) == row, "what was read before changes nothing")
    require(target.decode(target.sample, into: &used) == target.sampleRow, "a message changes nothing for the next")
    if let row { target.check(row, of: message) }
    return 0
}

/// Stops with a reason: libFuzzer keeps the input.
func require(_ condition: Bool, _ rule: StaticString) {
    guard !condition else { return }
    let line = Array("broken: \(rule)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    abort()
}

/// One message as bytes that a fuzzer can change: target, flags, and the payload, a subject and a line end before it
/// where the flags say so.
struct FuzzCase {
    static let hasSubject: UInt8 = 1
    let target: Int
    let subject: [UInt8]
    let payload: [UInt8]

    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 2 else { return nil }
        target = Int(bytes[0]) % FuzzTarget.all.count
        let rest = bytes[2...]
        guard bytes[1] & Self.hasSubject != 0 else {
            subject = FuzzTarget.all[target].sample.subject
            payload = Array(rest)
            return
        }
        let end = rest.firstIndex(of: 0x0A) ?? rest.endIndex
        subject = Array(rest[..<end])
        payload = Array(rest[min(end + 1, rest.endIndex)...])
    }

    init(target: Int, subject: [UInt8], payload: [UInt8]) {
        self.target = target
        self.subject = subject
        self.payload = payload
    }

    /// The bytes that make this message.
    var bytes: [UInt8] { [UInt8(target), Self.hasSubject] + subject + [0x0A] + payload }
}
