package import Records

/// Why rows cannot become segments.
package enum SegmentError: Error, Sendable, CustomStringConvertible {
    /// Bytes that are not rows of the type.
    case malformed(CopyRowError)
    /// A row repeats the natural key of another, or is older than one of its series before it.
    case unordered(String)
    /// A time that segments cannot say; such rows stay as they are.
    case unfit(String)

    package var description: String {
        switch self {
        case .malformed(let error): "\(error)"
        case .unordered(let detail), .unfit(let detail): detail
        }
    }
}
