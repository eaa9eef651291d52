"""The demo's parts: its mark, its past, its files, its routes, its people."""

import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from hub.demo import mark
from hub.demo.customers import KINDS
from hub.demo.dialogues import dialogues, fitting
from hub.demo.past import Kind, past_moments
from hub.demo.people import COLLEAGUES, PEOPLE, QUEUES, SKILLS, TAGS, UNITS
from hub.demo.pictures import make_file
from hub.demo.seed_company import RULES
from hub.model.errors import SettingsInvalid

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NOTHING = {"HUB_DATABASE_URL": ""}


def _check(folder: Path, host: str = "127.0.0.1", public: str = "127.0.0.1") -> None:
    mark.check(folder, host=host, public_host=public, elsewhere=NOTHING)


def test_only_marked_or_empty_folders_on_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    _check(folder)
    mark.prepare(folder)
    _check(folder)
    assert not mark.is_seeded(folder)
    for host, public in (("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "desk.example.com")):
        with pytest.raises(SettingsInvalid, match="demo_refused"):
            _check(folder, host, public)
    other = tmp_path / "other"
    other.mkdir()
    _check(other)
    (other / "hub.db").touch()
    with pytest.raises(SettingsInvalid, match="demo_refused"):
        _check(other)


def test_a_seeding_that_never_ended_is_begun_anew(tmp_path: Path) -> None:
    mark.prepare(tmp_path)
    (tmp_path / "hub.db").touch()
    (tmp_path / "files").mkdir()
    mark.prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [mark.FILE]
    mark.set_seeded(tmp_path)
    (tmp_path / "hub.db").touch()
    mark.prepare(tmp_path)
    assert (tmp_path / "hub.db").exists()
    assert mark.is_seeded(tmp_path)


def test_the_past_is_a_week_the_same_each_time_and_in_order() -> None:
    moments = past_moments(NOW, talks=120, seed=3)
    assert moments == past_moments(NOW, talks=120, seed=3)
    assert [one.at for one in moments] == sorted(one.at for one in moments)
    assert all(0 < (NOW - one.at).days < 9 for one in moments[:50])
    talks = {one.talk.number for one in moments}
    ended = {one.talk.number for one in moments if one.kind is Kind.RESOLVES}
    assert len(talks) == 120
    assert ended == talks
    assert {one.talk.way for one in moments} == set(KINDS)
    assert {one.talk.dialogue.language for one in moments} == {"en", "zh-CN"}


def test_everybody_has_something_to_say_on_every_way_they_have() -> None:
    for person in PEOPLE:
        assert person.ways
        for way in person.ways:
            assert all(one.customer and one.agent for one in fitting(way, person.language))
    for language in ("en", "zh-CN"):
        for kind in KINDS:
            assert any(one.fits(kind, language) for one in dialogues()), (kind, language)


def test_names_refer_to_what_there_is() -> None:
    queues = {name for name, _unit, _config in QUEUES}
    units = {name for name, _parent in UNITS}
    assert {parent for _name, parent in UNITS} - {None} <= units
    for one in COLLEAGUES:
        assert set(one.queues) <= queues
        assert set(one.skills) <= set(SKILLS)
        assert one.unit in units
    routed = {rule["route"]["queue"] for rule in yaml.safe_load(RULES.read_text())["rules"]
              if "route" in rule}  # fmt: skip
    assert routed == queues
    tags = {name for name, _colour in TAGS}
    assert all(set(one.tags) <= tags for one in dialogues())


@pytest.mark.parametrize("kind", ["router", "speed", "bill", "contract"])
def test_files_are_what_their_names_say(kind: str) -> None:
    file = make_file(kind, 7)
    assert file == make_file(kind, 7)
    if file.is_picture:
        assert file.data.startswith(b"\x89PNG\r\n\x1a\n")
        start = file.data.index(b"IDAT") + 4
        assert len(zlib.decompress(file.data[start:-16])) == 200 * (1 + 320 * 3)
    else:
        assert file.data.startswith(b"%PDF-1.4")
        place = int(file.data.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
        assert file.data[place : place + 4] == b"xref"
