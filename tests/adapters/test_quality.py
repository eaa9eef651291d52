"""The quality scale: every adapter folder says what it has, and what can be checked is.

`quality.toml` holds the same rules for every kind, each `done`, `todo` or `exempt: reason`. Bronze
allows no `todo`: a channel below it is not shipped. An honest `todo` further up is the roadmap.
"""

import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from hub.adapters import KINDS, manifest
from hub.model.channel import Channel, FetchesMedia, Probes, Pulls, Signals
from tests.adapters.case_files import (
    INTERNAL_METHODS,
    build_channel,
    harness_of,
    read_cases,
)
from tests.adapters.scripted_http import ScriptedHttp

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = ROOT / "hub" / "adapters"
OURS = sorted(KINDS)

SCALE: Mapping[str, tuple[str, ...]] = {
    "bronze": (
        "config_is_typed",
        "signature_verified",
        "replay_refused",
        "case_tables_both_ways",
        "readme",
    ),
    "silver": (
        "errors_mapped_with_certainty",
        "probe_before_save",
        "media_in",
        "media_out",
        "edits_and_deletions",
        "simulator",
        "status_reports",
    ),
    "gold": (
        "second_transport",
        "oauth_installation",
        "choices",
        "typing_signal",
        "sender_names",
        "run_against_the_real_service",
    ),
}
SDKS = ("twilio", "slack_sdk", "slack_bolt", "telegram", "imapclient", "aiosmtplib", "aiosmtpd")


@cache
def scale_of(kind: str) -> dict[str, dict[str, str]]:
    return tomllib.loads((ADAPTERS / kind / "quality.toml").read_text("utf-8"))


def expectations(kind: str, direction: str) -> list[Mapping[str, Any]]:
    return [case.data["expect"] for case in read_cases(kind, direction)]


def items(kind: str) -> list[Mapping[str, Any]]:
    return [item for expect in expectations(kind, "in") for item in expect.get("items", [])]


def channel(kind: str) -> Channel:
    harness = harness_of(kind)
    return build_channel(manifest(kind), harness.CONFIG, ScriptedHttp())


def _config_is_typed(kind: str) -> bool:
    model = manifest(kind).config
    telling = ("token", "secret", "password")
    secrets = [f for n, f in model.model_fields.items() if n.endswith(telling)]
    return model.model_config.get("extra") == "forbid" and all(
        SecretStr in (f.annotation, *getattr(f.annotation, "__args__", ())) for f in secrets
    )


def _replay_refused(kind: str) -> bool:
    return harness_of(kind).REPLAY_WINDOW_S is not None


def _readme(kind: str) -> bool:
    text = (ADAPTERS / kind / "README.md").read_text("utf-8")
    return len(text.splitlines()) >= 20 and "http" in text and "202" in text


def _certainty(kind: str) -> bool:
    errors = [expect.get("error", {}) for expect in expectations(kind, "out")]
    return any(e.get("maybe_sent") for e in errors) and any(e.get("retryable") for e in errors)


def _media_in(kind: str) -> bool:
    return any(item.get("media") for item in items(kind))


def _media_out(kind: str) -> bool:
    return manifest(kind).capabilities.max_media > 0 and any(
        case.data["part"].get("media") for case in read_cases(kind, "out")
    )


def _simulator(kind: str) -> bool:
    provider = kind.split("_")[0]
    return any((ROOT / "hub" / "demo").glob(f"sim_{provider}*.py"))


def _pulls(kind: str) -> bool:
    """Tell whether some configuration of the kind makes a channel that fetches."""
    sources = (path.read_text("utf-8") for path in (ADAPTERS / kind).glob("*.py"))
    return isinstance(channel(kind), Pulls) or any(" def pull(" in source for source in sources)


CHECKS: Mapping[str, Callable[[str], bool]] = {
    "config_is_typed": _config_is_typed,
    # what a signed case is put through stands in test_contract.py
    "signature_verified": lambda kind: any(
        case.data["request"].get("method") not in INTERNAL_METHODS
        for case in read_cases(kind, "in")
    ),
    "replay_refused": _replay_refused,
    "case_tables_both_ways": lambda kind: all(read_cases(kind, way) for way in ("in", "out")),
    "readme": _readme,
    "errors_mapped_with_certainty": _certainty,
    "probe_before_save": lambda kind: isinstance(channel(kind), Probes),
    "media_in": lambda kind: isinstance(channel(kind), FetchesMedia) and _media_in(kind),
    "media_out": _media_out,
    "edits_and_deletions": lambda kind: any(i["type"] == "MessageChange" for i in items(kind)),
    "simulator": _simulator,
    "status_reports": lambda kind: any(i["type"] == "StatusReport" for i in items(kind)),
    "second_transport": _pulls,
    "choices": lambda kind: manifest(kind).capabilities.choices,
    "typing_signal": lambda kind: isinstance(channel(kind), Signals),
}


@pytest.mark.parametrize("kind", OURS)
def test_the_scale_is_whole_and_every_exemption_has_a_reason(kind: str) -> None:
    scale = scale_of(kind)
    for tier, wanted in SCALE.items():
        missing = [rule for rule in wanted if rule not in scale.get(tier, {})]
        assert missing == [], f"{tier} lacks {missing}; further rules of its own are welcome"
    for tier, rules in scale.items():
        for rule, said in rules.items():
            exempt = said.startswith("exempt: ") and len(said) > len("exempt: ") + 10
            assert said in ("done", "todo") or exempt, f"{rule}: {said}"
            assert not (tier == "bronze" and said == "todo"), f"{rule} is what bronze means"


@pytest.mark.parametrize("rule", CHECKS)
@pytest.mark.parametrize("kind", OURS)
def test_what_is_said_to_be_done_is(kind: str, rule: str) -> None:
    said = next(rules[rule] for rules in scale_of(kind).values() if rule in rules)
    if said == "done":
        assert CHECKS[rule](kind), f"{kind} says {rule} is done"


@pytest.mark.parametrize("kind", OURS)
def test_unknown_events_have_a_case(kind: str) -> None:
    assert any(expect.get("ignored") for expect in expectations(kind, "in")), (
        "providers add events; a case must show that one is named in Intake.ignored and answered"
    )


def test_every_adapter_folder_is_listed() -> None:
    folders = {
        path.parent.name
        for path in ADAPTERS.glob("*/__init__.py")
        if path.parent.name != "kit" and "MANIFEST" in path.read_text("utf-8")
    }
    assert folders == set(KINDS), "adding a channel is one folder and one line in hub/adapters"


def test_reading_the_manifests_loads_no_sdk() -> None:
    code = (
        "import sys; from hub.adapters import manifests; manifests();"
        f"print([name for name in {SDKS!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]", "import SDKs inside build: every start pays for them"
