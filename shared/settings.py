"""What a service is told by its environment. Every name and default stands here, nowhere else."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """One process of one service. Variables begin with `PERENNIAL_`."""

    model_config = SettingsConfigDict(env_prefix="PERENNIAL_", frozen=True)

    database_url: SecretStr
    """The service's own ledger, as its unprivileged role."""
    kafka_bootstrap_servers: str = "127.0.0.1:9092"
    mode: Literal["production", "sandbox"] = "production"
    """What the ledger was made for; a service started for the other one refuses."""
    worker: str = "1"
    """Names this process among the workers of its service. Stable over restarts, so that it rejoins at once."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65535)
    """0 takes a free port."""
    operator_key_hash: str = ""
    """SHA-256 of the operator key, hexadecimal. Empty: nobody is an operator."""
    batch_records_max: int = Field(default=1_000, ge=1, le=10_000)
    """How many records, events or timers one round trip takes at most."""
    database_connections_max: int = Field(default=10, ge=4, le=100)
    stop_seconds_max: float = Field(default=15.0, gt=0)
    """How long a stop waits for what is in flight."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
