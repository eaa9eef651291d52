"""One IMAP connection: log in, select, fetch what is new, wait for news. Blocking.

A mail is known by (UIDVALIDITY, UID) and nothing else: sequence numbers move and `\\Seen` is the
reader's. Fetching uses PEEK, so that the mailbox looks untouched.
"""

import imaplib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import CapabilityError, IMAPClientAbortError, LoginError

from hub.adapters.email.config import ImapConfig
from hub.model.errors import SendError

CONNECT_TIMEOUT_S = 20.0
READ_TIMEOUT_S = 60.0
IDLE_SLICE_S = 1.0
IDLE_SLICES = 500  # below the 9 minutes after which some servers and routers forget a connection
POLL_S = 30.0
CUT_BYTES = 1_000_000
"""How much is read of a mail over the limit."""
_UIDS_AT_ONCE = 20_000
_MAX_UID = 2**32 - 1
_TRY_LATER = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]", "[CONTACTADMIN]")

# Its wire trace holds whole mails.
logging.getLogger("imapclient").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class FetchedMail:
    """One mail: its UID, its bytes, and its whole size when only the beginning was fetched."""

    uid: int
    raw: bytes
    cut_from: int = 0


@dataclass(frozen=True, slots=True)
class Selected:
    """What the server says of the folder; `next_uid` is 0 when it does not tell."""

    validity: int
    next_uid: int
    mails: int


def connect(config: ImapConfig) -> IMAPClient:
    """Connect and log in.

    Raises:
        SendError: `connect_failed`, `certificate_refused`, `auth_refused` (needs_auth),
            `security_not_offered` (needs_auth).
    """
    try:
        client = _open(config)
    except ssl.SSLCertVerificationError:
        raise SendError("certificate_refused", retryable=True) from None
    except (CapabilityError, IMAPClientAbortError) as error:
        missing = isinstance(error, CapabilityError)
        code = "security_not_offered" if missing else "connect_failed"
        raise SendError(code, retryable=not missing, needs_auth=missing) from None
    except (imaplib.IMAP4.error, OSError):
        raise SendError("connect_failed", retryable=True) from None
    try:
        _log_in(client, config)
    except SendError:
        end(client)
        raise
    except (imaplib.IMAP4.error, OSError):
        end(client)
        raise SendError("connect_failed", retryable=True) from None
    return client


def _open(config: ImapConfig) -> IMAPClient:
    tls = ssl.create_default_context() if config.security != "none" else None
    client = IMAPClient(
        config.host,
        port=config.port,
        ssl=config.security == "tls",
        ssl_context=tls,
        timeout=SocketTimeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
    )
    if config.security == "starttls":
        try:
            client.starttls(tls)
        except BaseException:
            end(client)
            raise
    return client


def _log_in(client: IMAPClient, config: ImapConfig) -> None:
    try:
        client.login(config.user, config.password.get_secret_value())
    except (LoginError, UnicodeError) as error:
        later = any(mark in str(error).upper() for mark in _TRY_LATER)
        raise SendError(
            "provider_busy" if later else "auth_refused", retryable=later, needs_auth=not later
        ) from None
    if client.has_capability("ID"):
        # NetEase (163.com, 126.com) refuses SELECT to programs that do not say who they are.
        client.id_({"name": "hub", "version": "1"})


def select(client: IMAPClient, folder: str, *, readonly: bool) -> Selected:
    """Select the folder (again). Raises SendError `folder_missing`; imaplib's errors pass."""
    try:
        told = client.select_folder(folder, readonly=readonly)
    except IMAPClientAbortError:
        raise
    except imaplib.IMAP4.error:
        raise SendError("folder_missing", retryable=True) from None
    return Selected(
        validity=_number(told.get(b"UIDVALIDITY")),
        next_uid=_number(told.get(b"UIDNEXT")),
        mails=_number(told.get(b"EXISTS")),
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def new_uids(client: IMAPClient, after: int, next_uid: int, since: date | None) -> Iterator[int]:
    """Yield the UIDs above `after`, in order; in windows, as one answer line must stay short.

    Args:
        next_uid: 0 when the server does not tell it.
        since: only mails that arrived on that day or later.
    """
    start, window = after + 1, _UIDS_AT_ONCE
    while not next_uid or start < next_uid:
        end_uid = min(start + window - 1, _MAX_UID)
        last = not next_uid or end_uid >= next_uid - 1
        criteria: list[object] = ["UID", f"{start}:{'*' if last else end_uid}"]
        if since is not None:
            criteria += ["SINCE", since]
        # `n:*` always matches the last mail, also when that is below n.
        found = sorted(uid for uid in client.search(criteria) if uid >= start)
        yield from found
        if last:
            return
        start, window = end_uid + 1, window if found else window * 4


def sizes_of(client: IMAPClient, uids: list[int]) -> dict[int, int]:
    """Return the sizes in bytes of those mails that are still there."""
    told = client.fetch(uids, ["RFC822.SIZE"])
    return {uid: _number(told[uid].get(b"RFC822.SIZE")) for uid in uids if uid in told}


def fetch_mail(client: IMAPClient, uid: int, size: int, max_bytes: int) -> FetchedMail | None:
    """Fetch one mail, or its beginning when it is too large; None when it has gone."""
    cut = size > max_bytes
    item = f"BODY.PEEK[]<0.{CUT_BYTES}>" if cut else "BODY.PEEK[]"
    answer = client.fetch([uid], [item]).get(uid)
    if answer is None:
        return None
    raw = next((value for key, value in answer.items() if key.startswith(b"BODY[]")), None)
    return FetchedMail(uid, raw or b"", size if cut else 0)


def wait_for_news(
    client: IMAPClient, pause: Callable[[float], bool], interrupted: Callable[[], bool], trust: bool
) -> None:
    """Return when something happened, when `interrupted`, or after some minutes.

    Args:
        pause: waits some seconds; true when it was cut short.
        trust: false where the server does not tell UIDNEXT: then mails can have slipped in
            between, so the wait is short.

    Raises:
        IMAPClientAbortError: the server said BYE or is gone.
    """
    if not client.has_capability("IDLE"):
        pause(POLL_S)
        client.noop()
        return
    client.idle()
    slices = 0 if _read_ahead(client) else IDLE_SLICES if trust else int(POLL_S / IDLE_SLICE_S)
    for _ in range(slices):
        if interrupted():
            break
        told = client.idle_check(timeout=IDLE_SLICE_S)
        _raise_on_bye(told)
        if told:
            break
    _, rest = client.idle_done()
    _raise_on_bye(rest)


def _read_ahead(client: IMAPClient) -> bool:
    """Tell whether more than the answer to IDLE was read from the socket already.

    `idle_check` watches the socket alone: news that came in one piece with that answer lies in a
    buffer behind it and would be found when the next news comes.
    """
    stream = client._imap.file
    connection = client.socket()
    connection.setblocking(False)
    try:
        return bool(stream.peek(1))
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    finally:
        connection.settimeout(READ_TIMEOUT_S)


def _raise_on_bye(told: list[tuple[object, ...]]) -> None:
    """Some servers say BYE and keep the line open: a connection that said it is dead."""
    if any(isinstance(one, tuple) and one and one[0] == b"BYE" for one in told):
        raise IMAPClientAbortError("BYE")


def end(client: IMAPClient) -> None:
    """Close the connection without a word; never raises."""
    try:
        client.shutdown()
    except (imaplib.IMAP4.error, OSError, AttributeError):
        return


def interrupt(client: IMAPClient) -> None:
    """Wake a thread that waits on this connection (called from another one)."""
    try:
        # Not SSLSocket.shutdown, which takes the TLS layer away under the reading thread.
        socket.socket.shutdown(client.socket(), socket.SHUT_RDWR)
    except (OSError, AttributeError):
        return
