"""Mutated mails: no crash, no hang. 1,000 in the short tier, 10,000 in the long one."""

import random
import time

import pytest

from hub.cli.normalize import mail as normalize
from tests.adapters.email import corpus

SEED = 20_260_305
_PIECES = (
    b"\r\n", b"\n", b"\0", b"--outer", b"--b1--", b"=?utf-8?B?", b"?=", b"boundary=", b'"', b"<",
    b">", b"(", b";", b"charset=gb2312", b"Content-Type: multipart/mixed; boundary=b1\n\n",
    b"Content-Transfer-Encoding: base64\n", b"\xff\xfe", b"\x1b$B", b"From: ", b"<div>", b"&#x",
    b"> ", b"On Mon, 5 Mar 2026 at 10:00, a <a@b.c> wrote:\n", b"begin 644 x\n", b"%", b"*0*=",
)  # fmt: skip


def _mutate(rng: random.Random, raw: bytes) -> bytes:
    data = bytearray(raw)
    for _ in range(rng.randint(1, 12)):
        where = rng.randint(0, len(data))
        kind = rng.randrange(6)
        if kind == 0:
            data[where : where + rng.randint(1, 40)] = b""
        elif kind == 1:
            data[where:where] = rng.choice(_PIECES) * rng.choice((1, 1, 2, 50))
        elif kind == 2 and data:
            data[min(where, len(data) - 1)] = rng.randrange(256)
        elif kind == 3:
            end = where + rng.randint(1, 200)
            data[where:where] = data[where:end] * rng.randint(1, 20)
        elif kind == 4:
            data[where:where] = rng.randbytes(rng.randint(1, 30))
        else:
            other = rng.choice(list(corpus.ORDINARY.values()))
            data[where:where] = other[rng.randint(0, len(other)) :]
    return bytes(data)


def _fuzz(count: int, seed: int) -> None:
    rng = random.Random(seed)
    seeds = list(corpus.ORDINARY.values())
    for number in range(count):
        raw = _mutate(rng, rng.choice(seeds))
        started = time.process_time()
        result = normalize(raw)
        spent_s = time.process_time() - started
        assert spent_s < 1.0, f"mail {number} of seed {seed} took {spent_s:.2f} s"
        for value in result.values():
            if isinstance(value, str):
                value.encode("utf-8")  # no lone surrogates: the answer is JSON


def test_a_thousand_mutated_mails():
    _fuzz(1_000, SEED)


@pytest.mark.long
def test_ten_thousand_mutated_mails():
    _fuzz(10_000, SEED + 1)
