import Platform

/// How the demo may write: with colours, with more than ASCII.
struct DemoStyle: Sendable {
    enum Colour: String {
        case bold = "1"
        case dim = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
        case blue = "34"
        case cyan = "36"
    }
    var hasColours = false
    var isUnicode = false

    func paint(_ text: String, _ colours: Colour...) -> String {
        guard hasColours, !colours.isEmpty else { return text }
        return "\u{1b}[\(colours.map(\.rawValue).joined(separator: ";"))m\(text)\u{1b}[0m"
    }

    /// `text` where more than ASCII is shown, else `plain`.
    func pick(_ text: String, _ plain: String) -> String { isUnicode ? text : plain }
}

extension String {
    func padded(to width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - count)) }
    func aligned(right width: Int) -> String { String(repeating: " ", count: Swift.max(0, width - count)) + self }
    func centred(in width: Int, filledWith filler: Character) -> String {
        let left = Swift.max(0, width - count) / 2
        return String(repeating: filler, count: left) + self
            + String(repeating: filler, count: Swift.max(0, width - count - left))
    }
}

extension Duration {
    /// `1:05`, `2:00:00`.
    var clock: String {
        let seconds = components.seconds
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60)
        let rest = "\(seconds % 60)".aligned(right: 2).replacing(" ", with: "0")
        guard hours > 0 else { return "\(minutes):\(rest)" }
        return "\(hours):" + "\(minutes)".aligned(right: 2).replacing(" ", with: "0") + ":\(rest)"
    }
}

extension Double {
    /// Seconds with one decimal: `0.3s`; from 100 s on without.
    var seconds: String {
        let tenths = Int((self * 10).rounded())
        return tenths >= 1_000 ? "\((tenths / 10).grouped)s" : "\(tenths / 10).\(Swift.abs(tenths % 10))s"
    }
}
