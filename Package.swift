// swift-tools-version: 6.3
import PackageDescription

/// Every target: Swift 6 mode, warnings are errors.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]
/// Pure targets: an unmarked unsafe construct is an error, and the tidy test forbids the mark.
let pure = strict + [.strictMemorySafety()]
/// Of the logic, which tests run millions of times: without optimization they take three times as long.
let fast: [SwiftSetting] = [.unsafeFlags(["-O"], .when(configuration: .debug))]

let package = Package(
    name: "thermocline",
    products: [.executable(name: "thermocline", targets: ["thermocline"])],
    targets: [
        // C libraries, each with exactly one importer.
        .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CNATS", pkgConfig: "libnats", providers: [.apt(["libnats-dev"])]),
        .systemLibrary(name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),

        // The product's logic.
        .target(name: "Records", swiftSettings: pure + fast),
        .target(name: "Digest", dependencies: ["Records", "CXXHash", "COpenSSL"], swiftSettings: strict + fast),
        .target(name: "Tiering", dependencies: ["Records", "Digest", "Platform"], swiftSettings: pure + fast),
        .target(
            name: "Simulation",
            dependencies: ["Records", "Digest", "Platform", "Tiering"],
            swiftSettings: pure + fast
        ),

        // The world outside, wrapped.
        .target(name: "Platform", swiftSettings: strict),
        .target(name: "Postgres", dependencies: ["CPostgres", "Platform"], swiftSettings: strict),
        .target(name: "JetStream", dependencies: ["CNATS", "Platform"], swiftSettings: strict),
        .target(name: "HTTPServer", dependencies: ["CMicroHTTPD", "Platform"], swiftSettings: strict),
        .target(name: "Configuration", dependencies: ["CYAML", "Records", "Platform"], swiftSettings: strict),
        .target(name: "PrivateServers", dependencies: ["Platform"], swiftSettings: strict),

        // Where the two meet.
        .target(
            name: "Adapters",
            dependencies: ["Tiering", "Records", "Digest", "Postgres", "JetStream", "Platform"],
            swiftSettings: pure
        ),
        .target(
            name: "ControlAPI",
            dependencies: ["Tiering", "Records", "Digest", "HTTPServer", "Platform"],
            swiftSettings: pure
        ),
        .executableTarget(
            name: "thermocline",
            dependencies: [
                "Records", "Digest", "Tiering", "Simulation", "Platform", "Postgres", "JetStream", "HTTPServer",
                "Configuration", "PrivateServers", "Adapters", "ControlAPI",
            ],
            swiftSettings: strict
        ),

        // What `make bench` runs: the binary above, measured on servers of its own.
        .executableTarget(
            name: "bench",
            dependencies: [
                "Adapters", "JetStream", "Platform", "Postgres", "PrivateServers", "Records", "Simulation", "Tiering",
            ],
            path: "Benchmarks",
            swiftSettings: strict
        ),

        .target(
            name: "TestSupport",
            dependencies: ["Records", "Digest", "Tiering", "Postgres", "JetStream", "PrivateServers", "Platform"],
            path: "Tests/TestSupport",
            swiftSettings: strict
        ),
        .testTarget(name: "TidyTests", swiftSettings: strict),
        .testTarget(
            name: "RecordsTests",
            dependencies: ["Records", "Simulation", "TestSupport"],
            swiftSettings: strict
        ),
        .testTarget(name: "DigestTests", dependencies: ["Digest", "Records", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "TieringTests",
            dependencies: ["Tiering", "Simulation", "Records", "Digest", "Platform", "TestSupport"],
            swiftSettings: strict
        ),
        .testTarget(name: "PlatformTests", dependencies: ["Platform"], swiftSettings: strict),
        .testTarget(
            name: "PostgresTests",
            dependencies: ["Postgres", "PrivateServers", "Platform", "TestSupport"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "JetStreamTests",
            dependencies: ["JetStream", "PrivateServers", "Platform", "TestSupport"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "PrivateServersTests",
            dependencies: ["PrivateServers", "TestSupport"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "HTTPServerTests",
            dependencies: ["HTTPServer", "Platform", "TestSupport"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ControlAPITests",
            dependencies: ["ControlAPI", "HTTPServer", "Tiering", "Records", "Platform"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "ConfigurationTests",
            dependencies: ["Configuration", "Records", "Platform"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "AdaptersTests",
            dependencies: [
                "Adapters", "Tiering", "Simulation", "Records", "Digest", "Postgres", "JetStream", "PrivateServers",
                "Platform", "TestSupport",
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "SystemTests",
            dependencies: [
                "thermocline", "Adapters", "Tiering", "Simulation", "Records", "Digest", "Postgres", "JetStream",
                "Platform", "PrivateServers", "Configuration", "ControlAPI", "TestSupport",
            ],
            swiftSettings: strict
        ),
    ]
)
