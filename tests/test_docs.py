"""The documentation agrees with the code: links, settings, metrics, rules, kinds, examples."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub import adapters
from hub.cli.main import app
from hub.model.conversation import ConversationState
from hub.model.delivery import DeliveryState
from hub.services.metrics import exposition
from hub.settings import PREFIX, Settings
from hub.unify.identity import IdentityRule
from hub.unify.threading import ThreadRule
from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def text(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """Return the anchors GitHub makes of a page's headings."""
    found = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{target} is not there"
        assert ROOT in place.parents, f"{target} leads out of the project"
        assert not anchor or anchor in anchors(place), f"{target}: no such heading"


def test_every_page_is_found_from_its_index():
    for folder in ("concepts", "channels"):
        index = text(f"{folder}/README.md")
        for page in (ROOT / "docs" / folder).glob("*.md"):
            assert page.name == "README.md" or f"({page.name})" in index


def test_every_setting_stands_in_the_guide():
    guide = text("operators.md")
    named = set(re.findall(r"HUB_[A-Z_]+", guide))
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert named == known


def test_every_metric_stands_in_the_guide():
    guide = text("operators.md")
    for name, kind in re.findall(r"^# TYPE (hub_\w+) (\w+)", exposition().decode(), re.MULTILINE):
        if kind == "gauge" and name.endswith("_created"):
            continue  # when a series began, told beside it
        assert f"`{name}`" in guide


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("concepts/identity-and-threading.md", [*ThreadRule, *IdentityRule]),
        ("concepts/delivery-states.md", list(DeliveryState)),
        ("concepts/conversation-and-case.md", list(ConversationState)),
    ],
)
def test_every_word_has_its_sentence(page, words):
    for word in words:
        assert f"| `{word.value}` |" in text(page)


def test_every_kind_has_a_page():
    for kind in adapters.KINDS:
        assert f"| `{kind}` |" in text(f"channels/{kind}.md")
        assert f"({kind}.md)" in text("channels/README.md")


def test_every_command_stands_on_the_front_page():
    front = (ROOT / "README.md").read_text(encoding="utf-8")
    names = {command.name or (command.callback and command.callback.__name__) for command in
             app.registered_commands}  # fmt: skip
    for name in names - {"version"}:
        assert re.search(rf"`{name}[` ]", front), name
    for group in app.registered_groups:
        assert f"`{group.name or ''} " in front or group.name is None


def configurations() -> Iterator[tuple[str, dict[str, Any]]]:
    guide = text("administrators.md")
    block = guide.split("```json", 1)[1].split("```", 1)[0]
    block = block.replace("AC…", "AC" + "0" * 32).replace("123456:ABC…", "123456:ABCDEFGHIJ")
    decoder = json.JSONDecoder()
    at = 0
    while block[at:].strip():
        at += len(block[at:]) - len(block[at:].lstrip())
        value, at = decoder.raw_decode(block, at)
        yield value["kind"], value["config"]


def test_the_channels_of_the_guide_are_accepted():
    found = dict(configurations())
    assert set(found) == set(adapters.KINDS)
    for kind, config in found.items():
        filled = {k: v * 8 if isinstance(v, str) and v in {"…"} else v for k, v in config.items()}
        if kind == "twilio_sms":
            filled["auth_token"] = "x" * 32
        adapters.manifest(kind).config.model_validate(filled)
