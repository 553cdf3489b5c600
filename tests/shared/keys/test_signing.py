"""Signed documents: those signed with one of our keys are read, all others are refused with a stable code."""

import base64
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from shared.keys.signing import KeyRing, NoSigningKey, NotSigned, PublicKeys, new_key

KIND = "perennial-license"
DOCUMENT = {"device_id": "device-1", "product": "Antivirus – für zwei", "seats": 2, "expires_at": None}


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    return KeyRing.load_or_create(tmp_path / "keys" / "device.pem")


def refused(keys: PublicKeys, token: str, *, kind: str = KIND) -> str:
    with pytest.raises(NotSigned) as refusal:
        keys.verify(token, kind=kind)
    return refusal.value.code


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def test_a_holder_of_only_the_public_keys_reads_a_signed_document(keys: KeyRing) -> None:
    """R-110, R-113."""
    published = json.loads(json.dumps(keys.public.jwks()))
    assert PublicKeys.from_jwks(published).verify(keys.sign(DOCUMENT, kind=KIND), kind=KIND) == DOCUMENT


def test_the_public_keys_reveal_nothing_of_the_private_one(keys: KeyRing) -> None:
    """R-113."""
    (published,) = keys.public.jwks()["keys"]
    assert sorted(published) == ["alg", "crv", "kid", "kty", "use", "x"]


def test_a_holder_of_the_public_key_file_can_verify_and_cannot_sign(keys: KeyRing, tmp_path: Path) -> None:
    """R-113."""
    file = tmp_path / "public.pem"
    file.write_text(keys.public.pem())
    assert PublicKeys.from_pem(file).verify(keys.sign(DOCUMENT, kind=KIND), kind=KIND) == DOCUMENT
    assert "PRIVATE" not in file.read_text()


def test_another_library_reads_a_signed_document(keys: KeyRing) -> None:
    """R-113: the token is a JWS that everybody's library knows."""
    key = jwt.PyJWKSet.from_dict(keys.public.jwks()).keys[0]
    token = keys.sign({"device_id": "device-1"}, kind=KIND)
    assert jwt.decode(token, key, algorithms=["EdDSA"]) == {"device_id": "device-1"}
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "kid": key.key_id, "typ": KIND}


def test_the_same_document_gives_the_same_token(keys: KeyRing) -> None:
    assert keys.sign({"a": 1, "b": 2}, kind=KIND) == keys.sign({"b": 2, "a": 1}, kind=KIND)


@given(place=st.integers(0, 2), position=st.integers(0, 200), other=st.sampled_from(b"Aa0_."))
def test_a_token_with_any_changed_character_is_refused(place: int, position: int, other: int) -> None:
    """R-113."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    ring = KeyRing("one", PublicKeys({"one": private.public_key()}), private)
    parts = ring.sign(DOCUMENT, kind=KIND).split(".")
    position %= len(parts[place]) - 1  # of the last letter, only some bits count
    changed = parts[place][:position] + chr(other) + parts[place][position + 1 :]
    if changed != parts[place]:
        parts[place] = changed
        with pytest.raises(NotSigned):
            ring.public.verify(".".join(parts), kind=KIND)


def test_a_document_signed_as_one_kind_does_not_pass_as_another(keys: KeyRing) -> None:
    """R-110."""
    assert refused(keys.public, keys.sign(DOCUMENT, kind="perennial-checkpoint")) == "wrong_kind"


def test_a_key_that_is_not_published_is_unknown(keys: KeyRing, tmp_path: Path) -> None:
    stranger = KeyRing.load_or_create(tmp_path / "stranger.pem")
    assert refused(keys.public, stranger.sign(DOCUMENT, kind=KIND)) == "unknown_key"


def test_a_strangers_signature_under_our_key_id_is_bad(keys: KeyRing, tmp_path: Path) -> None:
    stranger = KeyRing.load_or_create(tmp_path / "stranger.pem")
    _, payload, signature = stranger.sign(DOCUMENT, kind=KIND).split(".")
    header = keys.sign(DOCUMENT, kind=KIND).split(".")[0]
    assert refused(keys.public, f"{header}.{payload}.{signature}") == "bad_signature"


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES256"])
def test_the_token_does_not_choose_its_algorithm(keys: KeyRing, algorithm: str) -> None:
    header, payload, signature = keys.sign(DOCUMENT, kind=KIND).split(".")
    forged = encoded(json.dumps({**json.loads(decoded(header)), "alg": algorithm}).encode())
    assert refused(keys.public, f"{forged}.{payload}.{signature}") == "malformed_signature"


def test_a_public_key_cannot_be_used_as_an_hmac_secret(keys: KeyRing) -> None:
    """The classic attack: an HMAC with the published key as its secret."""
    public = next(iter(keys.public.by_id.values())).public_bytes(Encoding.Raw, PublicFormat.Raw)
    forged = jwt.encode({"seats": 99}, public, algorithm="HS256", headers={"kid": keys.key_id, "typ": KIND})
    assert refused(keys.public, forged) == "malformed_signature"


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "{}", "é.é.é", "e30.e30.e30", "x" * 1_000_001, "e30." * 5])
def test_rubbish_is_refused(keys: KeyRing, token: str) -> None:
    assert refused(keys.public, token) in {"malformed_signature", "wrong_kind"}


def test_rotation_signs_with_the_new_key_and_still_reads_the_old(tmp_path: Path) -> None:
    """R-113."""
    old, new = new_key(), new_key()
    before = ring_of(tmp_path, old)
    token = before.sign(DOCUMENT, kind=KIND)
    announced = ring_of(tmp_path, old, new)
    assert announced.key_id == before.key_id
    rotated = ring_of(tmp_path, new, old)
    assert rotated.key_id != before.key_id
    assert list(rotated.public.by_id) == [rotated.key_id, before.key_id]
    assert rotated.public.verify(token, kind=KIND) == DOCUMENT
    assert announced.public.verify(rotated.sign(DOCUMENT, kind=KIND), kind=KIND) == DOCUMENT
    assert refused(ring_of(tmp_path, new).public, token) == "unknown_key"


def test_the_public_half_of_an_old_key_is_enough(tmp_path: Path) -> None:
    """R-113."""
    old = ring_of(tmp_path, new_key())
    token = old.sign(DOCUMENT, kind=KIND)
    public = old.public.by_id[old.key_id].public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert ring_of(tmp_path, new_key(), public).public.verify(token, kind=KIND) == DOCUMENT


def ring_of(folder: Path, *pems: bytes) -> KeyRing:
    file = folder / "ring.pem"
    file.write_bytes(b"\n".join(pems))
    return KeyRing.read(file)


def test_a_key_file_made_by_openssl_is_read(tmp_path: Path) -> None:
    file = tmp_path / "made.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(file)], check=True)
    keys = KeyRing.read(file)
    assert keys.public.verify(keys.sign(DOCUMENT, kind=KIND), kind=KIND) == DOCUMENT


def test_the_first_start_creates_a_key_and_later_ones_keep_it(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "device.pem"
    with ThreadPoolExecutor(8) as starts:
        ids = {ring.key_id for ring in starts.map(KeyRing.load_or_create, [file] * 8)}
    assert ids == {KeyRing.read(file).key_id}
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["device.pem"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nothing of the kind",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
        new_key().replace(b"PRIVATE", b"ENCRYPTED PRIVATE"),
    ],
)
def test_a_file_that_is_not_a_key_is_named_but_not_quoted(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "device.pem"
    file.write_bytes(content)
    with pytest.raises(NoSigningKey, match=r"device\.pem") as refusal:
        KeyRing.read(file)
    assert "AAAA" not in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoSigningKey, match=r"missing\.pem: No such file"):
        KeyRing.read(tmp_path / "missing.pem")


@pytest.mark.parametrize("jwks", [{}, [], {"keys": 1}, {"keys": [1]}, {"keys": [{"crv": "Ed25519", "x": "!"}]}])
def test_anything_but_a_key_set_is_refused(jwks: Any) -> None:
    with pytest.raises(ValueError, match="not a JSON Web Key Set"):
        PublicKeys.from_jwks(jwks)


def test_a_verifier_needs_no_private_key(tmp_path: Path) -> None:
    """R-113."""
    keys = ring_of(tmp_path, new_key())
    file = tmp_path / "public.pem"
    for key in keys.public.by_id.values():
        file.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert PublicKeys.from_pem(file).verify(keys.sign(DOCUMENT, kind=KIND), kind=KIND) == DOCUMENT
    with pytest.raises(NoSigningKey, match="no private key"):
        KeyRing.read(file)


def test_the_private_key_does_not_show_itself(keys: KeyRing, tmp_path: Path) -> None:
    secret = (tmp_path / "keys" / "device.pem").read_text().splitlines()[1]
    assert secret not in repr(keys)
