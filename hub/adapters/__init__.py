"""The channel kinds the hub knows: one folder each, and this one list.

Importing this module imports no adapter and no SDK. A third party's package joins by the
entry-point group `hub.adapters`: the name is the kind, the value a module that exports MANIFEST.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

from hub.model.channel import Manifest

_OURS: dict[str, str] = {
    # one line per kind, in the order the admin screen shows them
    "webchat": "hub.adapters.webchat",
    "twilio_sms": "hub.adapters.twilio_sms",
    "telegram": "hub.adapters.telegram",
    "slack": "hub.adapters.slack",
    "email": "hub.adapters.email",
}
KINDS: Mapping[str, str] = MappingProxyType(_OURS)
"""Kind to the module that exports its MANIFEST. A new channel is one folder and one line here."""

ENTRY_POINT_GROUP = "hub.adapters"


class AdapterInvalid(Exception):
    """A module listed as an adapter is not one; the hub does not start with it."""


if TYPE_CHECKING:
    MANIFESTS: tuple[Manifest, ...]
    """The manifests of our own kinds, read on first use."""


def __getattr__(name: str) -> tuple[Manifest, ...]:
    if name == "MANIFESTS":
        return tuple(manifest(kind) for kind in KINDS)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def kinds() -> tuple[str, ...]:
    """Return every known kind, ours first, without importing any adapter."""
    return (*KINDS, *(name for name in _third_party() if name not in KINDS))


@cache
def manifest(kind: str) -> Manifest:
    """Return the manifest of one kind, importing its module on first use.

    Raises:
        KeyError: no such kind.
        AdapterInvalid: its module exports no MANIFEST, or one of another kind.
    """
    if kind in KINDS:
        return _read(kind, import_module(KINDS[kind]))
    # Ours come first: an installed package can add a kind, never replace one.
    return _read(kind, _third_party()[kind].load())


def module_name(kind: str) -> str:
    """Return the name of the module that exports a kind's MANIFEST. Raises KeyError."""
    return KINDS[kind] if kind in KINDS else _third_party()[kind].module


def manifests() -> dict[str, Manifest]:
    """Return the manifest of every kind."""
    return {kind: manifest(kind) for kind in kinds()}


@cache
def _third_party() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def _read(kind: str, module: ModuleType) -> Manifest:
    found = getattr(module, "MANIFEST", None)
    if not isinstance(found, Manifest):
        raise AdapterInvalid(f"{module.__name__} exports no MANIFEST")
    if found.kind != kind:
        raise AdapterInvalid(f"{module.__name__} is of kind {found.kind}, listed as {kind}")
    return found
