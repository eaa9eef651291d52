"""Commands for the router of another process, their outcomes, and how far the log was acted on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from pydantic import TypeAdapter
from sqlalchemy import bindparam, delete, select, update

from hub.model.clock import from_micros, to_micros
from hub.model.router_commands import Command, Outcome
from hub.store.queries.rows import dump, insert_row, load, upsert
from hub.store.statement import stmt
from hub.store.tables import RouterCommand, Setting, table
from hub.store.tx import Tx

_row = table(RouterCommand)
_setting = table(Setting)

_KINDS: Mapping[str, type[Command]] = {kind.__name__: kind for kind in Command.__args__}
_CODECS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in _KINDS.items()}
_OUTCOME = TypeAdapter(Outcome)
_CURSOR_NAME = "router.cursor"

_OPEN = stmt(
    select(_row.c.id, _row.c.command, _row.c.created_at)
    .where(_row.c.outcome.is_(None))
    .order_by(_row.c.created_at, _row.c.id)
    .limit(200),
    name="router_command.open",
)
_DONE = stmt(
    update(_row)
    .where(_row.c.id == bindparam("command_id"), _row.c.outcome.is_(None))
    .values(outcome=bindparam("new_outcome"), done_at=bindparam("at")),
    name="router_command.done",
)
_OUTCOME_OF = stmt(
    select(_row.c.outcome).where(_row.c.id == bindparam("id")), name="router_command.outcome"
)
_PRUNE = stmt(delete(_row).where(_row.c.created_at < bindparam("before")), name="router_cmd.prune")
_CURSOR = stmt(select(_setting.c.value).where(_setting.c.name == _CURSOR_NAME), name="router.seq")
_SET_CURSOR = upsert(
    _setting,
    keys=("name",),
    update=("value",),
    fixed={"version": "1"},
    name="router.set_seq",
)


@dataclass(frozen=True, slots=True)
class OpenCommand:
    """A command that waits for its outcome; `command` None: of a newer version, unreadable."""

    id: str
    command: Command | None
    created_at: datetime


def add_command(tx: Tx, command_id: str, command: Command, now: datetime) -> None:
    """Hand a command to whichever process leads."""
    body = orjson.dumps(
        {"kind": type(command).__name__, "value": command},
        default=_plain,
        option=orjson.OPT_NON_STR_KEYS,
    ).decode()
    insert_row(tx, RouterCommand, id=command_id, command=body, created_at=to_micros(now))


def open_commands(tx: Tx) -> list[OpenCommand]:
    """Return up to 200 commands without outcome, oldest first."""
    return [OpenCommand(row[0], _command(row[1]), from_micros(row[2])) for row in tx.run(_OPEN)]


def _command(body: str) -> Command | None:
    tree = load(body)
    codec = _CODECS.get(tree["kind"])
    command: Command | None = None if codec is None else codec.validate_python(tree["value"])
    return command


def answer_command(tx: Tx, command_id: str, outcome: Outcome, now: datetime) -> None:
    """Write how a command ended."""
    body = orjson.dumps(outcome).decode()
    tx.execute(_DONE, {"command_id": command_id, "new_outcome": body, "at": to_micros(now)})


def outcome_of(tx: Tx, command_id: str) -> Outcome | None:
    """Return how a command ended, None while it has not."""
    row = tx.one(_OUTCOME_OF, {"id": command_id})
    return None if row is None or row[0] is None else _OUTCOME.validate_json(row[0])


def prune_commands(tx: Tx, before: datetime) -> int:
    """Remove commands made before an instant; returns how many."""
    return tx.execute(_PRUNE, {"before": to_micros(before)})


def cursor(tx: Tx) -> int | None:
    """Return the number of the last event the router has acted on; None before the first."""
    row = tx.one(_CURSOR)
    return None if row is None else int(load(row[0])["seq"])


def set_cursor(tx: Tx, seq: int) -> None:
    """Note how far the log was acted on, in the unit that acted."""
    tx.execute(_SET_CURSOR, {"name": _CURSOR_NAME, "value": dump({"seq": seq})})


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)
