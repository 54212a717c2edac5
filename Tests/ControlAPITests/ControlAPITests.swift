import ControlAPI
import HTTPServer
import Platform
import Records
import Testing
import Tiering

@Suite struct ControlAPITests {
    static let identity = ServiceIdentity(service: "thermocline-cold", version: "test")

    func cold(_ inbox: Inbox<ArchiveCommand> = Inbox(limit: 1), status: ArchiveStatus = ArchiveStatus()) -> Router {
        let types = Catalog.standard.types
        return Router(ColdAPI(identity: Self.identity, types: types, status: { status }, inbox: inbox).routes)
    }

    func request(
        _ method: String,
        _ path: String,
        headers: [(name: String, value: String)] = [],
        body: String = ""
    ) -> HTTPRequest {
        HTTPRequest(
            method: method,
            path: path,
            query: [],
            headers: headers,
            body: Array(body.utf8),
            remoteAddress: "127.0.0.1"
        )
    }

    /// Status and text of an answer that is given at once; nil for one that comes later.
    func answer(_ reply: HTTPReply) -> (status: Int, text: String)? {
        guard case .now(let response) = reply else { return nil }
        return (response.status, String(decoding: response.body, as: UTF8.self))
    }

    @Test(arguments: [
        (#"{"type": "nonsense", "from": 0, "to": 1}"#, "unknown_type"),
        (#"{"type": "trade", "to": 1}"#, "invalid_time"),
        (#"{"type": "trade", "from": "2026-11-20 00:00", "to": 1}"#, "invalid_time"),
        (#"{"type": "trade", "from": 2, "to": 1}"#, "empty_range"),
        (#"{"type": "trade", "from": 0, "to": 1, "prune": "yes"}"#, "invalid_prune"),
        (#"{"type": "trade", "from": 0, "to": 1, "purge": true}"#, "unknown_key"),
        (#"{"type": "trade", "from": 0, "to": 1, "exchange": 3}"#, "invalid_exchange"),
        (#"{"type": "trade", "from": 0, "to": 1, "exchange": ""}"#, "invalid_exchange"),
        (#"{"type": "trade", "from": 0, "to": 1, "market_type": "margin"}"#, "invalid_market_type"),
        (#"{"type": "trade", "from": 0, "to": 1, "symbol": "BTC'; --"}"#, "invalid_symbol"),
        (#"{"type": "trade", "from": 99999999999999999, "to": 1}"#, "invalid_time"),
        ("[1]", "invalid_json"), ("{", "invalid_json"), ("", "invalid_json"),
    ])
    func `a bad request is refused with its reason and what to send instead`(body: String, code: String) throws {
        let refused = try #require(answer(cold().reply(to: request("POST", "/transfers", body: body))))
        #expect(refused.status == 400)
        #expect(refused.text.contains(#""code": "\#(code)""#) && refused.text.contains(#""remedy""#), "\(refused.text)")
    }

    @Test func `a good request waits in the inbox, and one too many is told so`() throws {
        let inbox = Inbox<ArchiveCommand>(limit: 1)
        let body = #"{"type": "trade", "from": "2026-11-20T00:00:00Z", "to": 1795219200000, "prune": true}"#
        #expect(answer(cold(inbox).reply(to: request("POST", "/transfers", body: body))) == nil)
        let second = try #require(answer(cold(inbox).reply(to: request("POST", "/transfers", body: body))))
        #expect(second.status == 503 && second.text.contains(#""code": "busy""#))
    }

    @Test func `a filter names rows as they are stored, whatever generation's spelling it is asked for in`()
        async throws
    {
        let inbox = Inbox<ArchiveCommand>(limit: 1)
        let body = #"""
            {"type": "trade", "from": 0, "to": 9, "exchange": "OKX_Swap", "market_type": "swap", "symbol": "btc-usdt"}
            """#
        #expect(answer(cold(inbox).reply(to: request("POST", "/transfers", body: body))) == nil)
        let command = try #require(await inbox.next(until: Latch()))
        guard case .create(let asked) = command.ask else { return }
        #expect(asked.filter == TransferFilter(exchange: "okx", marketType: "perpetual", symbol: "BTC-USDT"))
        #expect(!asked.prunes)
    }

    @Test func `from other machines, or for a page of another site, nothing is changed`() throws {
        let post = request("POST", "/transfers", body: "{}")
        let far = try #require(answer(Access(isLoopback: false).reply(to: post, cold())))
        #expect(far.status == 403 && far.text.contains("no tokens yet"))
        #expect(answer(Access(isLoopback: false).reply(to: request("GET", "/health"), cold()))?.status == 200)
        let page = [(name: "origin", value: "http://evil.example"), (name: "host", value: "127.0.0.1:8086")]
        let foreign = request("POST", "/transfers", headers: page, body: "{}")
        #expect(answer(Access(isLoopback: true).reply(to: foreign, cold()))?.status == 403)
        #expect(answer(Access(isLoopback: true).reply(to: post, cold()))?.status == 400)
    }

    @Test func `health has the words that scripts look for, and 503 where a person must act`() throws {
        var status = ArchiveStatus()
        status.state = .archiving
        let healthy = try #require(answer(cold(status: status).reply(to: request("GET", "/health"))))
        #expect(healthy.status == 200 && healthy.text.contains(#""status": "healthy""#))
        status.needsOperator = true
        status.trouble = "the schema is missing"
        let unhealthy = try #require(answer(cold(status: status).reply(to: request("GET", "/health"))))
        #expect(unhealthy.status == 503 && unhealthy.text.contains("the schema is missing"))
    }

    @Test func `a drifted schema is trouble of its type alone`() throws {
        var status = ArchiveStatus()
        status.state = .archiving
        status.types["trade"] = ArchiveStatus.OfType()
        status.types["trade"]?.drift = "the cold schema has drifted"
        let health = try #require(answer(cold(status: status).reply(to: request("GET", "/health"))))
        #expect(health.status == 200 && health.text.contains(#""status": "degraded""#))
        #expect(health.text.contains("trade: the cold schema has drifted"))
        let stats = try #require(answer(cold(status: status).reply(to: request("GET", "/stats"))))
        #expect(stats.text.contains(#""drift": "the cold schema has drifted""#))
    }

    @Test func `ranges that fail are told with why, what is not affected and what to do`() throws {
        var status = ArchiveStatus()
        status.state = .archiving
        var failed = Transfer(
            id: "t",
            type: "trade",
            range: TimeRange(start: Timestamp(micros: 0), end: Timestamp(micros: 1))
        )
        failed.failed("53100: could not extend file; a disk of cold is full: make room there")
        status.count([failed], LedgerSums.of([failed]), types: ["trade"])
        func health() throws -> String {
            try #require(answer(cold(status: status).reply(to: request("GET", "/health")))).text
        }
        for words in [#""status": "degraded""#, "trade: failed ranges: 1", "make room there", "hot keeps their rows"] {
            let text = try health()
            #expect(text.contains(words), "\(text)")
        }
        status.count([], [:], types: ["trade"])
        failed.failed("53100: again")
        status.moved(failed, from: nil)
        #expect(try health().contains("the last attempt failed: 53100: again"))
        status.count([], [:], types: ["trade"])
        #expect(try health().contains(#""status": "healthy""#))
    }

    @Test func `a lane that reads and commits nothing is not called healthy`() {
        var lane = LaneStatus(type: "trade", source: SourceID(stream: "T", filter: ">"), patienceMicros: 15_000_000)
        lane.state = .reading
        lane.lastProgress = Timestamp(micros: 0)
        lane.fetched = 7
        func health(_ seconds: Int64) -> Health {
            let ingest = IngestStatus(
                lanes: [lane],
                isConnected: true,
                trouble: nil,
                waiting: [:],
                uncaptured: [:],
                refused: []
            )
            return Health(ingest, at: Timestamp(micros: seconds * 1_000_000))
        }
        #expect(health(10).status == .healthy)
        #expect(health(20).status == .degraded)
        #expect(health(20).trouble.first?.contains("20 s") == true)
        #expect(lane.lagSeconds(at: Timestamp(micros: 1)) != 0, "what was read and not committed is lag")
    }
}
