/// One long-running part of a role.
package protocol Service: Sendable {
    /// Stands in log lines and in `/health`.
    var name: String { get }

    /// Works until `stop` opens, then finishes what it has begun and returns.
    ///
    /// It throws what it cannot mend; when its task is cancelled it gives up what it has begun and returns or throws.
    func run(until stop: Latch) async throws
}

/// Why a group of services ended otherwise than asked.
package enum ServiceGroupError: Error, CustomStringConvertible {
    /// A service threw; the first one counts.
    case failed(service: String, any Error)
    /// A service returned though nobody had asked it to.
    case endedUnasked(service: String)
    /// These services had not returned when the grace was over or was skipped, and were cancelled.
    case cancelled(services: [String])

    package var description: String {
        switch self {
        case .failed(let service, let error): "service \(service) failed: \(error)"
        case .endedUnasked(let service): "service \(service) ended though it was not asked to"
        case .cancelled(let services): "cancelled after the grace: \(services.joined(separator: ", "))"
        }
    }
}

/// Runs the services of a role together and ends them in order.
///
/// The order is that of dependency: a service may use those before it, so they are asked to stop from last to first,
/// each when the one after it has returned. One service that fails or ends unasked ends the group.
package struct ServiceGroup<C: Clock>: Sendable where C.Duration == Duration {
    private let services: [any Service]
    private let grace: Duration
    private let clock: C

    /// A group whose shutdown takes at most `grace` before what still runs is cancelled.
    package init(_ services: [any Service], grace: Duration, clock: C) {
        self.services = services
        self.grace = grace
        self.clock = clock
    }

    private enum Event {
        case ended(Int, (any Error)?)
        case stopRequested
        case graceOver
    }

    /// Runs until `stop` opens and every service has returned; `skipGrace`, of a second signal, cancels them at once.
    ///
    /// Throws: the first thing that went wrong.
    package func run(until stop: Latch, skipGrace: Latch = Latch()) async throws(ServiceGroupError) {
        let failure = await withTaskGroup(of: Event.self) { group in
            var shutdown = Shutdown(services.map(\.name))
            for (index, service) in services.enumerated() {
                let stop = shutdown.stops[index]
                group.addTask {
                    do {
                        try await service.run(until: stop)
                        return .ended(index, nil)
                    } catch { return .ended(index, error) }
                }
            }
            group.addTask {
                await stop.wait()
                return .stopRequested
            }
            group.addTask {
                await skipGrace.wait()
                return .graceOver
            }
            while !shutdown.isOver, let event = await group.next() {
                let wasUnderWay = shutdown.isUnderWay
                switch event {
                case .ended(let index, let error): shutdown.ended(index, error)
                case .stopRequested: shutdown.begin()
                case .graceOver:
                    shutdown.cancelled()
                    group.cancelAll()
                }
                guard shutdown.isUnderWay, !wasUnderWay else { continue }
                group.addTask { [grace, clock] in
                    // Cancelled means that the group is over, which ends the grace as well.
                    try? await clock.sleep(for: grace)  // tidy:allow over anyway
                    return .graceOver
                }
            }
            group.cancelAll()
            return shutdown.failure
        }
        if let failure { throw failure }
    }
}

/// What a shutdown has come to: who still runs, who has been asked to stop, what went wrong first.
private struct Shutdown {
    let stops: [Latch]
    private(set) var isUnderWay = false
    private(set) var failure: ServiceGroupError?
    private let names: [String]
    private var running: Set<Int>

    init(_ names: [String]) {
        self.names = names
        stops = names.map { _ in Latch() }
        running = Set(names.indices)
    }

    var isOver: Bool { running.isEmpty }

    mutating func begin() {
        isUnderWay = true
        askLast()
    }

    mutating func ended(_ index: Int, _ error: (any Error)?) {
        running.remove(index)
        if let error, !(error is CancellationError && isUnderWay) {
            failure = failure ?? .failed(service: names[index], error)
        } else if !stops[index].isOpen, !isUnderWay {
            failure = failure ?? .endedUnasked(service: names[index])
        }
        begin()
    }

    mutating func cancelled() {
        isUnderWay = true
        failure = failure ?? .cancelled(services: running.sorted().map { names[$0] })
        for stop in stops { stop.open() }
    }

    private func askLast() {
        if let last = running.max() { stops[last].open() }
    }
}
