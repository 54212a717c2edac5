package import Platform
package import Records

/// What a configuration is made from; what is further down in this list wins.
package struct ConfigurationSources: Sendable {
    /// The path of a YAML file; nil for none.
    package var file: String?
    package var environment: Environment
    /// What follows each `--set`: `hot.batch.rows=50`.
    package var settings: [String] = []
    /// What the command or `--mode` says.
    package var mode: Mode?

    package init(
        file: String? = nil,
        environment: Environment = Environment([:]),
        settings: [String] = [],
        mode: Mode? = nil
    ) {
        self.file = file
        self.environment = environment
        self.settings = settings
        self.mode = mode
    }

    /// Reads, merges and checks everything, and names every problem at once.
    ///
    /// `databases` are those that the command will open: their connection strings must be set, and no other secret is
    /// read. Nil means those of the mode; without a mode every secret is read and none must be set.
    package func load(_ catalog: Catalog, for databases: Set<Database>? = nil) throws(ConfigurationError)
        -> LoadedConfiguration
    {
        var loader = ConfigurationLoader(catalog)
        if let file { loader.read(file: file) }
        loader.read(environment)
        for setting in settings { loader.read(setting: setting) }
        if let mode { loader.set("mode", .text(mode.rawValue), .flag("command line")) }
        loader.readShared(environment)
        return try loader.finish(for: databases)
    }
}
