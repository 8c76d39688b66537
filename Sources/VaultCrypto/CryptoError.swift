// Failures of the cryptographic library, told apart only as far as a caller may act on them.

internal import COpenSSL

/// A cryptographic operation that did not succeed. Never carries key, input or output.
public enum CryptoError: Error, Equatable, Sendable {
    /// A tag or signature did not verify. One case for every cause, on purpose.
    case authenticationFailed
    /// A key, nonce, salt or signature of the wrong length or not on the curve. The payload names the argument.
    case invalidArgument(String)
    /// OpenSSL refused an operation that must not fail. The payload names the OpenSSL function.
    case unavailable(String)
    /// A known answer came out wrong at start. The payload names the algorithm.
    case selfTestFailed(String)
}

/// Throws unless an OpenSSL call returned 1, and leaves no error behind in the thread's queue for the next caller.
@inline(__always)
func require(_ result: Int32, _ function: StaticString) throws(CryptoError) {
    if result != 1 {
        ERR_clear_error()
        throw .unavailable("\(function)")
    }
}
