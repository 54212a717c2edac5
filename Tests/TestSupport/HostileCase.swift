import Foundation
package import Records

/// One message of `hostile.jsonl` and what must become of it.
package struct HostileCase: Sendable {
    package let name: String
    package let subject: String
    package let payload: [UInt8]
    /// What it must end as; `alsoOk` where the other is allowed too.
    package let expect: String
    package let alsoOk: String?
    /// Messages of one group are fed in `order`, where they have one, and leave `rowsInGroup` rows.
    package let group: String?
    package let order: Int?
    package let rowsInGroup: Int?
    private let dataType: String
    private let line: Data

    /// Every case, in the order of the file.
    package static func all() throws -> [HostileCase] {
        try RecordedData.lines("real/hostile.jsonl").map(HostileCase.init)
    }

    private init(_ line: Data) throws {
        self.line = line
        let object = try JSONSerialization.jsonObject(with: line) as? [String: Any] ?? [:]
        name = object["case"] as? String ?? ""
        dataType = object["data_type"] as? String ?? ""
        subject = object["subject"] as? String ?? ""
        payload = Array(Data(base64Encoded: object["payload_base64"] as? String ?? "") ?? Data())
        expect = object["expect"] as? String ?? ""
        alsoOk = object["also_ok"] as? String
        group = object["group"] as? String
        order = object["order"] as? Int
        rowsInGroup = object["rows_in_group"] as? Int
    }

    /// Columns that its row must hold, by the names of the message's keys; nil where the file names none.
    package func columns() throws -> [String: Any]? {
        (try JSONSerialization.jsonObject(with: line) as? [String: Any])?["columns"] as? [String: Any]
    }

    /// The type whose lane would receive it; where no lane would, the type it claims to be.
    package var type: RecordType? {
        let first = String(subject.prefix { $0 != "." })
        return Catalog.standard.type(ofSubject: first) ?? Catalog.standard.type(ofSubject: dataType)
    }
}
