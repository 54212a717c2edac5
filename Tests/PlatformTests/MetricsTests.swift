import Platform
import Testing

@Suite struct MetricsTests {
    @Test func `the exposition lists families and series in order`() {
        let metrics = Metrics()
        metrics.counter("thermocline_rows_total", "Rows stored.", ["type": "trade", "tier": "hot"]).add(41)
        metrics.counter("thermocline_rows_total", "Rows stored.", ["type": "lsr", "tier": "hot"]).add()
        metrics.gauge("thermocline_lag_seconds", "Age of\nthe newest row.").set(1.5)
        metrics.probe("thermocline_up", "Whether it is up.") { 1 }
        metrics.probe("thermocline_unknown_bytes", "Nobody knows.") { nil }
        #expect(
            String(decoding: metrics.exposition(), as: UTF8.self) == """
                # HELP thermocline_lag_seconds Age of\\nthe newest row.
                # TYPE thermocline_lag_seconds gauge
                thermocline_lag_seconds 1.5
                # HELP thermocline_rows_total Rows stored.
                # TYPE thermocline_rows_total counter
                thermocline_rows_total{type="lsr",tier="hot"} 1
                thermocline_rows_total{type="trade",tier="hot"} 41
                # HELP thermocline_unknown_bytes Nobody knows.
                # TYPE thermocline_unknown_bytes gauge
                # HELP thermocline_up Whether it is up.
                # TYPE thermocline_up gauge
                thermocline_up 1.0

                """
        )
    }

    @Test func `the same name and labels give the same counter, from many tasks at once`() async {
        let metrics = Metrics()
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    let counter = metrics.counter("thermocline_rows_total", "Rows.", ["type": "trade"])
                    for _ in 0..<1_000 { counter.add() }
                }
            }
        }
        #expect(metrics.counter("thermocline_rows_total", "Rows.", ["type": "trade"]).value == 8_000)
    }

    @Test func `label values are escaped`() {
        let metrics = Metrics()
        metrics.counter("thermocline_errors_total", "Errors.", ["reason": "a \"b\\\nc"]).add()
        let text = String(decoding: metrics.exposition(), as: UTF8.self)
        #expect(text.hasSuffix(#"thermocline_errors_total{reason="a \"b\\\nc"} 1"# + "\n"))
    }
}
