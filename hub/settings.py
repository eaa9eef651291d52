"""The settings: environment `HUB_*` over `config/hub.toml`, one validated object made at start.

    settings = load_settings()

Whatever is not known or not allowed is refused, naming where it stands, the key and the reason.
Nothing else in the hub reads the environment.
"""

import os
import secrets
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from typing_extensions import override

from hub.model.errors import SettingsInvalid

FILE = Path("config/hub.toml")
PREFIX = "HUB_"
TEST_PREFIX = "HUB_TEST_"
KEY_FILE = "secret.key"
_KEY_CHARACTERS = 32


class Settings(BaseSettings):
    """Every setting, with its default and effect; environment names are `HUB_` + upper case.

    Attributes:
        data_dir: folder of what the hub itself keeps: SQLite file, key, files, spool.
        database_url: `postgresql://USER:PASSWORD@HOST:PORT/NAME`; default SQLite in `data_dir`.
        redis_url: wake-ups and rate limits of several processes; default: inside the process.
        host, port: where HTTP is served.
        public_url: how browsers and providers reach the hub: signatures, links, Origin checks.
            Default `http://HOST:PORT`. https except on loopback (or with `allow_http`).
        allow_http: allow a public URL without TLS on another host; cookies can then be read on
            the way. For a closed test network only.
        files: a folder, or `s3://bucket/prefix`; default `DATA_DIR/files`.
        max_upload_mb: size of one file in megabytes (10^6 bytes).
        secret_key: a list (comma-separated in the environment): the first encrypts, all decrypt.
            At least 32 characters each. Made by itself on SQLite only.
        log_level: debug shows more, still without message text above it.
        log_format: `text` for people, `json` for collectors.
        shutdown_s: how long running requests may take after SIGTERM.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True
    )

    data_dir: Path = Path("data")
    database_url: str = ""
    redis_url: str = ""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    public_url: str = ""
    allow_http: bool = False
    files: str = ""
    max_upload_mb: Annotated[int, Field(ge=1, le=2000)] = 25
    secret_key: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    shutdown_s: Annotated[float, Field(ge=1, le=300)] = 20.0

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options of the command line, then the environment, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @field_validator("secret_key", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [key.strip() for key in value.split(",")] if isinstance(value, str) else value

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < _KEY_CHARACTERS for key in value):
            raise ValueError(f"each key needs at least {_KEY_CHARACTERS} random characters")
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("use sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("use redis://HOST:PORT/NUMBER or rediss://…")
        return value

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("use https://HOST")
        if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
            raise ValueError("only scheme, host and port: the hub owns the whole host")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _safe(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not self.allow_http:
            raise ValueError(
                "public_url must be https:// on anything but loopback: set HUB_PUBLIC_URL, or"
                " HUB_ALLOW_HTTP=true on a closed test network"
            )
        return self

    @property
    def url(self) -> str:
        """The public URL, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir / 'hub.db'}"

    @property
    def on_sqlite(self) -> bool:
        """Tell whether the database is a file."""
        return self.database.startswith("sqlite:")

    @property
    def files_place(self) -> str:
        """Where files are kept."""
        return self.files or str(self.data_dir / "files")


def load_settings(file: Path | None = None, **options: Any) -> Settings:
    """Read the settings.

    Args:
        file: default `config/hub.toml`, which need not exist; one that is named must.
        options: from the command line; None means not given.

    Raises:
        SettingsInvalid: params say file, key and reason.
    """
    path = file or FILE
    if file is not None and not file.exists():
        raise SettingsInvalid(file=str(file), key="", reason="there is no such file")
    _refuse_unknown(os.environ)
    given = {name: value for name, value in options.items() if value is not None}

    class Here(Settings):
        model_config = SettingsConfigDict(toml_file=path if path.exists() else None)

    try:
        return Here(**given)
    except ValidationError as error:
        raise _refused(error, path, given) from None
    except (ValueError, OSError) as error:  # the file is no TOML
        raise SettingsInvalid(file=str(path), key="", reason=str(error)[:200]) from None


def secret_keys(settings: Settings) -> list[bytes]:
    """Return the keys, newest first; on SQLite made and kept in `DATA_DIR/secret.key` (0600).

    Raises:
        SettingsInvalid: there is none on PostgreSQL, or the file is readable by others.
    """
    if settings.secret_key:
        return [key.get_secret_value().encode() for key in settings.secret_key]
    if not settings.on_sqlite:
        raise SettingsInvalid(
            file="environment",
            key="HUB_SECRET_KEY",
            reason="required with PostgreSQL: every process needs the same keys",
        )
    path = settings.data_dir / KEY_FILE
    if not path.exists():
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_urlsafe(32) + "\n")
            out.flush()
            os.fsync(out.fileno())
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise SettingsInvalid(
            file=str(path), key="", reason="others can read the key: chmod 600 it"
        )
    keys = [line.strip().encode() for line in path.read_text().splitlines() if line.strip()]
    if not keys or any(len(key) < _KEY_CHARACTERS for key in keys):
        raise SettingsInvalid(file=str(path), key="", reason="holds no usable key")
    return keys


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(environ):
        upper = name.upper()
        if upper.startswith(PREFIX) and not upper.startswith(TEST_PREFIX) and upper not in known:
            raise SettingsInvalid(file="environment", key=name, reason="there is no such setting")


def _refused(error: ValidationError, path: Path, given: Mapping[str, Any]) -> SettingsInvalid:
    first = error.errors(include_input=False, include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        reason = "there is no such setting"
    head = str(first["loc"][0]) if first["loc"] else ""
    env_name = PREFIX + head.upper()
    if head in given:
        return SettingsInvalid(
            file="command line", key=f"--{head.replace('_', '-')}", reason=reason
        )
    if head and env_name in os.environ:
        return SettingsInvalid(file="environment", key=env_name, reason=reason)
    return SettingsInvalid(file=str(path), key=key, reason=reason)
