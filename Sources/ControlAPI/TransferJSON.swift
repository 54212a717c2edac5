import Digest
import Platform
import Records
import Tiering

/// A transfer as the API shows it.
struct TransferJSON: JSONWritable {
    private let transfer: Transfer

    init(_ transfer: Transfer) { self.transfer = transfer }

    func write(to json: inout JSONWriter) {
        json.object { json in
            json.field("id", transfer.id)
            json.field("request", transfer.request)
            json.field("type", transfer.type)
            let time = transfer.filter?.time ?? transfer.range
            json.field("from", time.start.description)
            json.field("to", time.end.description)
            json.field("partial", transfer.filter != nil)
            if let filter = transfer.filter {
                json.object("filter") { json in for name in filter.names { json.field(name.column, name.value) } }
            }
            json.field("state", transfer.state.rawValue)
            json.field("prune", transfer.prunes)
            json.field("attempt", transfer.attempt)
            json.field("hot_rows", transfer.hot?.rows)
            json.field("cold_rows", transfer.cold?.rows)
            json.field("rows_pruned", transfer.rowsPruned)
            json.field("manifest", transfer.manifest)
            json.field("updated_at", transfer.updatedAt?.description)
            json.field("verified_at", transfer.verifiedAt?.description)
            json.field("pruned_at", transfer.prunedAt?.description)
            json.field("scrubbed_at", transfer.scrubbedAt?.description)
            json.field("error", transfer.error)
        }
    }
}

/// The body of `POST /transfers`: `{"type", "from", "to", "exchange"?, "market_type"?, "symbol"?, "prune"?}`.
struct TransferBody {
    let request: TransferRequest

    init(_ body: [UInt8], types: [RecordType]) throws(TransferRequest.Refusal) {
        let example = #"send {"type": "trade", "from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}"#
        let json: JSONValue
        do throws(JSONError) { json = try JSONValue(parsing: body) } catch {
            throw .init(code: "invalid_json", message: "the body is not JSON: \(error)", remedy: example)
        }
        guard let members = json.members else {
            throw .init(code: "invalid_json", message: "the body is not a JSON object", remedy: example)
        }
        let known = ["type", "from", "to", "exchange", "market_type", "symbol", "prune"]
        if let unknown = members.first(where: { !known.contains($0.key) }) {
            throw .init(
                code: "unknown_key",
                message: "the key \"\(unknown.key)\" means nothing here",
                remedy: "known keys: \(known.joined(separator: ", "))"
            )
        }
        let names = types.map(\.name)
        guard let type = json["type"]?.string, names.contains(type) else {
            throw .init(
                code: "unknown_type",
                message: "\"type\" must name a record type",
                remedy: "known types: \(names.joined(separator: ", "))"
            )
        }
        let from = try Self.time("from", json["from"])
        let to = try Self.time("to", json["to"])
        guard from < to else {
            throw .init(
                code: "empty_range",
                message: "\"from\" (\(from)) is not before \"to\" (\(to)); the end is exclusive",
                remedy: "swap or widen them"
            )
        }
        var prunes = false
        if let prune = json["prune"] {
            guard let flag = prune.bool else {
                throw .init(code: "invalid_prune", message: "\"prune\" must be true or false", remedy: example)
            }
            prunes = flag
        }
        request = TransferRequest(
            type: type,
            range: TimeRange(start: from, end: to),
            filter: TransferFilter(
                exchange: try Self.name("exchange", json, Self.plain, StoredName.exchange),
                marketType: try Self.name("market_type", json, Self.marketTypes, StoredName.marketType),
                symbol: try Self.name("symbol", json, Self.plain, StoredName.symbol)
            ),
            prunes: prunes
        )
    }

    private static let plain = "up to 64 letters, digits, - and _"
    private static let marketTypes = StoredName.marketTypes.joined(separator: ", ")

    /// A name as rows are stored with it; nil where it is not asked for.
    private static func name(
        _ key: String,
        _ json: JSONValue,
        _ known: String,
        _ stored: (String) -> String?
    ) throws(TransferRequest.Refusal) -> String? {
        guard let value = json[key] else { return nil }
        if let name = value.string.flatMap(stored) { return name }
        throw .init(
            code: "invalid_\(key)",
            message: "\"\(key)\" is no name that a row can have; leave it out for all of them",
            remedy: "a name is \(known)"
        )
    }

    /// ISO 8601 with a zone, or milliseconds since 1970.
    private static func time(_ key: String, _ value: JSONValue?) throws(TransferRequest.Refusal) -> Timestamp {
        // Years 1970 to 9999: what the databases and the text form of a time can hold.
        let bounds: ClosedRange<Int64> = 0...253_402_300_799_999
        if let milliseconds = value?.int, bounds.contains(Int64(milliseconds)) {
            return Timestamp(milliseconds: Int64(milliseconds))
        }
        if let text = value?.string, let time = Timestamp(iso8601: text, zoneRequired: true), time.micros >= 0 {
            return time
        }
        throw .init(
            code: "invalid_time",
            message: "\"\(key)\" is missing or not a time",
            remedy: "send ISO 8601 with a zone (\"2026-11-20T00:00:00Z\") or milliseconds since 1970"
        )
    }
}
