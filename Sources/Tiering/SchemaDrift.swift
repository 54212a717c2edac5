import Platform
import Records

/// How the tables or the view of one type in one tier differ from the catalogue, and so from the other tier.
///
/// Only that type waits, and goes on by itself once it is mended.
package struct SchemaDrift: Sendable, Equatable, CustomStringConvertible {
    package var type: String
    /// `hot` or `cold`.
    package var tier: String
    package var difference: String
    /// The statements, and where needed the command, that mend it.
    package var remedy: String

    package init(type: String, tier: String, difference: String, remedy: String) {
        (self.type, self.tier, self.difference, self.remedy) = (type, tier, difference, remedy)
    }

    package var description: String {
        "the \(tier) schema has drifted: \(difference). Nothing of this type is moved or pruned until that is mended, "
            + "for example in \(tier): \(remedy)"
    }
}

extension ArchiveSource {
    /// Throws: `.schema` (halt) where either tier is not as the catalogue says; nothing was touched.
    func refuseDrift<Target: ArchiveTarget>(of type: RecordType, _ target: Target) async throws(StoreError) {
        let found = try await drift(of: [type]) + (try await target.drift(of: [type]))
        guard let drift = found.first else { return }
        throw StoreError(
            .schema,
            .halt,
            tier: drift.tier,
            operation: "compare the columns of \(type.name)",
            detail: "\(drift)"
        )
    }
}
