import Foundation
import Platform
import Testing

@Suite struct SecretTests {
    private func withFile(_ text: String, mode: Int, _ body: (String) throws -> Void) throws {
        let path = "/tmp/thermocline-secret-\(getpid())-\(UInt64.random(in: .min ... .max))"
        try Data(text.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test func `a secret shows itself nowhere`() {
        struct Holder { let password = Secret("hunter2") }
        let secret = Secret("hunter2")
        var dumped = ""
        dump(Holder(), to: &dumped)
        let texts = ["\(secret)", String(reflecting: secret), "\(Holder())", String(reflecting: [secret]), dumped]
        for text in texts { #expect(!text.contains("hunter2")) }
        #expect("\(secret)" == "<redacted>")
        #expect(secret.reveal() == "hunter2")
    }

    @Test(arguments: ["host=a password=b", "host=a password=b\n", "host=a password=b\r\n"])
    func `the newline at the end of a file is no part of the secret`(text: String) throws {
        try withFile(text, mode: 0o600) { path throws in
            #expect(try Secret(file: File(reading: path)).reveal() == "host=a password=b")
        }
    }

    @Test(arguments: ["", "\n", "a\nb", "a\u{0}b"])
    func `an empty secret and one of several lines are refused`(text: String) throws {
        try withFile(text, mode: 0o600) { path throws in
            #expect(throws: FileError.self) { try Secret(file: File(reading: path)) }
        }
    }

    @Test func `a secret that others may change is refused, one that they may read is noticed`() throws {
        try withFile("a", mode: 0o622) { path throws in
            #expect(throws: FileError.self) { try Secret(file: File(reading: path)) }
        }
        try withFile("a", mode: 0o644) { path throws in
            let file = try File(reading: path)
            #expect(file.isReadableByOthers)
            #expect(try Secret(file: file).reveal() == "a")
        }
        try withFile("a", mode: 0o600) { path throws in #expect(try !File(reading: path).isReadableByOthers) }
    }

    @Test func `what is no small regular file is refused with its path`() throws {
        let missing = #expect(throws: FileError.self) { try File(reading: "/nonexistent/secret") }
        #expect(missing?.description == "/nonexistent/secret: no such file or directory")
        #expect(throws: FileError.self) { try File(reading: "/tmp") }
        #expect(throws: FileError.self) { try File(reading: "/dev/zero") }
        try withFile("abc", mode: 0o600) { path throws in
            #expect(throws: FileError.self) { try File(reading: path, limit: 2) }
            #expect(try File(reading: path, limit: 3).bytes.count == 3)
        }
    }

    @Test func `the environment is what the process was started with, empty values count as not set`() {
        #expect(Environment.process["PATH"] == ProcessInfo.processInfo.environment["PATH"])
        #expect(Environment(["A": ""])["A"] == nil)
        #expect(Environment(["A": "b=c"])["A"] == "b=c")
    }
}
