"""`perennial secrets`: generates the passwords, database URLs and keys of a deployment."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from services.cli.examples import examples
from services.cli.names import SERVICES, ServiceName
from services.cli.output import AsJson, show
from shared.keys.signing import KeyRing, PublicKeys
from shared.ledger.identity import hash_of, new_secret

app = typer.Typer(no_args_is_help=True, help="Generate the secrets of a deployment.")

READABLE = 0o444
"""Anyone with access to the folder may read the file: access is controlled per folder."""


@app.command(epilog=examples("perennial secrets make /secrets --device-host db-1 --activation-host db-2"))
def make(
    folder: Annotated[Path, typer.Argument(help="The folder for the secrets.")],
    device_host: Annotated[str, typer.Option(help="The database host of the device service.")] = "postgres-device",
    activation_host: Annotated[
        str, typer.Option(help="The database host of the activation service.")
    ] = "postgres-activation",
    as_json: AsJson = False,
) -> None:
    """Generate the secrets that are missing, and keep those that exist.

    The subfolders are SERVICE-owner, SERVICE-service and operator: mount each only where it is needed.
    """
    made: list[str] = []
    operator = folder / "operator"
    key = _load_or_write(operator / "perennial_operator_key", new_secret(), made)
    hosts: dict[ServiceName, str] = {"device": device_host, "activation": activation_host}
    for service in SERVICES:
        owner, own = folder / f"{service}-owner", folder / f"{service}-service"
        place = f"{hosts[service]}:5432/{service}"
        password = _load_or_write(owner / "password", _password(), made)
        _load_or_write(owner / "perennial_owner_database_url", f"postgresql://postgres:{password}@{place}", made)
        address = f"postgresql://{service}_service:{_password()}@{place}"
        url = _load_or_write(own / "perennial_database_url", address, made)
        _load_or_write(own / "perennial_operator_key_hash", hash_of(key).hex(), made)
        _load_or_write(operator / f"perennial_{service}_database_url", url, made)
        KeyRing.load_or_create(own / "signing.pem")
        (own / "signing.pem").chmod(READABLE)
    # the console runs in the activation service, and the device service has to trust its tokens
    console = PublicKeys.from_pem(folder / "activation-service" / "signing.pem").pem()
    _load_or_write(folder / "device-service" / "console.pem", console, made)
    show({"made": made}, as_json=as_json)


def _password() -> str:
    return secrets.token_hex(24)


def _load_or_write(file: Path, new: str, made: list[str]) -> str:
    """Return the content of the file; if there is none, write `new` first."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f"{file.name}.partial")
        partial.write_text(new)
        partial.chmod(READABLE)
        partial.rename(file)
        made.append(f"{file.parent.name}/{file.name}")
    return file.read_text()
