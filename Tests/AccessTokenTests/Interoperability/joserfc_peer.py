"""Sealed values and signed messages by an independent implementation, joserfc, for the interoperability tests.

Reads a JSON list of requests from standard input, writes the list of answers to standard output. Keys come with
the requests and are made for one run of the tests; none is kept.

  {"do": "generate"}                                           -> {"key": private JWK, for ECDH-ES}
  {"do": "generate_signing", "alg": text}                      -> {"key": private JWK, for signatures}
  {"do": "thumbprint", "key": JWK}                             -> {"thumbprint": text}
  {"do": "seal", "key": JWK, "header": {...}, "hex": ...}      -> {"jwe": text}
  {"do": "open", "key": private JWK, "jwe": text}              -> {"header": {...}, "hex": ...}
  {"do": "sign", "key": JWK, "header": {...}, "claims": {...}} -> {"jws": text}
  {"do": "verify", "key": JWK, "alg": text, "jws": text}       -> {"header": {...}, "claims": {...}}, or
                                                                  {"refused": name of joserfc's error}
"""

import json
import sys

try:
    from joserfc import jwe, jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, OKPKey, import_key
except ImportError as missing:
    sys.exit(f"{missing} for {sys.executable}: run `make bootstrap`")


def generate(request):
    key = ECKey.generate_key("P-256", {"alg": "ECDH-ES", "use": "enc"})
    return {"key": key.as_dict(private=True)}


def generate_signing(request):
    kind, curve = {"ES256": (ECKey, "P-256"), "Ed25519": (OKPKey, "Ed25519")}[request["alg"]]
    return {"key": kind.generate_key(curve, {"alg": request["alg"], "use": "sig"}).as_dict(private=True)}


def thumbprint(request):
    return {"thumbprint": import_key(request["key"]).thumbprint()}


def seal(request):
    header = request["header"]
    allowed = [header[name] for name in ("alg", "enc", "zip") if name in header]
    plaintext = bytes.fromhex(request["hex"])
    return {"jwe": jwe.encrypt_compact(header, plaintext, ECKey.import_key(request["key"]), algorithms=allowed)}


def open_sealed(request):
    key = ECKey.import_key(request["key"])
    opened = jwe.decrypt_compact(request["jwe"], key, algorithms=["ECDH-ES", "A256GCM"])
    return {"header": opened.protected, "hex": opened.plaintext.hex()}


def sign(request):
    header = request["header"]
    key = import_key(request["key"])
    # Without a default `typ`: the header is exactly what was asked for.
    return {"jws": jwt.encode(header, request["claims"], key, algorithms=[header["alg"]], default_type=None)}


def verify(request):
    try:
        token = jwt.decode(request["jws"], import_key(request["key"]), algorithms=[request["alg"]])
    except JoseError as refusal:
        return {"refused": type(refusal).__name__}
    return {"header": token.header, "claims": token.claims}


ACTIONS = {
    "generate": generate,
    "generate_signing": generate_signing,
    "thumbprint": thumbprint,
    "seal": seal,
    "open": open_sealed,
    "sign": sign,
    "verify": verify,
}

json.dump([ACTIONS[request["do"]](request) for request in json.load(sys.stdin)], sys.stdout)
