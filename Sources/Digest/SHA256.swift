internal import COpenSSL

/// SHA-256 of a whole buffer: what a manifest says of a file, and of the manifest before it.
package enum SHA256 {
    /// The 32 bytes of the hash.
    ///
    /// Source: https://docs.openssl.org/3.0/man3/EVP_DigestInit/ (EVP_Digest)
    package static func hash(_ bytes: [UInt8]) -> [UInt8] {
        var hash = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        let status = EVP_Digest(bytes, bytes.count, &hash, &length, EVP_sha256(), nil)
        // It fails only without memory or with a library that lacks SHA-256.
        precondition(status == 1 && length == 32, "SHA-256 is part of every OpenSSL")
        return hash
    }
}
