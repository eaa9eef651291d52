"""What happened in the week before the demo began: made up by a seeded random, as plain values."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hub.demo.dialogues import Dialogue, fitting
from hub.demo.people import COLLEAGUES, PEOPLE, SLACK_PARTNERS, Colleague, Person
from hub.model.visibility import Role

DAYS = 7
CLOSED_DAYS = 4
"""Talks of people who go on writing ended so long ago that their next message begins a new one."""

_FAMILY = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕张孔曹严华金魏陶姜"
_GIVEN = (
    "伟", "芳", "敏", "静", "磊", "强", "洋", "艳", "勇", "杰", "娟", "涛", "明", "超", "秀兰",
    "霞", "平", "刚", "桂英", "文博", "子涵", "欣怡", "浩然", "雨桐", "思远", "佳琪", "建华",
)  # fmt: skip
_FIRST = (
    "Alice", "Ben", "Clara", "David", "Ella", "Frank", "Hannah", "Ian", "Jane", "Kevin", "Laura",
    "Mark", "Nina", "Oscar", "Paula", "Quinn", "Rosa", "Sam", "Tina", "Victor", "Wendy", "Zoe",
)  # fmt: skip
_LAST = (
    "Adams", "Bell", "Carter", "Diaz", "Evans", "Foster", "Green", "Hughes", "Ivanov", "Jensen",
    "Keller", "Lopez", "Moore", "Nash", "Owens", "Park", "Reed", "Singh", "Tran", "Young",
)  # fmt: skip
_WAYS = (
    "webchat", "webchat", "webchat", "email", "email", "twilio_sms", "twilio_sms", "telegram",
)  # fmt: skip


class Kind(StrEnum):
    """What happens at a moment."""

    WRITES = "writes"  # the customer
    TAKES = "takes"  # the agent takes the work
    ANSWERS = "answers"
    NOTES = "notes"
    RESOLVES = "resolves"


@dataclass(frozen=True, slots=True)
class PastTalk:
    """One conversation of the week."""

    number: int
    person: Person
    way: str
    dialogue: Dialogue
    agent: Colleague


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened; `turn` counts the talk's lines of its kind."""

    at: datetime
    talk: PastTalk
    kind: Kind
    turn: int = 0


def past_moments(now: datetime, *, talks: int, seed: int) -> list[Moment]:
    """Return the week before `now`, in the order of time."""
    dice = random.Random(seed)  # noqa: S311 - made-up history, not a secret
    moments: list[Moment] = []
    people: list[tuple[Person, float]] = [
        (person, dice.uniform(CLOSED_DAYS, DAYS)) for person in PEOPLE
    ]
    strangers = range(max(0, talks - len(people)))
    people += [
        (stranger(dice, number, dice.choice(_WAYS)), dice.uniform(0.4, DAYS))
        for number in strangers
    ]
    for number, (person, days_ago) in enumerate(people):
        way = dice.choice(person.ways)
        said = dice.choice(fitting(way, person.language))
        agent = dice.choice(_able(said, way))
        talk = PastTalk(number, person, way, said, agent)
        start = _within_hours(now - timedelta(days=days_ago))
        moments += [one for one in _moments(dice, talk, start) if one.at < now]
    return sorted(moments, key=lambda one: (one.at, one.talk.number))


def _able(said: Dialogue, way: str) -> Sequence[Colleague]:
    """Return the agents who know the language and serve a fitting queue."""
    skill = "lang_zh" if said.language.startswith("zh") else "lang_en"
    agents = [
        one
        for one in COLLEAGUES
        if Role.AGENT in one.roles
        and Role.ADMINISTRATOR not in one.roles
        and one.skills.get(skill, 0) >= 3
        and (way != "slack" or SLACK_PARTNERS in one.queues)
    ]
    return agents or COLLEAGUES[:1]


def _moments(dice: random.Random, talk: PastTalk, start: datetime) -> list[Moment]:
    slow = 8.0 if talk.way == "email" else 1.0
    at = start
    found = [Moment(at, talk, Kind.WRITES)]
    at += timedelta(seconds=dice.uniform(8, 90) * slow)
    found.append(Moment(at, talk, Kind.TAKES))
    for turn in range(len(talk.dialogue.agent)):
        at += timedelta(seconds=dice.uniform(20, 150) * slow)
        found.append(Moment(at, talk, Kind.ANSWERS, turn))
        if turn == 1 and talk.dialogue.note and dice.random() < 0.6:
            at += timedelta(seconds=dice.uniform(5, 30))
            found.append(Moment(at, talk, Kind.NOTES))
        if turn + 1 < len(talk.dialogue.customer):
            at += timedelta(seconds=dice.uniform(30, 240) * slow)
            found.append(Moment(at, talk, Kind.WRITES, turn + 1))
    at += timedelta(seconds=dice.uniform(20, 200))
    found.append(Moment(at, talk, Kind.RESOLVES))
    return found


def _within_hours(at: datetime) -> datetime:
    """Move the nights (UTC 15-23 h, 23-7 h in China) into the day: people sleep."""
    return at - timedelta(hours=9) if at.hour >= 15 else at


def stranger(dice: random.Random, number: int, way: str) -> Person:
    """Make somebody up who writes on one channel kind (not Slack); the same number, the same."""
    chinese = dice.random() < 0.6
    if chinese:
        name = dice.choice(_FAMILY) + dice.choice(_GIVEN)
    else:
        name = f"{dice.choice(_FIRST)} {dice.choice(_LAST)}"
    language = "zh-CN" if chinese else "en"
    level = dice.choice(("basic", "basic", "basic", "silver", "gold"))
    if way == "email":
        return Person(name, language, level, email=f"customer{number:03d}@mail.example")
    if way == "twilio_sms":
        phone = f"+86138001{39000 + number}" if chinese else f"+1202555{1000 + number}"
        return Person(name, language, level, phone=phone)
    if way == "telegram":
        return Person(name, language, level, telegram=870_000 + number)
    return Person(name, language, level, web=True)
