"""The only reader of the environment: every `FASHION_STUDIO_…` variable, its meaning and default."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.errors import HomeNotWritable, SettingsInvalid


class Settings(BaseSettings):
    """What can be set from outside; see `docs/settings.md`."""

    model_config = SettingsConfigDict(env_prefix="FASHION_STUDIO_", env_ignore_empty=True)

    home: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("fashion-studio", appauthor=False)),
        description="data folder: embedded database, compiled models, demo",
    )
    database_url: str | None = Field(
        default=None,
        description="any Postgres with pgvector, postgresql+psycopg://…; unset: the embedded server",
    )
    database_password_file: Path | None = Field(
        default=None, description="file that holds the password of a database URL without one"
    )
    replica_url: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="standbys of the database that answer reads, separated by spaces; what a URL "
        "leaves out is as in the database's",
    )
    replica_lag_seconds: float = Field(
        default=10,
        ge=2,
        le=86_400,
        description="how far behind a replica may be to answer, in seconds",
    )
    model: Path | None = Field(
        default=None, description="folder of a model bundle; unset: the bundle that ships"
    )
    image_root: str | None = Field(
        default=None,
        description="folder or fsspec URL that image_path is relative to; unset: current folder",
    )
    runtime: Literal["openvino", "tensorflow"] = Field(
        default="openvino", description="what runs the network"
    )
    precision: Literal["auto", "bf16", "f32", "int8"] = Field(
        default="auto",
        description="how OpenVINO computes; auto: as the bundle says, or else "
        "bf16 where the processor has it; "
        "int8: once it was made by quantize",
    )
    access: Literal["auto", "keys", "open"] = Field(
        default="auto",
        description="who may use the HTTP API; auto: once a key was made only those with one, "
        "before that everyone on this machine",
    )
    max_image_bytes: int = Field(
        default=20_000_000, ge=1, description="largest image file read, in bytes"
    )
    max_image_pixels: int = Field(
        default=50_000_000,
        ge=1,
        le=178_956_970,  # from where on Pillow itself refuses
        description="largest picture decoded, in pixels, at most 178,956,970",
    )
    max_set_images: int = Field(default=200, ge=1, description="most images in one uploaded set")
    max_set_bytes: int = Field(
        default=500_000_000, ge=1, description="largest upload of a set, in bytes"
    )
    import_roots: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="folders and URLs that imports over HTTP may read; unset: none"
    )
    duplicate_similarity: float = Field(
        default=0.95, gt=0, le=1, description="cosine from which on two garments are duplicates"
    )
    max_in_flight: int = Field(
        default=32, ge=1, description="requests worked on at once in each process; more are refused"
    )
    request_seconds: float = Field(
        default=30,
        gt=0,
        le=86_400,
        description="seconds after which a request begins no other photo, and each of its statements "
        "is stopped",
    )
    rate_limit: str | None = Field(
        default=None,
        description="requests of one client, one rate such as 600/minute; unset: no limit",
    )
    trusted_proxies: int = Field(
        default=0,
        ge=0,
        description="proxies in front whose X-Forwarded-For and X-Forwarded-Proto are believed",
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="how servers and workers write their logs"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least that is logged"
    )

    @field_validator("import_roots", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        """As in PATH: folders joined by the system's separator, which is no URL's own colon."""
        if not isinstance(value, str):
            return value
        return [root for root in re.split(rf"{re.escape(os.pathsep)}(?!//)", value) if root]

    @field_validator("home", "database_password_file", "model", "image_root", "import_roots")
    @classmethod
    def _expanded(cls, value: Path | str | tuple[str, ...] | None) -> object:
        """What begins with `~` is a home folder: no shell has read it in a unit of systemd, say."""
        if value is None:
            return None
        return tuple(map(_at_home, value)) if isinstance(value, tuple) else _at_home(value)

    @field_validator("replica_url", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return value.split() if isinstance(value, str) else value

    @field_validator("rate_limit")
    @classmethod
    def _is_rate(cls, value: str | None) -> str | None:
        from limits import parse_many

        if value is None:
            return None
        rates = parse_many(value)
        if len(rates) > 1:
            raise ValueError("it names several rates; name one")
        if rates[0].amount < 1:
            raise ValueError("it lets no request in")
        return value

    def folder(self, *parts: str) -> Path:
        """A folder under `home`, made if need be.

        Raises `HomeNotWritable` where it cannot be made or written.
        """
        path = self.home.absolute().joinpath(*parts)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeNotWritable(
                f"Cannot make the data folder {path} ({error.strerror}). "
                "Set FASHION_STUDIO_HOME to a folder that can be written."
            ) from None
        if not os.access(path, os.W_OK | os.X_OK):
            raise HomeNotWritable(
                f"Cannot write the data folder {path}. "
                "Set FASHION_STUDIO_HOME to a folder that can be written."
            )
        return path


def _at_home(path: Path | str) -> Path | str:
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise ValueError("nobody on this machine has the home folder that it begins with")
    return Path(expanded) if isinstance(path, Path) else expanded


def load_settings() -> Settings:
    """Read the environment as it is now. Raises `SettingsInvalid` in one line."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "FASHION_STUDIO_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsInvalid(
            f"{name}={first['input']!r} cannot be used: {first['msg']}."
        ) from None


def tracing_is_wanted() -> bool:
    """Whether OpenTelemetry's own variables name a collector of traces and do not turn it off."""
    named = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not off and any(os.environ.get(name) for name in named)


def untraced() -> str | None:
    """The addresses of which OpenTelemetry's own variables want no spans, as regular expressions."""
    named = ("OTEL_PYTHON_FLASK_EXCLUDED_URLS", "OTEL_PYTHON_EXCLUDED_URLS")
    return next((os.environ[name] for name in named if os.environ.get(name)), None)


def counts_are_shared() -> bool:
    """Whether this process is one of several that count for Prometheus together."""
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ
