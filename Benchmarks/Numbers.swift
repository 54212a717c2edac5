import Platform

/// Numbers as the table shows them.
extension Double {
    /// So many decimals: `2.31`.
    func fixed(_ decimals: Int) -> String {
        guard isFinite else { return "-" }
        let scale = (0..<decimals).reduce(1) { power, _ in power * 10 }
        let units = Int((magnitude * Double(scale)).rounded())
        let sign = self < 0 && units > 0 ? "-" : ""
        guard decimals > 0 else { return sign + units.grouped }
        let fraction = String(units % scale)
        return sign + (units / scale).grouped + "." + String(repeating: "0", count: decimals - fraction.count)
            + fraction
    }

    /// Three digits, or all before the point: `2.31`, `23.1`, `231`.
    var brief: String { fixed(self < 9.995 ? 2 : self < 99.95 ? 1 : 0) }
    var percent: String { (self * 100).fixed(self < 0.0995 ? 1 : 0) + " %" }
    var ratio: String { fixed(self < 0.0995 ? 4 : self < 10 ? 2 : 1) + "x" }
}
