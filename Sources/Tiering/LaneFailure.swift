package import Platform

/// The lane drops what it has fetched and starts over from the position in the database.
package struct Restart: Error, Sendable, CustomStringConvertible {
    package let reason: String
    package var description: String { reason }
}

/// Another instance has the lane now; what this one still holds is that one's to store.
package struct LostLane: Error, Sendable, CustomStringConvertible {
    package let owner: String
    package init(owner: String = "another instance") { self.owner = owner }
    package var description: String { "the lane was taken over by \(owner)" }
}

/// The commit that runs beside the gathering; open once it has returned.
package typealias Flight = Latch
