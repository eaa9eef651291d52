"""Identifiers: our own UUIDv7 (RFC 9562), monotone inside one process, and a newtype per entity.

An id is the canonical 36-character lower-case text of a UUID. Text, because SQLite and PostgreSQL
then compare and sort it alike and it goes over the wire unchanged.
"""

import os
import re
import threading
from typing import NewType

from hub.model.clock import to_micros, utc_now

OrgUnitId = NewType("OrgUnitId", str)
AgentId = NewType("AgentId", str)
ChannelId = NewType("ChannelId", str)
CustomerId = NewType("CustomerId", str)
IdentityId = NewType("IdentityId", str)
ConversationId = NewType("ConversationId", str)
CaseId = NewType("CaseId", str)
MessageId = NewType("MessageId", str)
AttachmentId = NewType("AttachmentId", str)
DeliveryId = NewType("DeliveryId", str)
QueueId = NewType("QueueId", str)
SkillId = NewType("SkillId", str)
ItemId = NewType("ItemId", str)
OfferId = NewType("OfferId", str)
AssignmentId = NewType("AssignmentId", str)
TimerId = NewType("TimerId", str)
IntakeId = NewType("IntakeId", str)
SessionId = NewType("SessionId", str)

_UUID = re.compile(r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_COUNTER_BITS = 12
_DRAW = 8
_POOL = 512 * _DRAW


class IdSource:
    """Makes UUIDv7 values that only grow, also when the wall clock jumps back.

    The 12 bits after the version are a counter inside one millisecond. When the clock stands still
    or goes back, the last millisecond is kept and the counter runs on; when the counter is spent,
    the millisecond is pushed forward by one (RFC 9562, 6.2, method 1).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_ms = 0
        self._counter = 0
        self._random = b""
        self._spent = 0
        self._pid = os.getpid()

    def next(self) -> str:
        """Return the next id as canonical text."""
        now_ms = to_micros(utc_now()) // 1000
        with self._lock:
            random_bits = int.from_bytes(self._random_bytes(), "big") & ((1 << 62) - 1)
            if now_ms > self._last_ms:
                self._last_ms = now_ms
                # Start low in the range, so that a busy millisecond has room to count upwards.
                self._counter = random_bits & 0x3FF
            else:
                self._counter += 1
                if self._counter >> _COUNTER_BITS:
                    self._last_ms += 1
                    self._counter = 0
            ms, counter = self._last_ms, self._counter
        value = (ms & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | random_bits
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _random_bytes(self) -> bytes:
        """Return 8 random bytes, drawn from the kernel 4 kB at a time; the lock is held.

        Each `os.urandom` gives up the interpreter lock, which a busy process pays for with a turn
        in the queue: 75 µs a call were measured, eight calls a message.
        """
        if self._spent >= len(self._random) or self._pid != os.getpid():
            self._random, self._spent, self._pid = os.urandom(_POOL), 0, os.getpid()
        self._spent += _DRAW
        return self._random[self._spent - _DRAW : self._spent]


_source = IdSource()


def new_id() -> str:
    """Return a new UUIDv7 as canonical text; wrap it in the newtype it is for."""
    return _source.next()


def is_id(text: str) -> bool:
    """Tell whether `text` is an id in canonical form (36 characters, lower case)."""
    return _UUID.match(text) is not None
