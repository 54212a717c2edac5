import Foundation

/// Writes the messages of `hostile.jsonl` as the inputs to begin with, before libFuzzer reads its directory.
///
/// FUZZ_CORPUS is that directory, FUZZ_CASES the file. Without them the fuzzer begins with the sample messages alone.
@_cdecl("LLVMFuzzerInitialize")
public func writeCorpus(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    let environment = ProcessInfo.processInfo.environment
    guard let corpus = environment["FUZZ_CORPUS"] else { return 0 }
    let directory = URL(fileURLWithPath: corpus, isDirectory: true)
    do {
        for index in FuzzTarget.all.indices {
            let sample = FuzzTarget.all[index].sample
            try write(FuzzCase(target: index, subject: sample.subject, payload: sample.payload), "sample-\(index)")
        }
        guard let cases = environment["FUZZ_CASES"] else { return 0 }
        let lines = try Data(contentsOf: URL(fileURLWithPath: cases)).split(separator: 0x0A)
        for (number, line) in lines.enumerated() {
            guard let item = try JSONSerialization.jsonObject(with: line) as? [String: Any],
                let subject = item["subject"] as? String, let text = item["payload_base64"] as? String,
                let payload = Data(base64Encoded: text), payload.count <= 1 << 16
            else { continue }
            let first = String(subject.prefix { $0 != "." })
            let type = Catalog.standard.type(ofSubject: first)?.name ?? item["data_type"] as? String
            for index in FuzzTarget.all.indices where FuzzTarget.all[index].type.name == type {
                let message = FuzzCase(target: index, subject: Array(subject.utf8), payload: Array(payload))
                try write(message, "case-\(number)-\(index)")
            }
        }
    } catch {
        FileHandle.standardError.write(Data("the corpus cannot be written: \(error)\n".utf8))
        exit(1)
    }
    return 0

    func write(_ message: FuzzCase, _ name: String) throws {
        try Data(message.bytes).write(to: directory.appendingPathComponent(name))
    }
}
