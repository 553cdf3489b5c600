"""Signs documents with Ed25519 and verifies signatures: compact JWS (RFC 7515, EdDSA), public keys as JWKS (RFC 7517).

The claims of a document, such as when it expires and whom it names, are up to its issuer. No rule may come in here, and
no private key may go out.

    keys = KeyRing.read(settings.signing_key_file)
    token = keys.sign({"device_id": "…", "expires_at": "…"}, kind="perennial-license")
    keys.public.jwks()                                                    # the public keys, for verifiers
    PublicKeys.from_jwks(jwks).verify(token, kind="perennial-license")    # the document again, or `NotSigned`

A key file is PEM, as OpenSSL writes it (`openssl genpkey -algorithm ed25519`). Its first private key signs; all other
keys in it, private or public, are only published. To rotate keys without a gap: append the new key, wait until all
verifiers have read the JWKS again, and move it to the top. Remove the old one when nothing it signed is valid any more.
"""

import json
import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from jwt import PyJWS
from jwt.algorithms import OKPAlgorithm
from jwt.exceptions import InvalidKeyError, InvalidSignatureError, InvalidTokenError

ALGORITHM = "EdDSA"
TOKEN_CHARACTERS_MAX = 1_000_000
PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)

_jws = PyJWS(algorithms=[ALGORITHM])


class NoSigningKey(Exception):
    """There is no signing key. The message names the file and what is wrong with it, but nothing of its contents."""


class NotSigned(Exception):
    """A document was not signed with one of our keys.

    `code` is stable: `malformed_signature`, `wrong_kind`, `unknown_key`, `bad_signature`.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """The public keys of a service, by key id."""

    by_id: Mapping[str, Ed25519PublicKey]

    @classmethod
    def from_jwks(cls, jwks: Mapping[str, Any]) -> Self:
        """Return the Ed25519 keys of a JWKS, ignoring other keys. Raises ValueError if it is not a JWKS."""
        try:
            described = [entry for entry in jwks["keys"] if entry.get("crv") == "Ed25519"]
            # a private key would work as well, but no verifier should hold one
            keys = [OKPAlgorithm.from_jwk({"kty": "OKP", "crv": "Ed25519", "x": entry["x"]}) for entry in described]
        except (AttributeError, InvalidKeyError, KeyError, TypeError) as error:
            raise ValueError(f"this is not a JSON Web Key Set: {type(error).__name__}") from None
        return cls({key_id_of(key): key for key in keys if isinstance(key, Ed25519PublicKey)})

    @classmethod
    def from_pem(cls, file: Path) -> Self:
        """Return the public halves of all keys in a PEM file. Raises `NoSigningKey`."""
        privates, publics = _keys_in(file)
        return cls({key_id_of(key): key for key in (*(private.public_key() for private in privates), *publics)})

    def jwks(self) -> dict[str, Any]:
        """Return the keys as a JWKS: for `/.well-known/jwks.json`, or a file."""
        return {
            "keys": [
                {**OKPAlgorithm.to_jwk(key, as_dict=True), "kid": key_id, "alg": ALGORITHM, "use": "sig"}
                for key_id, key in self.by_id.items()
            ]
        }

    def pem(self) -> str:
        """Return the keys as PEM, for `from_pem`: for verifiers, who must not be able to sign."""
        form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return "".join(key.public_bytes(*form).decode() for key in self.by_id.values())

    def verify(self, token: str, *, kind: str) -> dict[str, Any]:
        """Return the document in `token`. Raises `NotSigned` unless one of the keys signed it as this kind."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise NotSigned("malformed_signature", f"a signed document has at most {TOKEN_CHARACTERS_MAX} characters")
        try:
            header = _jws.get_unverified_header(token)
            key = self._key_of(header, kind)
            document = json.loads(_jws.decode(token, key, algorithms=[ALGORITHM]))
        except InvalidSignatureError:
            raise NotSigned("bad_signature", "the signature does not match the document") from None
        except (InvalidTokenError, ValueError, RecursionError):
            raise NotSigned("malformed_signature", "this is not a compact JWS (EdDSA)") from None
        if not isinstance(document, dict):
            raise NotSigned("malformed_signature", "the signed document is not a JSON object")
        return document

    def _key_of(self, header: Mapping[str, Any], kind: str) -> Ed25519PublicKey:
        # a document signed as one kind must not pass as another (RFC 8725, 3.11)
        if header.get("typ") != kind:
            raise NotSigned("wrong_kind", f"this was not signed as {kind}")
        key_id = header.get("kid")
        if not isinstance(key_id, str) or key_id not in self.by_id:
            raise NotSigned("unknown_key", "it names a key that is not ours")
        return self.by_id[key_id]


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The key that signs, and the public keys of all signatures that are still valid."""

    key_id: str
    public: PublicKeys
    _private: Ed25519PrivateKey

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return the keys in a PEM file. Raises `NoSigningKey`."""
        privates, _ = _keys_in(file)
        if not privates:
            raise NoSigningKey(f"signing key file {file} has no private key; openssl genpkey -algorithm ed25519")
        return cls(key_id_of(privates[0].public_key()), PublicKeys.from_pem(file), privates[0])

    @classmethod
    def load_or_create(cls, file: Path) -> Self:
        """Return the keys in the file, creating it the first time, readable only by its owner."""
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=file.parent) as created:
                created.write(new_key())
                created.flush()
                # atomic; if two processes create a key, the first one's stays
                with suppress(FileExistsError):
                    os.link(created.name, file)
        return cls.read(file)

    def sign(self, document: Mapping[str, Any], *, kind: str) -> str:
        """Return the document as a compact JWS. `kind` becomes its `typ`, so that it cannot pass as anything else.

        The document must be JSON. The same document gives the same token: Ed25519 is deterministic.
        """
        payload = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        return _jws.encode(payload, self._private, algorithm=ALGORITHM, headers={"kid": self.key_id, "typ": kind})


def new_key() -> bytes:
    """Return a new private key as PEM."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_id_of(key: Ed25519PublicKey) -> str:
    """Return the id of a key: its thumbprint (RFC 7638), so that two keys never share an id."""
    x = OKPAlgorithm.to_jwk(key, as_dict=True)["x"]
    required = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": x}, separators=(",", ":"))
    return urlsafe_b64encode(sha256(required.encode()).digest()).rstrip(b"=").decode()


def _keys_in(file: Path) -> tuple[list[Ed25519PrivateKey], list[Ed25519PublicKey]]:
    try:
        blocks = [(match[1], match[0]) for match in PEM_BLOCK.finditer(file.read_bytes())]
        privates = [_private_key(block) for label, block in blocks if label.endswith(b"PRIVATE KEY")]
        publics = [_public_key(block) for label, block in blocks if label == b"PUBLIC KEY"]
    except OSError as error:
        raise NoSigningKey(f"signing key file {file}: {error.strerror}") from None
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise NoSigningKey(f"signing key file {file}: a key in it is not an unencrypted Ed25519 key") from None
    return privates, publics


def _private_key(pem: bytes) -> Ed25519PrivateKey:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError
    return key


def _public_key(pem: bytes) -> Ed25519PublicKey:
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError
    return key
