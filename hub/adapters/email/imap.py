"""The thread that keeps one mailbox: fetches what is new after the cursor, for ever.

At most four mails are on their way at a time: the thread goes on when the hub has stored one
(`MailboxReader.taken`). A connection that is lost is made again; where it began is the cursor of
the last mail handed over, so a cut in the middle of a mail costs only that mail's second fetch.
"""

import imaplib
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice

from imapclient import IMAPClient
from pydantic import BaseModel, ConfigDict, ValidationError

from hub.adapters.email import imap_session as session
from hub.adapters.email.config import ImapConfig
from hub.adapters.email.imap_session import FetchedMail, Selected
from hub.model.clock import utc_now
from hub.model.errors import SendError

IN_FLIGHT = 4
RECONNECT_S = (0.5, 60.0)
TRIES_WHOLE, TRIES = 3, 6
"""A mail that breaks the connection each time is then fetched in part, then passed over."""
_BATCH = 200


class _Stored(BaseModel):
    model_config = ConfigDict(extra="ignore")

    validity: int = 0
    uid: int = 0
    since: date | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """How far a mailbox was read.

    Attributes:
        validity: UIDVALIDITY the UID belongs to; 0: never read.
        uid: the last one handed over.
        since: when reading began with new mails only; a rescan does not go behind it.
    """

    validity: int = 0
    uid: int = 0
    since: date | None = None

    @classmethod
    def read(cls, cursor: str | None) -> "Position":
        """Return the stored position; what cannot be read starts over (duplicates are known)."""
        try:
            stored = _Stored.model_validate_json(cursor or "{}")
        except ValidationError:
            return cls()
        return cls(stored.validity, stored.uid, stored.since)

    def cursor(self) -> str:
        """Return the position as stored."""
        fields: dict[str, int | str] = {"validity": self.validity, "uid": self.uid}
        if self.since is not None:
            fields["since"] = self.since.isoformat()
        return json.dumps(fields)


Deliver = Callable[[FetchedMail | None, Position], None]
"""Takes a mail, or None with a position alone; called in the reader's thread."""


class MailboxReader:
    """Reads one mailbox in a thread of its own.

    Args:
        deliver: gets every mail with the position after it.
        failed: gets what ended the thread.
        patient: go on trying when the server cannot be reached (another way in stays open);
            otherwise that ends the thread. Refused credentials always do.
    """

    def __init__(
        self,
        config: ImapConfig,
        position: Position,
        deliver: Deliver,
        failed: Callable[[Exception], None],
        *,
        patient: bool = False,
    ) -> None:
        self._config = config
        self._position = position
        self._deliver = deliver
        self._failed = failed
        self._patient = patient
        self._stopped = threading.Event()
        self._room = threading.Semaphore(IN_FLIGHT)
        self._to_move: deque[tuple[int, int]] = deque()
        self._client: IMAPClient | None = None
        self._progress = False
        self._troubled = (0, 0)
        self._thread = threading.Thread(target=self._run, name="imap", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def taken(self) -> None:
        """Say that one mail handed over is stored; called from the loop."""
        self._room.release()

    def processed(self, position: Position) -> None:
        """Have a stored mail moved to the folder for those, when the thread comes to it."""
        if self._config.processed_folder:
            self._to_move.append((position.validity, position.uid))

    def stop(self) -> None:
        """Ask the thread to end; wakes it wherever it waits."""
        self._stopped.set()
        self._room.release()
        client = self._client
        if client is not None:
            session.interrupt(client)

    def join(self, timeout_s: float) -> None:
        """Wait for the end (blocking)."""
        self._thread.join(timeout_s)

    # --- in the thread ------------------------------------------------------------------------
    def _run(self) -> None:
        wait_s = RECONNECT_S[0]
        while not self._stopped.is_set():
            self._progress = False
            try:
                self._one_connection()
            except SendError as error:
                if self._stopped.is_set():
                    return
                if error.needs_auth or not self._patient:
                    self._failed(error)
                    return
            except Exception as error:
                if not self._stopped.is_set():
                    self._failed(error)
                return
            wait_s = RECONNECT_S[0] if self._progress else min(wait_s * 2, RECONNECT_S[1])
            self._stopped.wait(wait_s)

    def _one_connection(self) -> None:
        """Work on one connection until it is lost. Raises SendError when there is none."""
        client = session.connect(self._config)
        self._client = client
        try:
            self._keep(client)
        except (imaplib.IMAP4.error, OSError):
            return  # lost: the next connection goes on where this one was
        finally:
            self._client = None
            session.end(client)

    def _keep(self, client: IMAPClient) -> None:
        """Alternate between reading and waiting.

        The folder is selected again before each wait: SELECT tells UIDNEXT at a known moment, and
        what arrives after it is announced in IDLE. News told during another command is not.
        """
        read_up_to = 0
        while not self._stopped.is_set():
            folder = self._config.folder
            readonly = not self._config.processed_folder
            seen = session.select(client, folder, readonly=readonly)
            self._settle(seen)
            self._move(client, seen.validity)
            if seen.next_uid and seen.next_uid == read_up_to:
                session.wait_for_news(client, self._stopped.wait, self._interrupted, True)
                self._progress = True
                continue
            self._read(client, seen.next_uid)
            read_up_to = seen.next_uid
            if not seen.next_uid:
                session.wait_for_news(client, self._stopped.wait, self._interrupted, False)

    def _interrupted(self) -> bool:
        return self._stopped.is_set() or bool(self._to_move)

    def _settle(self, seen: Selected) -> None:
        """Adopt the folder's UIDVALIDITY: a new one means that every UID is new."""
        known = self._position
        if known.validity == seen.validity and known.validity:
            return
        if not known.validity and self._config.start == "new":
            today = utc_now().date()
            known = Position(seen.validity, max(seen.next_uid - 1, 0), today)
            # Stored at once: else a mail that comes before the next start would be passed over.
            self._hand_over(None, known)
        self._position = Position(
            seen.validity, known.uid if known.validity == seen.validity else 0, known.since
        )

    def _read(self, client: IMAPClient, next_uid: int) -> None:
        uids = session.new_uids(client, self._position.uid, next_uid, self._position.since)
        while batch := list(islice(uids, _BATCH)):
            for uid, size in session.sizes_of(client, batch).items():
                if self._stopped.is_set():
                    return
                mail = self._fetch(client, uid, size)
                if mail is not None:
                    self._hand_over(mail, replace(self._position, uid=uid))
                    self._progress = True

    def _fetch(self, client: IMAPClient, uid: int, size: int) -> FetchedMail | None:
        """Fetch one mail; one that was in the way too often is told of with no bytes."""
        tries = self._troubled[1] if self._troubled[0] == uid else 0
        if tries >= TRIES:
            return FetchedMail(uid, b"")
        self._troubled = (uid, tries + 1)
        limit = self._config.max_bytes if tries < TRIES_WHOLE else 0
        found = session.fetch_mail(client, uid, size, limit)
        self._troubled = (0, 0)
        return found

    def _hand_over(self, mail: FetchedMail | None, after: Position) -> None:
        self._room.acquire()
        if not self._stopped.is_set():
            self._position = after
            self._deliver(mail, after)

    def _move(self, client: IMAPClient, validity: int) -> None:
        """Move stored mails away, as far as they belong to the folder as it is now."""
        uids: list[int] = []
        while self._to_move:
            moved_validity, uid = self._to_move.popleft()
            if moved_validity == validity:
                uids.append(uid)
        if not uids:
            return
        target = self._config.processed_folder
        try:
            if client.has_capability("MOVE"):
                client.move(uids, target)
            else:
                client.copy(uids, target)
                client.delete_messages(uids, silent=True)
                if client.has_capability("UIDPLUS"):
                    client.uid_expunge(uids)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            return  # no such folder: the mails stay where they are, read once all the same
