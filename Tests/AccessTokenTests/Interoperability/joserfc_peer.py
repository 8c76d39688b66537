"""Sealed values by an independent implementation, joserfc, for JSONWebEncryptionInteroperabilityTests.

Reads a JSON list of requests from standard input, writes the list of answers to standard output. Keys come with
the requests and are made for one run of the tests; none is kept.

  {"do": "generate"}                                       -> {"key": private JWK}
  {"do": "thumbprint", "key": JWK}                         -> {"thumbprint": text}
  {"do": "seal", "key": JWK, "header": {...}, "hex": ...}  -> {"jwe": text}
  {"do": "open", "key": private JWK, "jwe": text}          -> {"header": {...}, "hex": ...}
"""

import json
import sys

try:
    from joserfc import jwe
    from joserfc.jwk import ECKey
except ImportError as missing:
    sys.exit(f"{missing} for {sys.executable}: run `make bootstrap`")


def generate(request):
    key = ECKey.generate_key("P-256", {"alg": "ECDH-ES", "use": "enc"})
    return {"key": key.as_dict(private=True)}


def thumbprint(request):
    return {"thumbprint": ECKey.import_key(request["key"]).thumbprint()}


def seal(request):
    header = request["header"]
    allowed = [header[name] for name in ("alg", "enc", "zip") if name in header]
    plaintext = bytes.fromhex(request["hex"])
    return {"jwe": jwe.encrypt_compact(header, plaintext, ECKey.import_key(request["key"]), algorithms=allowed)}


def open_sealed(request):
    key = ECKey.import_key(request["key"])
    opened = jwe.decrypt_compact(request["jwe"], key, algorithms=["ECDH-ES", "A256GCM"])
    return {"header": opened.protected, "hex": opened.plaintext.hex()}


ACTIONS = {"generate": generate, "thumbprint": thumbprint, "seal": seal, "open": open_sealed}

json.dump([ACTIONS[request["do"]](request) for request in json.load(sys.stdin)], sys.stdout)
