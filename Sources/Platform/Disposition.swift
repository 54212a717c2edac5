/// What a failure allows the caller to do next; every error of a boundary has one.
package enum Disposition: String, Sendable {
    /// The cause is outside and passes: try again, with backoff, for ever.
    case retry
    /// This input is bad: isolate it, keep it aside, go on with the rest.
    case reject
    /// No waiting mends it (permissions, schema, a lost fence): stop this piece of work and say what for.
    case halt
}
