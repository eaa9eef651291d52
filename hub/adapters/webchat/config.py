"""What an administrator enters for a chat widget."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator

from hub.model.channel import Capabilities, ChannelConfig
from hub.model.widget import PrechatField, WidgetPolicy

_PORTS = {"http": 80, "https": 443}
_LANGUAGE = re.compile(r"\A[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z")
_SECRET_CHARACTERS = 32
# What a page could run or a desktop start on a click is on no list, whatever an administrator adds.
NEVER = frozenset(
    {
        "svg", "svgz", "html", "htm", "xhtml", "xht", "xml", "xsl", "xslt", "mht", "mhtml", "js",
        "mjs", "exe", "dll", "msi", "msix", "appx", "bat", "cmd", "com", "scr", "pif", "cpl", "ps1",
        "vbs", "vbe", "jse", "wsf", "wsh", "hta", "jar", "sh", "app", "dmg", "pkg", "deb", "rpm",
        "apk", "lnk", "url", "reg", "iso", "img", "chm", "swf", "php", "py",
    }
)  # fmt: skip
DEFAULT_EXTENSIONS = (
    "png", "jpg", "jpeg", "gif", "webp", "heic", "pdf", "txt", "csv", "doc", "docx", "xls", "xlsx",
    "ppt", "pptx", "zip", "mp3", "m4a", "wav", "ogg", "mp4", "mov", "webm",
)  # fmt: skip

CAPABILITIES = Capabilities(
    max_text_chars=20_000,
    max_media=10,
    max_media_bytes=25_000_000,
    choices=True,
    typing=True,
    delivered=True,
    read=True,
    # Whoever chatted once reads it when they come back; a stranger has no address here.
    can_start=True,
    live=True,
    rate_per_s=500.0,
)


def _origin(text: str) -> str:
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise ValueError("not an origin") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None:
        raise ValueError("an origin is https://host or https://host:port")
    if parts.path.strip("/") or parts.query or parts.fragment or "*" in parts.hostname:
        raise ValueError("an origin has no path and no *")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    tail = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{tail}"


def _extension(text: str) -> str:
    found = text.strip().lower().lstrip(".")
    if not re.fullmatch(r"[a-z0-9]{1,10}", found):
        raise ValueError("not a file extension")
    if found in NEVER:
        raise ValueError("files of this kind can run and are never taken")
    return found


Sentence = Annotated[str, Field(max_length=500)]


class WebchatConfig(ChannelConfig):
    """One widget.

    Attributes:
        allowed_origins: of the pages that embed it, `https://shop.example`; compared exactly.
        identity_secret: signs the site's tokens for its logged-in users; without one nobody can be
            signed in. At least 32 characters.
        greeting: by language; shown once beside the closed launcher.
        welcome: by language; the first line of the open panel.
        prechat: questions before the chat; empty: none.
        extensions: of files visitors may send.
        max_file_mb: of one file, beside the hub's own limit.
    """

    allowed_origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        default=(), max_length=100
    )
    identity_secret: SecretStr | None = None
    title: str = Field(default="", max_length=80)
    colour: str = Field(default="#0b6bcb", pattern=r"^#[0-9a-fA-F]{6}$")
    position: Literal["right", "left"] = "right"
    languages: tuple[str, ...] = ("en", "zh-CN")
    greeting: dict[str, Sentence] = Field(default_factory=dict, max_length=20)
    welcome: dict[str, Sentence] = Field(default_factory=dict, max_length=20)
    prechat: tuple[PrechatField, ...] = Field(default=(), max_length=4)
    extensions: tuple[Annotated[str, AfterValidator(_extension)], ...] = DEFAULT_EXTENSIONS
    max_file_mb: int = Field(default=10, ge=1, le=100)

    @field_validator("identity_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _SECRET_CHARACTERS:
            raise ValueError(f"needs at least {_SECRET_CHARACTERS} random characters")
        return value

    @field_validator("languages")
    @classmethod
    def _tags(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not all(_LANGUAGE.match(tag) for tag in value):
            raise ValueError("needs BCP 47 tags, the default one first")
        return value

    @field_validator("greeting", "welcome")
    @classmethod
    def _by_language(cls, value: dict[str, str]) -> dict[str, str]:
        if not all(_LANGUAGE.match(tag) for tag in value):
            raise ValueError("keys are BCP 47 tags")
        return value

    def policy(self) -> WidgetPolicy:
        """Return what of this may be known outside the adapter."""
        return WidgetPolicy(
            allowed_origins=frozenset(self.allowed_origins),
            title=self.title,
            colour=self.colour,
            position=self.position,
            languages=self.languages,
            greeting=dict(self.greeting),
            welcome=dict(self.welcome),
            prechat=self.prechat,
            extensions=frozenset(self.extensions),
            max_file_bytes=self.max_file_mb * 1_000_000,
        )
