"""Checks offline that an event is part of a signed history:  python verify_event.py proof.json keys.jwks.json

Needs Python 3.9 and `pip install cryptography`, and nothing else. Get the keys from the service (`perennial log keys`),
not from whoever hands over the proof. RFC 9162 (trees), RFC 7515 (signature), RFC 8037 (keys).
"""

import base64
import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def must(be_true, why):  # noqa: D103
    return be_true or sys.exit(f"NOT PROVED: {why}")


def sha256(*parts):  # noqa: D103
    return hashlib.sha256(b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)).digest()


def base64url(text):  # noqa: D103
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def root_of(node, index, size, path):
    """Return the root of a tree of `size` leaves, computed upward from one leaf."""
    last = size - 1
    must(0 <= index <= last, "its place is outside the tree")
    for sibling in map(bytes.fromhex, path):
        must(last > 0, "the path is too long")
        is_right = index % 2 or index == last
        node = sha256(b"\1", sibling, node) if is_right else sha256(b"\1", node, sibling)
        while is_right and index and not index % 2:
            index, last = index // 2, last // 2
        index, last = index // 2, last // 2
    return must(last == 0, "the path is too short") and node


proof, keys = (json.loads(pathlib.Path(name).read_bytes()) for name in sys.argv[1:3])
event, head, at = proof["event"], proof["head"], proof["slice"]
header, payload, signature = proof["checkpoint"].split(".")
described, signed = json.loads(base64url(header)), json.loads(base64url(payload))
key = {key["kid"]: key["x"] for key in keys["keys"]}.get(described["kid"])
must(key, "the key that signed is not one of these")
# raises InvalidSignature
Ed25519PublicKey.from_public_bytes(base64url(key)).verify(base64url(signature), f"{header}.{payload}".encode())
must(described["typ"] == "perennial-checkpoint" and signed["format"] == 1, "something else was signed")
chained = "\n".join([event["id"], event["type"], event["subject"], event["time"], event["data"]])
rest = [event[name] or "" for name in ("recorded_time", "version", "schema_version", "correlation_id", "causation_id")]
leaf = sha256(b"\0", sha256(bytes.fromhex(proof["previous_hash"]), chained), "".join(f"{part}\n" for part in rest))
slice_root = root_of(leaf, proof["position"] - 1, head["position"], proof["path"])
head_leaf = sha256(b"\0", f"{at}\n{head['position']}\n{head['hash']}\n{slice_root.hex()}\n")
must(root_of(head_leaf, at, 256, proof["head_path"]).hex() == signed["root"], "the event is not what was signed")
print(f"PROVED: {event['type']} of {event['subject']} at {event['time']} stood in {signed['ledger']}")
print(
    f"(slice {at}, position {proof['position']}) when that was signed at {signed['made_at']}:", event["data"], sep="\n"
)
