import ControlAPI
import HTTPServer
import Platform

/// Answers on one address until it is asked to stop.
struct HTTPService: Service {
    let name: String
    private let address: ListenAddress
    private let limits: HTTPLimits
    private let router: Router
    private let log: Logger

    init(_ name: String, _ address: ListenAddress, _ limits: HTTPLimits, _ router: Router, _ log: Logger) {
        self.name = name
        self.address = address
        self.limits = limits
        self.router = router
        self.log = log
    }

    func run(until stop: Latch) async throws {
        let (router, access) = (router, Access(isLoopback: address.isLoopback))
        let server = try HTTPServer(address, limits: limits) { access.reply(to: $0, router) }
        log.info("listening", .service(name), .address(server.address.description))
        await stop.wait()
        server.stop()
    }
}
