"""Files that a message only names: fetched after the webhook was answered, with limits."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.model.channel import FetchedMedia
from hub.model.clock import to_micros
from hub.model.events import EventKind, new_event
from hub.model.filename import clean_filename
from hub.model.ids import ConversationId, MessageId
from hub.services.deps import Deps
from hub.store.engine import Lane
from hub.store.files import new_key
from hub.store.queries import messages
from hub.store.queries.rows import Row, dicts
from hub.store.tx import Tx

CLAIM = timedelta(seconds=120)
TRIES = 6
RETRY_S = (5, 30, 120, 600, 3600)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to fetch: its row, claimed."""

    row: Row

    @property
    def attempts(self) -> int:
        """Tries so far, this one included."""
        return int(self.row["attempts"]) + 1


async def claim_due(deps: Deps, limit: int = 8) -> list[Wanted]:
    """Take files that are due; each is claimed for two minutes."""
    now = deps.clock.now()

    def unit(tx: Tx) -> list[Wanted]:
        wanted = []
        for row in dicts(tx, messages.ATTACHMENTS_DUE, {"now": to_micros(now), "limit": limit}):
            claimed = tx.execute(
                messages.ATTACHMENT_CLAIM,
                {
                    "attachment_id": row["id"],
                    "now": to_micros(now),
                    "until": to_micros(now + CLAIM),
                },
            )
            if claimed:
                wanted.append(Wanted(row))
        return wanted

    return await deps.db.run(unit, lane=Lane.BACKGROUND, name="media.claim")


async def record_fetched(deps: Deps, wanted: Wanted, fetched: FetchedMedia) -> None:
    """Store a fetched file: first the file, then the row."""
    key = new_key()
    await deps.files.put(key, fetched.data)
    row = wanted.row
    await _finish(
        deps,
        row,
        state="stored",
        content_type=fetched.content_type or row["content_type"],
        filename=row["filename"] or clean_filename(fetched.filename),
        size=len(fetched.data),
        sha256=hashlib.sha256(fetched.data).hexdigest(),
        key=key,
    )


async def record_refused(deps: Deps, wanted: Wanted, code: str, *, retryable: bool) -> None:
    """Note that a file could not be fetched: try later, or give up and say why."""
    row = wanted.row
    if retryable and wanted.attempts < TRIES:
        due = deps.clock.now() + timedelta(seconds=RETRY_S[wanted.attempts - 1])

        def unit(tx: Tx) -> None:
            tx.execute(
                messages.ATTACHMENT_LATER, {"attachment_id": row["id"], "due": to_micros(due)}
            )

        await deps.db.run(unit, lane=Lane.BACKGROUND, name="media.later")
        return
    state = "failed" if retryable else "refused"
    await _finish(deps, row, state=state, error=code)


async def _finish(  # noqa: PLR0913 - the columns of the row
    deps: Deps,
    row: Row,
    *,
    state: str,
    content_type: str | None = None,
    filename: str | None = None,
    size: int | None = None,
    sha256: str = "",
    key: str = "",
    error: str = "",
) -> None:
    now = deps.clock.now()

    def unit(tx: Tx) -> None:
        done = tx.execute(
            messages.ATTACHMENT_DONE,
            {
                "attachment_id": row["id"],
                "new_state": state,
                "new_type": (content_type or row["content_type"])[:150],
                "new_filename": (filename if filename is not None else row["filename"])[:300],
                "new_size": size if size is not None else row["size_bytes"],
                "new_sha256": sha256,
                "new_key": key,
                "new_error": error[:60],
            },
        )
        if done and row["message_id"]:
            _told(tx, row, state, error, size, now)

    await deps.db.run(unit, lane=Lane.BACKGROUND, name="media.done")


def _told(  # noqa: PLR0913 - the facts of the event
    tx: Tx, row: Row, state: str, error: str, size: int | None, now: datetime
) -> None:
    message = messages.message(tx, row["message_id"])
    if message is None:
        return
    stored = state == "stored"
    tx.append(
        [
            new_event(
                EventKind.ATTACHMENT_STORED if stored else EventKind.ATTACHMENT_FAILED,
                now,
                conversation=ConversationId(message["conversation_id"]),
                message=MessageId(row["message_id"]),
                data={"attachment": row["id"], "size_bytes": size}
                if stored
                else {"attachment": row["id"], "code": error},
            )
        ]
    )
