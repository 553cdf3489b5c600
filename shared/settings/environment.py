"""A service's settings from the environment. This is the only place with their names and defaults."""

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
    """The mode that the ledger was created for; a service with the other mode refuses to start."""
    worker: str = Field(default_factory=socket.gethostname)
    """This process's name among the workers of its service. It must survive restarts, so that the worker rejoins at
    once. The default, the host name, is enough if each machine or container runs one worker."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65535)
    """0 takes a free port."""
    operator_key_hash: str = ""
    """SHA-256 of the operator key, hexadecimal. Empty: there is no operator."""
    signing_key_file: Path | None = None
    """PEM file with the service's Ed25519 keys; the first one signs. None: nothing is signed."""
    console_keys_file: Path | None = None
    """PEM file with the activation service's public key: the device service accepts the console's operator tokens
    signed with it. None: no operator tokens are accepted."""
    device_url: str = "http://127.0.0.1:8101"
    """Where the console reaches the device service."""
    policy_file: Path | None = None
    """JSON file with the vendor's policy (`shared.rules.policy`). None: the standard policy."""
    enrollments_per_minute: int = Field(default=600, ge=1, le=1_000_000)
    """How many devices may enroll from one address; there is no limit for the operator."""
    checkpoint_folder: Path | None = None
    """Where signed checkpoints of the ledger go, best out of the database's reach. None: none are made."""
    checkpoint_seconds: float = Field(default=3_600.0, ge=1)
    """How often a checkpoint is made, if anything has happened."""
    batch_records_max: int = Field(default=1_000, ge=1, le=10_000)
    """The maximum number of records, events or timers in one round trip."""
    database_connections_max: int = Field(default=10, ge=4, le=100)
    stop_seconds_max: float = Field(default=15.0, gt=0)
    """How long a stop waits for work in flight."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    """Text for people, or JSON lines for machines."""

    def policy(self) -> Policy:
        """Return the policy in use. Raises `WrongSetting` if its file cannot be read or is invalid."""
        if self.policy_file is None:
            return POLICY
        try:
            return read_policy(self.policy_file)
        except (OSError, ValueError) as error:
            raise WrongSetting(f"policy file {self.policy_file}: {error}") from None


def from_environment() -> ServiceSettings:
    """Return the settings of this process, including secrets from files. Raises `WrongSetting`."""
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
