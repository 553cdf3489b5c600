"""The public keys that are trusted and the key that signs: files named on the command line, or the local system's."""

import json
from pathlib import Path
from typing import Annotated

import typer

from services.cli.connections import Connections
from services.cli.failures import CommandFailed, ExitCode
from services.cli.names import ServiceName
from shared.keys.signing import KeyRing, NoSigningKey, PublicKeys

KeysOption = Annotated[
    Path | None,
    typer.Option("--keys", help="Whose signatures count: a JWKS, or a PEM file.", show_default="the service's own"),
]
SigningKeyOption = Annotated[
    Path | None,
    typer.Option(envvar="PERENNIAL_SIGNING_KEY_FILE", help="What to sign with.", show_default="local"),
]


def trusted_keys(connections: Connections, service: ServiceName, file: Path | None) -> PublicKeys:
    """Return the public keys that are trusted. Raises `CommandFailed` (`no_keys`)."""
    if file is None:
        return signing_keys(connections, service, None).public
    try:
        if file.read_bytes().lstrip().startswith(b"{"):
            return PublicKeys.from_jwks(json.loads(file.read_bytes()))
        return PublicKeys.from_pem(file)
    except (NoSigningKey, OSError, ValueError) as error:
        raise CommandFailed(ExitCode.REFUSED, f"no_keys: {file}: {error}") from None


def signing_keys(connections: Connections, service: ServiceName, file: Path | None) -> KeyRing:
    """Return the keys to sign with. Raises `CommandFailed` (`no_keys`)."""
    try:
        return KeyRing.read(file or connections.signing_key_file(service))
    except NoSigningKey as error:
        raise CommandFailed(ExitCode.REFUSED, f"no_keys: {error}; name a file with --keys or --signing-key") from None
