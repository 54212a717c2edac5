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
            json.field("from", transfer.range.start.description)
            json.field("to", transfer.range.end.description)
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

/// The body of `POST /transfers`: `{"type", "from", "to", "prune"?}`.
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
        let known = ["type", "from", "to", "prune"]
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
        request = TransferRequest(type: type, range: TimeRange(start: from, end: to), prunes: prunes)
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
