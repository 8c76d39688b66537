// Bodies of the token endpoint and of the server's metadata (RFC 6749, RFC 8414).

/// The reply to a token request.
public struct TokenBody: Codable, Sendable {
    /// The token.
    public let accessToken: String
    /// How the token is sent: `DPoP` with a proof, or `Bearer` over the connection whose certificate it is bound to.
    public let tokenType: String
    /// Its life in seconds.
    public let expiresIn: Int64

    /// A reply.
    public init(accessToken: String, isBoundToCertificate: Bool, expiresIn: Int64) {
        self.accessToken = accessToken
        tokenType = isBoundToCertificate ? "Bearer" : "DPoP"
        self.expiresIn = expiresIn
    }

    enum CodingKeys: String, CodingKey {
        case accessToken = "access_token"
        case tokenType = "token_type"
        case expiresIn = "expires_in"
    }
}

/// The state of a token (RFC 7662 §2.2), as far as a client needs it.
public struct TokenStatusBody: Codable, Sendable {
    /// Whether it is good now.
    public let isActive: Bool
    /// Uses that are left, over all contacts that it names; absent for a token without a budget.
    public let usesRemaining: Int64?
    /// When it ends, seconds since 1970; absent if it is not good.
    public let expires: Int64?

    enum CodingKeys: String, CodingKey {
        case isActive = "active"
        case usesRemaining = "uses_remaining"
        case expires = "exp"
    }
}

/// An error of the token endpoint (RFC 6749 §5.2).
public struct TokenErrorBody: Codable, Sendable {
    /// The code.
    public let error: String

    /// An error.
    public init(error: String) { self.error = error }
}

/// Metadata of the authorization server (RFC 8414 §2).
public struct ServerMetadataBody: Codable, Sendable {
    /// The issuer.
    public let issuer: String
    /// Where tokens are granted.
    public let tokenEndpoint: String
    /// Where the public keys are.
    public let jwksURI: String
    /// Where the state of a token is asked (RFC 7662).
    public let introspectionEndpoint: String
    /// Where a token is revoked (RFC 7009).
    public let revocationEndpoint: String
    /// `private_key_jwt`.
    public let introspectionEndpointAuthMethodsSupported: [String]
    /// `private_key_jwt`.
    public let revocationEndpointAuthMethodsSupported: [String]
    /// `client_credentials`.
    public let grantTypesSupported: [String]
    /// Required by RFC 8414; empty, as there is no authorization endpoint.
    public let responseTypesSupported: [String]
    /// `private_key_jwt`.
    public let tokenEndpointAuthMethodsSupported: [String]
    /// Algorithms of client assertions.
    public let tokenEndpointAuthSigningAlgValuesSupported: [String]
    /// Algorithms of DPoP proofs (RFC 9449 §5.1).
    public let dpopSigningAlgValuesSupported: [String]
    /// Types of authorization details (RFC 9396 §10).
    public let authorizationDetailsTypesSupported: [String]
    /// Whether tokens may be bound to the connection's certificate (RFC 8705 §3.3).
    public let tlsClientCertificateBoundAccessTokens: Bool

    /// The metadata of a vault.
    public init(
        issuer: String, algorithms: [String], bindsCertificates: Bool, authorizationDetailsTypes: [String]
    ) {
        self.issuer = issuer
        tokenEndpoint = issuer + "/oauth2/token"
        jwksURI = issuer + "/oauth2/jwks"
        introspectionEndpoint = issuer + "/oauth2/introspect"
        revocationEndpoint = issuer + "/oauth2/revoke"
        introspectionEndpointAuthMethodsSupported = ["private_key_jwt"]
        revocationEndpointAuthMethodsSupported = ["private_key_jwt"]
        grantTypesSupported = ["client_credentials"]
        responseTypesSupported = []
        tokenEndpointAuthMethodsSupported = ["private_key_jwt"]
        tokenEndpointAuthSigningAlgValuesSupported = algorithms
        dpopSigningAlgValuesSupported = algorithms
        authorizationDetailsTypesSupported = authorizationDetailsTypes
        tlsClientCertificateBoundAccessTokens = bindsCertificates
    }

    enum CodingKeys: String, CodingKey {
        case issuer
        case tokenEndpoint = "token_endpoint"
        case jwksURI = "jwks_uri"
        case introspectionEndpoint = "introspection_endpoint"
        case revocationEndpoint = "revocation_endpoint"
        case introspectionEndpointAuthMethodsSupported = "introspection_endpoint_auth_methods_supported"
        case revocationEndpointAuthMethodsSupported = "revocation_endpoint_auth_methods_supported"
        case grantTypesSupported = "grant_types_supported"
        case responseTypesSupported = "response_types_supported"
        case tokenEndpointAuthMethodsSupported = "token_endpoint_auth_methods_supported"
        case tokenEndpointAuthSigningAlgValuesSupported = "token_endpoint_auth_signing_alg_values_supported"
        case dpopSigningAlgValuesSupported = "dpop_signing_alg_values_supported"
        case authorizationDetailsTypesSupported = "authorization_details_types_supported"
        case tlsClientCertificateBoundAccessTokens = "tls_client_certificate_bound_access_tokens"
    }
}
