"""The list of kinds: lazy, and open to other packages, which can add a kind but replace none."""

import subprocess
import sys
from pathlib import Path

import pytest

import hub.adapters
from hub.adapters import KINDS, manifest, manifests

ROOT = Path(__file__).resolve().parents[2]
PIGEON = """
from hub.adapters import manifest
from hub.model.channel import Manifest
import dataclasses
def __getattr__(name):
    if name != "MANIFEST": raise AttributeError(name)
    return dataclasses.replace(manifest("twilio_sms"), kind="pigeon")
"""


def run_with_package(folder: Path, code: str) -> str:
    """Run `code` in a fresh interpreter that finds a package of adapters in `folder`."""
    (folder / "carrier_pigeon.py").write_text(PIGEON)
    (folder / "not_an_adapter.py").write_text("MANIFEST = 1")
    info = folder / "carrier_pigeon-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: carrier-pigeon\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[hub.adapters]\npigeon = carrier_pigeon\nbroken = not_an_adapter\n"
        "other = carrier_pigeon\ntwilio_sms = carrier_pigeon\n"
    )
    start = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(folder)!r}]\n"
    done = subprocess.run(
        [sys.executable, "-c", start + code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_our_kinds_are_read() -> None:
    assert set(KINDS) <= set(manifests())
    assert [found.kind for found in hub.adapters.MANIFESTS] == list(KINDS)
    with pytest.raises(KeyError):
        manifest("smoke_signals")
    with pytest.raises(AttributeError):
        _ = hub.adapters.NOTHING  # type: ignore[attr-defined]


def test_a_package_adds_a_kind_but_replaces_none(tmp_path: Path) -> None:
    code = """
from hub.adapters import AdapterInvalid, kinds, manifest, module_name
print(sorted({"pigeon", "broken"} & set(kinds())), manifest("pigeon").kind, module_name("pigeon"))
print(manifest("twilio_sms").kind, module_name("twilio_sms"), kinds().count("twilio_sms"))
for kind in ("broken", "other"):
    try: manifest(kind)
    except AdapterInvalid as error: print(error)
"""
    assert run_with_package(tmp_path, code).splitlines() == [
        "['broken', 'pigeon'] pigeon carrier_pigeon",
        "twilio_sms hub.adapters.twilio_sms 1",
        "not_an_adapter exports no MANIFEST",
        "carrier_pigeon is of kind pigeon, listed as other",
    ]
