"""Settings of a function, typed and read once, at its cold start. Nothing else reads them."""

from __future__ import annotations

import os
from dataclasses import MISSING, dataclass, fields
from typing import Final, TypeVar

SettingsT = TypeVar("SettingsT")


class MissingSettingError(RuntimeError):
    """A setting that the function needs has no value; the message names it."""


def read_settings(kind: type[SettingsT]) -> SettingsT:
    """Fill the dataclass ``kind`` from environment variables named like its fields in capitals.

    Raises:
        MissingSettingError: a field without default has no variable, or an empty one.
    """
    values: dict[str, str] = {}
    for field in fields(kind):  # type: ignore[arg-type] # only dataclasses are passed
        value = os.environ.get(field.name.upper(), "")
        if value:
            values[field.name] = value
        elif field.default is MISSING:
            raise MissingSettingError(f"the environment variable {field.name.upper()} is not set")
    return kind(**values)


IAM: Final = "iam"


@dataclass(frozen=True)
class WriteSide:
    """What a command needs. ``write_database`` is a libpq connection string."""

    write_database: str
    database_authentication: str = IAM

    @property
    def conninfo(self) -> str:
        """The side's database."""
        return self.write_database


@dataclass(frozen=True)
class ReadSide:
    """What a query or a projector needs. ``read_database`` is a libpq connection string."""

    read_database: str
    database_authentication: str = IAM

    @property
    def conninfo(self) -> str:
        """The side's database."""
        return self.read_database


@dataclass(frozen=True)
class Relay:
    """What the relay needs, beside the write database."""

    write_database: str
    kafka_bootstrap_servers: str
    kafka_topic: str
    kafka_authentication: str = IAM
    database_authentication: str = IAM
    watermark_seconds: str = "2"


@dataclass(frozen=True)
class Migrations:
    """What the migrations need: both databases as their owner, and the SQL files' folder."""

    write_database: str
    read_database: str
    migrations_directory: str
    database_authentication: str = IAM


@dataclass(frozen=True)
class Preparation:
    """What makes the databases' owners needs: both servers, and the ids of their masters' secrets.

    A secret's id is empty where the database is there already.
    """

    write_database: str
    read_database: str
    write_master_secret: str = ""
    read_master_secret: str = ""


@dataclass(frozen=True)
class Operations:
    """What operations on read models need: both databases."""

    write_database: str
    read_database: str
    database_authentication: str = IAM


@dataclass(frozen=True)
class Filling:
    """How many events a fill reads per second at most, where nobody says it."""

    fill_events_per_second: str = "2000"


@dataclass(frozen=True)
class BusinessTime:
    """In which time zone (IANA) the business has its days."""

    business_time_zone: str = "UTC"


@dataclass(frozen=True)
class Access:
    """What a function behind a route needs to read tokens: what comes before each scope's name."""

    scope_prefix: str = ""


@dataclass(frozen=True)
class Waiting:
    """How much callers of one query may wait: how long each, in seconds, and how many at a time."""

    longest_wait_seconds: str = "20"
    waiting_callers: str = "50"


@dataclass(frozen=True)
class AwsCredentials:
    """The function's own role, as Lambda hands it to the process."""

    aws_access_key_id: str
    aws_secret_access_key: str
    aws_region: str
    aws_session_token: str = ""


@dataclass(frozen=True)
class ServedCredentials:
    """Where the role's keys are served, in an environment that was restored from a snapshot."""

    aws_container_credentials_full_uri: str = ""
    aws_container_authorization_token: str = ""
    aws_region: str = ""


@dataclass(frozen=True)
class RuntimeApi:
    """Where the environment reaches Lambda."""

    aws_lambda_runtime_api: str = ""


@dataclass(frozen=True)
class Stage:
    """Which of the deployed systems this is, such as ``production``: its metrics name it."""

    stage: str = "local"


def is_deployed() -> bool:
    """Return whether this is a Lambda environment, or its like on one machine."""
    return "_HANDLER" in os.environ


def function_stem() -> str:
    """Return the name that file, route, test and log lines share, such as ``place_order``."""
    parts = os.environ.get("_HANDLER", "").split(".")
    return parts[-2] if len(parts) > 1 else "local"
