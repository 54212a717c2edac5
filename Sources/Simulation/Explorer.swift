/// Explores every way in which others can act between the operations of one process, up to a bound.
///
/// The process runs for real. A plan says what happens before which of its operations; each is run from the start, in
/// a fresh world, and answers with the operations that were met, from which the next plans are made: depth first, so
/// that the first plan that fails is among the shortest of its kind. What it cannot show: two things inside one
/// operation, which a transaction keeps apart.
package struct Explorer<Action: Sendable>: Sendable {
    /// Something that happens before the operation with this number, counted from 0.
    package struct Event: Sendable, CustomStringConvertible {
        package let operation: Int
        package let action: Action

        package var description: String { "\(action) before operation \(operation)" }
    }

    /// A plan under which something was not as it must be.
    package struct Failure: Error, CustomStringConvertible {
        package let plan: [Event]
        package let cause: any Error

        package var description: String { "under \(plan): \(cause)" }
    }

    /// How many events a plan has at most.
    private let depth: Int
    /// What may happen, after a plan's events, before an operation of this name.
    private let choices: @Sendable ([Event], String) -> [Action]

    package init(depth: Int, choices: @escaping @Sendable ([Event], String) -> [Action]) {
        precondition(depth >= 0)
        self.depth = depth
        self.choices = choices
    }

    /// Runs every plan and returns how many there were; `run` answers with the names of the operations it met.
    ///
    /// Throws: `Failure` with the first plan whose run throws.
    package func explore(_ run: ([Event]) async throws -> [String]) async throws -> Int {
        var plans: [[Event]] = [[]]
        var count = 0
        while let plan = plans.popLast() {
            let operations: [String]
            do { operations = try await run(plan) } catch { throw Failure(plan: plan, cause: error) }
            count += 1
            guard plan.count < depth else { continue }
            // Two at one place come in both orders; an earlier place was another plan's.
            for number in (plan.last?.operation ?? 0)..<max(operations.count, plan.last?.operation ?? 0) {
                plans += choices(plan, operations[number]).map { plan + [Event(operation: number, action: $0)] }
            }
        }
        return count
    }
}
