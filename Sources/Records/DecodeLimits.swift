/// Bounds on what one message may ask of the decoder; beyond any of them it is quarantined.
package struct DecodeLimits: Hashable, Sendable {
    /// Bytes of a payload, checked before parsing; NATS allows 1 MiB by default.
    package var messageBytes = 1 << 20
    /// Nesting of objects and arrays, the message itself included; it bounds the stack, and 512 is the most that
    /// digests read.
    package var depth = 64
    /// Members of the message's object, repeats included; it bounds what a hostile message can put into `extra`.
    package var keys = 512
    /// Digits of a decimal with its exponent written out; 40 occur, PostgreSQL would take 131,072.
    package var digits = 100
    /// Levels of one side of an order book; 400 is the most that collectors send.
    package var levels = 10_000
    /// Characters of a symbol.
    package var symbolLength = 64
    /// Bytes of any other text column: a key column must fit into an index entry (2,704 bytes).
    package var textBytes = 512

    /// The first year of event time: before it there was no market.
    package var earliestYear = 2009
    /// How far an event time may lie behind the stream time of its message: clocks differ, not by more than this.
    package var maxAhead = Duration.seconds(86_400)

    package init() {}
}
