"""`perennial secrets`: what a deployment needs and nobody has to invent: passwords, addresses with them, one key."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from services.cli.examples import examples
from services.cli.names import SERVICES, ServiceName
from services.cli.output import AsJson, show
from shared.keys.signing import KeyRing, PublicKeys
from shared.ledger.identity import hash_of, new_secret

app = typer.Typer(no_args_is_help=True, help="Make the secrets of a deployment.")

READABLE = 0o444
"""Whoever has the folder may read: what keeps others out is who gets which folder."""


@app.command(epilog=examples("perennial secrets make /secrets --device-host db-1 --activation-host db-2"))
def make(
    folder: Annotated[Path, typer.Argument(help="Gets one folder for each who may know something.")],
    device_host: Annotated[str, typer.Option(help="Where the device ledger will be.")] = "postgres-device",
    activation_host: Annotated[str, typer.Option(help="Where the activation ledger will be.")] = "postgres-activation",
    as_json: AsJson = False,
) -> None:
    """Make what is missing and leave what is there: SERVICE-owner, SERVICE-service and operator, each a folder."""
    made: list[str] = []
    operator = folder / "operator"
    key = _kept(operator / "perennial_operator_key", new_secret(), made)
    hosts: dict[ServiceName, str] = {"device": device_host, "activation": activation_host}
    for service in SERVICES:
        owner, own = folder / f"{service}-owner", folder / f"{service}-service"
        place = f"{hosts[service]}:5432/{service}"
        password = _kept(owner / "password", _password(), made)
        _kept(owner / "perennial_owner_database_url", f"postgresql://postgres:{password}@{place}", made)
        address = f"postgresql://{service}_service:{_password()}@{place}"
        url = _kept(own / "perennial_database_url", address, made)
        _kept(own / "perennial_operator_key_hash", hash_of(key).hex(), made)
        _kept(operator / f"perennial_{service}_database_url", url, made)
        KeyRing.load_or_create(own / "signing.pem")
        (own / "signing.pem").chmod(READABLE)
    # the console is the activation service's: the device service has to know its voice
    console = PublicKeys.from_pem(folder / "activation-service" / "signing.pem").pem()
    _kept(folder / "device-service" / "console.pem", console, made)
    show({"made": made}, as_json=as_json)


def _password() -> str:
    return secrets.token_hex(24)


def _kept(file: Path, new: str, made: list[str]) -> str:
    """Return what the file says; write `new` if there is none."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f"{file.name}.partial")
        partial.write_text(new)
        partial.chmod(READABLE)
        partial.rename(file)
        made.append(f"{file.parent.name}/{file.name}")
    return file.read_text()
