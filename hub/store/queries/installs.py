"""Installations that wait for an administrator to come back from a provider: `setting` rows."""

from sqlalchemy import bindparam, delete, select

from hub.store.engine import Tx
from hub.store.queries.rows import Row, dicts, dump, insert_row, load_map
from hub.store.statement import stmt
from hub.store.tables import Setting, table

_setting = table(Setting)
_PREFIX = "install:"
_AFTER = "install;"
"""The text right after every name that begins with the prefix."""

_FIND = stmt(
    select(_setting.c.value).where(_setting.c.name == bindparam("name")), name="install.find"
)
_LIST = stmt(
    select(_setting.c.name, _setting.c.value).where(
        _setting.c.name >= _PREFIX, _setting.c.name < _AFTER
    ),
    name="install.list",
)
_DROP = stmt(delete(_setting).where(_setting.c.name == bindparam("name")), name="install.drop")


def name_of(key: str) -> str:
    """Return a row's name; `key` is at most 50 characters."""
    return _PREFIX + key


def keep(tx: Tx, key: str, sealed: str, until: int, actor: str) -> None:
    """Keep what is sealed (text) until an instant (microseconds)."""
    value = dump({"sealed": sealed, "until": until})
    insert_row(tx, Setting, name=name_of(key), value=value, changed_by=actor)


def take(tx: Tx, key: str) -> Row | None:
    """Return `sealed` and `until` and forget them; None when they are not there (any more)."""
    found = tx.one(_FIND, {"name": name_of(key)})
    if found is None or not tx.execute(_DROP, {"name": name_of(key)}):
        return None
    return load_map(found[0])


def drop_old(tx: Tx, now: int) -> None:
    """Forget what nobody came back for in time."""
    for row in dicts(tx, _LIST):
        if load_map(row["value"]).get("until", 0) <= now:
            tx.execute(_DROP, {"name": row["name"]})
