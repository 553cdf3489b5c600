"""A license document is verified offline by a self-contained script, and nothing else passes as one."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.keys.signing import KeyRing

SCRIPT = Path(__file__).parents[2] / "deploy" / "offline" / "verify_license.py"
FAR = int(datetime(2190, 1, 1, tzinfo=UTC).timestamp())
GONE = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
LICENSE: dict[str, Any] = {
    "iss": "/perennial/device",
    "sub": "device-7",
    "device_name": "Ada's notebook",
    "product": "antivirus",
    "iat": GONE,
    "exp": FAR,
    "nonce": "asked-just-now",
}

type Verify = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    """The keys of a service."""
    return KeyRing.load_or_create(tmp_path_factory.mktemp("keys") / "device.pem")


@pytest.fixture
def verify(keys: KeyRing, tmp_path: Path) -> Verify:
    """Run the script on a document, with the keys that the service published."""

    def run(document: str, *nonce: str, jwks: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        (tmp_path / "license.jws").write_text(document + "\n")
        (tmp_path / "jwks.json").write_text(json.dumps(jwks or keys.public.jwks()))
        words = [sys.executable, "-I", str(SCRIPT), "license.jws", "jwks.json", *nonce]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    return run


def test_a_license_document_is_verified_offline_by_a_script_that_stands_alone(keys: KeyRing, verify: Verify) -> None:
    """R-113."""
    done = verify(keys.sign(LICENSE, kind="perennial-license"), "asked-just-now")
    assert (done.returncode, json.loads(done.stdout)) == (0, LICENSE)


def changed(document: str) -> str:
    """Return the document with another device in it, under the old signature."""
    header, payload, signature = document.split(".")
    forged = payload[:20] + ("A" if payload[20] != "A" else "B") + payload[21:]
    return f"{header}.{forged}.{signature}"


@pytest.mark.parametrize(
    ("spoil", "nonce", "why"),
    [
        (lambda keys: changed(keys.sign(LICENSE, kind="perennial-license")), (), "Signature verification failed"),
        (lambda keys: keys.sign({**LICENSE, "exp": GONE}, kind="perennial-license"), (), "Signature has expired"),
        (lambda keys: keys.sign(LICENSE, kind="perennial-status"), (), "this is no license"),
        (lambda keys: keys.sign(LICENSE, kind="perennial-license"), ("asked-before",), "another request"),
        (lambda keys: keys.sign({"sub": "d"}, kind="perennial-license"), (), "missing"),
        (lambda _: "no.license.at-all", (), "not verified"),
        (lambda _: "", (), "not verified"),
    ],
    ids=["changed", "expired", "another kind", "another nonce", "without an end", "nonsense", "empty"],
)
def test_a_document_that_is_not_good_is_refused_with_one_line(
    spoil: Callable[[KeyRing], str], nonce: tuple[str, ...], why: str, keys: KeyRing, verify: Verify
) -> None:
    """R-110, R-113."""
    done = verify(spoil(keys), *nonce)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("not verified: ")
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_document_that_somebody_else_signed_is_refused(verify: Verify, tmp_path: Path) -> None:
    """R-113."""
    stranger = KeyRing.load_or_create(tmp_path / "stranger.pem")
    done = verify(stranger.sign(LICENSE, kind="perennial-license"))
    assert done.returncode == 1
    assert "none of the keys" in done.stderr


def test_the_script_is_short() -> None:
    code = [line for line in SCRIPT.read_text().partition("import json")[2].splitlines() if line.strip()]
    assert len(code) <= 20
