import Foundation
import PrivateServers
import Testing

/// No Docker engine runs where these tests run, so they read what it would: every service, path, command, port and
/// variable must be one that the program knows.
@Suite struct DeployTests {
    static let ports = ["hot": "8085", "cold": "8086"]
    static let configuration = "/etc/thermocline/thermocline.yaml"

    let compose: IndentedYAML
    let dockerfile: String

    init() throws {
        compose = try IndentedYAML(DeployFiles.text("docker-compose.yml"))
        dockerfile = try DeployFiles.text("deploy/Dockerfile")
    }

    /// Variables that the configuration reads, from its own file; its promised keys where that file is not there yet.
    static let variables: Set<String> = {
        guard let text = try? DeployFiles.text("config/thermocline.yaml") else {
            let ofRoles = ["HOT", "COLD"].flatMap { ["THERMOCLINE_\($0)_POSTGRES_FILE", "THERMOCLINE_\($0)_LISTEN"] }
            return Set(ofRoles + ["THERMOCLINE_NATS_URL"])
        }
        let paths = IndentedYAML(text).values.keys
        let names = paths.map { "THERMOCLINE_" + $0.replacing("/", with: "_").uppercased() }
        return Set(names + names.filter { $0.hasSuffix("_POSTGRES") }.map { $0 + "_FILE" })
    }()

    @Test func `the services are the ones promised`() {
        let services: Set = ["nats", "hot-postgres", "cold-postgres", "hot-schema", "cold-schema", "hot", "cold"]
        #expect(compose.keys(below: "services") == services)
        for service in services {
            let isOurs = compose["services/\(service)/<<"] == "*thermocline"
            #expect(isOurs != (compose["services/\(service)/image"] != nil), "\(service)")
        }
        #expect(compose["x-thermocline/build/dockerfile"] == "deploy/Dockerfile")
    }

    @Test(arguments: ["hot", "cold"]) func `a role runs with its configuration, schema and port`(role: String) throws {
        let port = try #require(Self.ports[role])
        let service = "services/\(role)"
        #expect(compose.list("\(service)/command") == [role, "--config", Self.configuration])
        #expect(compose.list("\(service)-schema/command") == ["schema", "apply", role])
        #expect(compose["\(service)/depends_on/\(role)-schema/condition"] == "service_completed_successfully")
        #expect(compose["\(service)/environment/THERMOCLINE_\(role.uppercased())_LISTEN"] == "0.0.0.0:\(port)")
        #expect(compose.list("\(service)/ports") == ["127.0.0.1:\(port):\(port)"])
        // -f makes 503 a failure.
        let health = compose.list("\(service)/healthcheck/test")
        #expect(health == ["CMD", "curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:\(port)/health"])
    }

    @Test func `NATS has JetStream, and is where the services look for it`() {
        #expect(compose.list("services/nats/command").contains("--jetstream"))
        #expect(compose["services/hot/environment/THERMOCLINE_NATS_URL"] == "nats://nats:4222")
        #expect(compose.list("services/nats/healthcheck/test").contains("http://127.0.0.1:8222/healthz"))
    }

    @Test func `every variable of ours is one that the configuration reads`() throws {
        let units = try ["hot", "cold"].map { try DeployFiles.text("deploy/thermocline-\($0).service") }
        let inUnits = units.flatMap { $0.matches(of: /Environment=(\w+)=/).map { String($0.1) } }
        let inCompose = compose.keys(below: "services").flatMap { compose.keys(below: "services/\($0)/environment") }
        let ours = (inUnits + inCompose).filter { $0.hasPrefix("THERMOCLINE_") }
        #expect(ours.count >= 9)
        #expect(Set(ours).subtracting(Self.variables) == [])
    }

    @Test func `secrets come from files that the service was given`() throws {
        for service in compose.keys(below: "services") {
            let given = compose.list("services/\(service)/secrets")
            #expect(Set(given).isSubset(of: compose.keys(below: "secrets")), "\(service)")
            for variable in compose.keys(below: "services/\(service)/environment") {
                let value = try #require(compose["services/\(service)/environment/\(variable)"])
                let isSecret = variable.contains("PASSWORD") || variable.contains("_POSTGRES_")
                #expect(!isSecret || variable.hasSuffix("_FILE"), "\(service) \(variable)")
                if variable.hasSuffix("_FILE") { #expect(given.contains { value == "/run/secrets/\($0)" }) }
            }
        }
        for secret in compose.keys(below: "secrets") {
            #expect(compose["secrets/\(secret)/file"] == "${SECRETS_DIR:-./deploy/secrets}/\(secret)")
        }
        #expect(try DeployFiles.text(".gitignore").contains("deploy/secrets/"))
    }

    @Test func `what a service waits for exists and can say that it is well`() {
        for service in compose.keys(below: "services") {
            for other in compose.keys(below: "services/\(service)/depends_on") {
                #expect(compose.keys(below: "services").contains(other), "\(service) \(other)")
                guard compose["services/\(service)/depends_on/\(other)/condition"] == "service_healthy" else {
                    continue
                }
                #expect(!compose.list("services/\(other)/healthcheck/test").isEmpty, "\(other)")
            }
            for volume in compose.list("services/\(service)/volumes") {
                let name = volume.prefix { $0 != ":" }
                #expect(compose.keys(below: "volumes").contains(String(name)), "\(service) \(name)")
            }
        }
    }

    @Test func `the image is built in one stage, runs in another, not as root, and fails on 503`() throws {
        #expect(dockerfile.matches(of: /\nFROM\b/).count == 2)
        #expect(DeployFiles.words(after: "USER ", in: dockerfile).first.map { $0 != "root" && $0 != "0" } == true)
        #expect(DeployFiles.words(after: "EXPOSE ", in: dockerfile) == ["8085", "8086"])
        #expect(dockerfile.contains("CMD curl -fsS -o /dev/null \"$HEALTH_URL\" || exit 1"))
        #expect(dockerfile.contains("ENV HEALTH_URL=http://127.0.0.1:8085/health\n"))
        #expect(dockerfile.contains("COPY config/thermocline.yaml \(Self.configuration)\n"))
        #expect(dockerfile.contains("\nCMD [\"hot\", \"--config\", \"\(Self.configuration)\"]"))
        #expect(dockerfile.contains("\nENTRYPOINT [\"thermocline\"]\n"))
    }

    @Test func `the libraries of the package are those that make and the image install`() throws {
        let needed = DeployFiles.developmentPackages(in: try DeployFiles.text("Package.swift"))
        #expect(needed.count >= 6)
        #expect(DeployFiles.developmentPackages(in: try DeployFiles.text("Makefile")) == needed)
        #expect(DeployFiles.developmentPackages(in: dockerfile) == needed)
    }

    /// Without one of them the package does not even load.
    @Test func `the image is built from every directory that has a target`() throws {
        let package = try DeployFiles.text("Package.swift")
        let directories = package.matches(of: /path: "(\w+)/).map { String($0.1) } + ["Sources", "Tests"]
        for directory in directories { #expect(dockerfile.contains("\nCOPY \(directory) \(directory)\n")) }
    }

    @Test(arguments: ["hot", "cold"]) func `a unit starts its role, and systemd understands every line`(
        role: String
    ) async throws {
        let unit = try DeployFiles.text("deploy/thermocline-\(role).service")
        let start = DeployFiles.words(after: "ExecStart=", in: unit)
        #expect(start == ["/usr/local/bin/thermocline", role, "--config", Self.configuration])
        for credential in unit.matches(of: /POSTGRES_FILE=%d\/(\w+)/).map(\.1) {
            #expect(unit.contains("LoadCredential=\(credential):/etc/thermocline/\(credential)\n"))
        }
        let said = try await Systemd.verify(
            unit.replacing(start[0], with: "/bin/true"),
            name: "thermocline-\(role).service"
        )
        #expect(said == "")
    }

    @Test func `systemd would have said so`() async throws {
        let unit = "[Unit]\nDescription=a\n[Service]\nExecStart=/bin/true\nProtectHomes=yes\n"
        let said = try await Systemd.verify(unit, name: "thermocline-bad.service")
        #expect(said.contains("ProtectHomes"))
    }
}

/// `systemd-analyze verify`, which prints nothing about a unit that is right; its exit status says less.
private enum Systemd {
    static let program = "/usr/bin/systemd-analyze"

    static func verify(_ unit: String, name: String) async throws -> String {
        guard FileManager.default.isExecutableFile(atPath: program) else {
            try Test.cancel("systemd-analyze is not installed")
        }
        let folder = FileManager.default.temporaryDirectory.appending(path: "units-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: name)
        let said = folder.appending(path: "said")
        try unit.write(to: file, atomically: true, encoding: .utf8)
        let child = try await ChildProcess(program, ["verify", "--man=no", file.path], logFile: said.path)
        try #require(await child.waitForExit(within: .seconds(60)) != nil)
        return try String(contentsOf: said, encoding: .utf8)
    }
}
