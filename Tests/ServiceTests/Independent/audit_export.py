"""Audits an export with nothing of this project's: python audit_export.py EXPORT VERIFIER_KEY (docs/spec/access-log.md)"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

def need(condition, fault):
    if not condition:
        raise SystemExit(f"fault: {fault}")

def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def b64(text, fault):
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text, fault)
    return raw

def checkpoint(note, vkey):
    name, key_id, key = vkey.split("+", 2)
    need("\r" not in note, "checkpoint: carriage return")
    body, signatures = note.split("\n\n")
    origin, size, root = body.split("\n")
    need(origin == name and size == str(int(size)), "checkpoint: another log, or a size in another spelling")
    ours = [line for line in signatures.splitlines() if line.startswith(f"— {name} ")]
    ours = [b64(line.split(" ")[2], "checkpoint: signature in another spelling") for line in ours]
    ours = [signature for signature in ours if signature[:4].hex() == key_id]
    need(len(ours) == 1, "checkpoint: no signature by this key of the log")
    Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:]).verify(ours[0][4:], body.encode() + b"\n")
    return int(size), b64(root, "checkpoint: root in another spelling")

def consistent(old, new, old_root, new_root, proof):  # RFC 9162 section 2.1.4.2
    if old == 0 or old == new:
        return not proof and (old == 0 or old_root == new_root)
    path = ([old_root] if old & (old - 1) == 0 else []) + proof
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for hash_ in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = sha(b"\1", hash_, fr), sha(b"\1", hash_, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = sha(b"\1", sr, hash_)
        fn, sn = fn >> 1, sn >> 1
    return fr == old_root and sr == new_root and sn == 0

def main(folder, vkey):
    folder = Path(folder)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for name, file in manifest["files"].items():
        data = (folder / name).read_bytes()
        need(len(data) == file["bytes"] and hashlib.sha256(data).hexdigest() == file["sha256"], f"{name}: digest")
    size, root = checkpoint((folder / "checkpoint").read_bytes().decode(), vkey)
    head, _, tail = (folder / "proof").read_bytes().decode().partition("\n\n")
    kind, first, end, *edge = head.split("\n")
    need(kind == "contact-vault range proof v1", "proof: kind")
    first, end = int(first.split(" ")[1]), int(end.split(" ")[1])
    need((first, end) == (manifest["first"], manifest["end"]), "proof: of other entries")
    stack, count = [b64(line, "proof: hash") for line in edge], first
    need(len(stack) == bin(first).count("1"), "proof: edge")
    lines = (folder / "entries.jsonl").read_bytes().split(b"\n")
    need(lines.pop() == b"" and len(lines) == end - first, "entries.jsonl: number of entries")
    for leaf in lines:
        canonical = json.dumps(json.loads(leaf), sort_keys=True, separators=(",", ":")).encode()
        need(canonical == leaf, f"entry {count}: not canonical")
        node, bits = sha(b"\0", leaf), count
        while bits & 1:
            node, bits = sha(b"\1", stack.pop(), node), bits >> 1
        stack.append(node)
        count += 1
    tree = hashlib.sha256(b"").digest() if not stack else stack[-1]
    for left in reversed(stack[:-1]):
        tree = sha(b"\1", left, tree)
    proof = [b64(line, "proof: hash") for line in tail.split("\n")[:-1]]
    need(consistent(end, size, tree, root, proof), "proof: the checkpoint does not go on from these entries")
    for line in (folder / "disclosures.jsonl").read_text().splitlines():
        shown = json.loads(line)
        digests = json.loads(lines[shown["index"] - first])["_sd"]
        for text in shown["disclosures"].split("~")[:-1]:
            digest = base64.urlsafe_b64encode(sha(text.encode())).decode().rstrip("=")
            need(digest in digests, f"entry {shown['index']}: a disclosure of another entry")
    print(f"audited: entries {first} to {end} under a checkpoint of size {size}")

try:
    main(*sys.argv[1:])
except Exception as error:  # whatever does not parse or verify is a fault
    raise SystemExit(f"fault: {type(error).__name__}: {error}")
