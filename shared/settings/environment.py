"""What a service is told by its environment. Every name and default stands here, nowhere else."""

import socket
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.rules.policy import POLICY, Policy
from shared.settings.policy_file import read_policy
from shared.settings.secrets import WrongSetting, secrets_folders

PREFIX = "PERENNIAL_"


class ServiceSettings(BaseSettings):
    """One process of one service. Variables begin with `PERENNIAL_`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    database_url: SecretStr
    """The service's own ledger, as its unprivileged role."""
    kafka_bootstrap_servers: str = "127.0.0.1:9092"
    mode: Literal["production", "sandbox"] = "production"
    """What the ledger was made for; a service started for the other one refuses."""
    worker: str = Field(default_factory=socket.gethostname)
    """Names this process among the workers of its service. Stable over restarts, so that it rejoins at once; the
    machine's name, which is a container's own, serves where each machine runs one."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65535)
    """0 takes a free port."""
    operator_key_hash: str = ""
    """SHA-256 of the operator key, hexadecimal. Empty: nobody is an operator."""
    signing_key_file: Path | None = None
    """PEM file with the service's Ed25519 keys, the first of which signs. None: nothing is signed."""
    console_keys_file: Path | None = None
    """PEM file with the public key of the console, that is of the activation service: whose operator tokens the device
    service believes. None: nobody's."""
    device_url: str = "http://127.0.0.1:8101"
    """Where the console finds the device service's doors."""
    policy_file: Path | None = None
    """JSON file with the vendor's policy (`shared.rules.policy`). None: the standard one."""
    enrollments_per_minute: int = Field(default=600, ge=1, le=1_000_000)
    """How many devices of one address may enroll; the operator may enroll as many as it likes."""
    checkpoint_folder: Path | None = None
    """Where signed checkpoints of the ledger go, best out of the database's reach. None: they are not made."""
    checkpoint_seconds: float = Field(default=3_600.0, ge=1)
    """How often, if anything happened."""
    batch_records_max: int = Field(default=1_000, ge=1, le=10_000)
    """How many records, events or timers one round trip takes at most."""
    database_connections_max: int = Field(default=10, ge=4, le=100)
    stop_seconds_max: float = Field(default=15.0, gt=0)
    """How long a stop waits for what is in flight."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    """Text for people, or JSON lines for machines."""

    def policy(self) -> Policy:
        """Return the policy in use. Raises `WrongSetting` if its file cannot be read or is none."""
        if self.policy_file is None:
            return POLICY
        try:
            return read_policy(self.policy_file)
        except (OSError, ValueError) as error:
            raise WrongSetting(f"policy file {self.policy_file}: {error}") from None


def from_environment() -> ServiceSettings:
    """Return the settings of this process, secrets from files included. Raises `WrongSetting`."""
    folders = secrets_folders()
    try:
        return ServiceSettings(_secrets_dir=folders)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        name = str(wrong["loc"][0])
        if wrong["type"] == "missing":
            where = f", or write it to {folders[0] / (PREFIX + name).lower()}" if folders else ""
            raise WrongSetting(f"{PREFIX}{name.upper()} is missing: set it{where}") from None
        raise WrongSetting(f"{PREFIX}{name.upper()} cannot be used: {wrong['msg']}") from None
