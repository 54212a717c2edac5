package import Records

/// One message as a collector of generation C publishes it, and what the feed knows about it.
package struct FeedMessage: Hashable, Sendable {
    package enum Kind: Hashable, Sendable, CaseIterable {
        /// New, on time.
        case good
        /// New, with an event time in the past.
        case late
        /// Key and content of an earlier message, published again; its provenance differs.
        case duplicate
        /// Belongs in quarantine.
        case poison
    }

    /// Name of its record type in the catalogue.
    package let type: String
    package let subject: String
    /// The `Nats-Msg-Id` header of a JetStream publish; nil = published with core NATS, without headers.
    package let messageID: String?
    package let payload: [UInt8]
    package let kind: Kind
    /// When it is published.
    package let at: Timestamp
    /// What an audit must find: `storedIdentity` of its row, or for poison `quarantinedIdentity`.
    package let identity: String

    package init(
        type: String,
        subject: String,
        messageID: String?,
        payload: [UInt8],
        kind: Kind,
        at: Timestamp,
        identity: String
    ) {
        self.type = type
        self.subject = subject
        self.messageID = messageID
        self.payload = payload
        self.kind = kind
        self.at = at
        self.identity = identity
    }

    /// Names a stored row.
    ///
    /// `own` is what the type's natural key adds and the feed keeps apart: `trade_id`, `last_update_id`,
    /// `liquidation_id`, or `kind/period` of a ratio; empty for the other types and for null.
    package static func storedIdentity(
        type: String,
        exchange: String,
        marketType: String,
        symbol: String,
        ts: Timestamp,
        own: String
    ) -> String {
        "\(type)/\(exchange)/\(marketType)/\(symbol)/\(ts.micros)/\(own)"
    }

    /// Names a stored row by its natural key; `own` is what the type adds to it, in catalogue order.
    package static func storedIdentity(
        of type: RecordType,
        exchange: String,
        marketType: String,
        symbol: String,
        ts: Timestamp,
        own: [String?]
    ) -> String {
        // The feed tells liquidations apart by their id alone.
        let told = type.name == "liquidation" ? own.prefix(1) : own[...]
        return storedIdentity(
            type: type.name,
            exchange: exchange,
            marketType: marketType,
            symbol: symbol,
            ts: ts,
            own: told.map { $0 ?? "" }.joined(separator: "/")
        )
    }

    /// Names a message kept aside, by its subject and a hash of its bytes (FNV-1a: no adversary publishes here).
    package static func quarantinedIdentity(subject: String, payload: [UInt8]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in payload { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return "quarantine/\(subject)/\(String(hash, radix: 16))"
    }
}
