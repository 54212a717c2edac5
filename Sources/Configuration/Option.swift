internal import Platform

/// One thing that can be set: its path, its limits, its comment, and where it is kept.
///
/// From the table of options derive the reader, the template `config/thermocline.yaml`, the names of the environment
/// variables, the suggestions and what `check` prints.
package struct Option: Sendable {
    /// `hot.batch.rows`.
    package let path: String
    /// One sentence for the template.
    package let comment: String
    /// What is accepted: `a whole number from 1 to 100000`.
    package let expected: String
    let set: @Sendable (inout Configuration, WrittenValue) throws(UnitError) -> Void
    let show: @Sendable (Configuration) -> String

    init<Value: Sendable>(
        _ path: String,
        _ field: any WritableKeyPath<Configuration, Value> & Sendable,
        _ kind: ValueKind<Value>,
        _ comment: String
    ) {
        self.init(path, kind, comment) {
            $0[keyPath: field]
        } set: {
            $0[keyPath: field] = $1
        }
    }

    /// An option that may say nothing.
    init<Value: Sendable>(
        _ path: String,
        _ field: any WritableKeyPath<Configuration, Value?> & Sendable,
        optional kind: ValueKind<Value>,
        _ comment: String
    ) {
        self.init(path, kind.optional, comment) {
            $0[keyPath: field]
        } set: {
            $0[keyPath: field] = $1
        }
    }

    init<Value: Sendable>(
        _ path: String,
        _ kind: ValueKind<Value>,
        _ comment: String,
        get: @escaping @Sendable (Configuration) -> Value,
        set: @escaping @Sendable (inout Configuration, Value) -> Void
    ) {
        self.path = path
        self.comment = comment
        expected = kind.expected
        self.set = { (configuration, written) throws(UnitError) in set(&configuration, try kind.read(written)) }
        show = { kind.write(get($0)) }
    }

    /// `THERMOCLINE_HOT_BATCH_ROWS`.
    package var environmentName: String {
        Self.environmentPrefix + path.uppercased().map { $0 == "." ? "_" : String($0) }.joined()
    }

    package static let environmentPrefix = "THERMOCLINE_"
    /// The path of the configuration file where no `--config` says it.
    package static let configurationVariable = "THERMOCLINE_CONFIG"
}
