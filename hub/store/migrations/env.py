"""Run by Alembic: compare the tables with a database, or run revisions on a given connection.

The connection and its transaction belong to `hub.store.migrate`, which knows what each database
needs around a migration; nothing here connects or commits.
"""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import String
from sqlmodel import AutoString, SQLModel

import hub.store.tables  # noqa: F401 - registers the tables
from hub.store.search import OWN_OBJECTS


def render_item(kind: str, item: Any, _autogen: AutogenContext) -> str | Literal[False]:
    """Write SQLModel's string type as plain SQLAlchemy, always with its length."""
    if kind == "type" and isinstance(item, AutoString) and isinstance(item.impl_instance, String):
        return f"sa.String(length={item.impl_instance.length})"
    return False


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Leave out what search makes for itself (`hub.store.search.install`)."""
    return not (kind in {"table", "index"} and name is not None and name.startswith(OWN_OBJECTS))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    render_item=render_item,
    include_name=include_name,
    compare_type=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
