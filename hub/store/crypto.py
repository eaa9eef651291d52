"""Encryption of values at rest: AES-GCM bound to their place, keys that can be changed.

A sealed value is `version (1 byte) | key id (4) | nonce (12) | ciphertext and tag`. Its place
(`table:column:id`) is authenticated with it, so that a value moved to another row does not open.
The first key seals, every key opens; MAC keys and look-up keys are derived, never the key itself.
"""

import hashlib
import hmac
import os
import threading
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hub.model.errors import HubError, SettingsInvalid

_VERSION = b"\x01"
_KEY_ID = 4
_NONCE = 12
_HEAD = len(_VERSION) + _KEY_ID + _NONCE
_MIN_KEY = 16


def place(table: str, column: str, row_id: str) -> str:
    """Return where a sealed value lives; only there it opens."""
    return f"{table}:{column}:{row_id}"


class Keyring:
    """The installation's keys. The first seals and signs, all open and verify."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Take the keys, newest first, each at least 16 random bytes.

        Raises:
            SettingsInvalid: no key, a short one, or the same one twice.
        """
        if not keys or any(len(key) < _MIN_KEY for key in keys):
            raise SettingsInvalid(key="secret_key", reason="needs keys of at least 16 bytes")
        self._keys = tuple(keys)
        self._ciphers: dict[bytes, AESGCM] = {}
        for key in keys:
            key_id = _derive(key, "key-id")[:_KEY_ID]
            if key_id in self._ciphers:
                raise SettingsInvalid(key="secret_key", reason="the same key twice")
            self._ciphers[key_id] = AESGCM(_derive(key, "encrypt"))
        self._first = next(iter(self._ciphers))
        self._lock = threading.Lock()
        self._random = b""
        self._spent = 0
        self._pid = os.getpid()

    def encrypt(self, plain: bytes, where: str) -> bytes:
        """Seal bytes for one place (see `place`)."""
        nonce = self._nonce()
        sealed = self._ciphers[self._first].encrypt(nonce, plain, where.encode())
        return _VERSION + self._first + nonce + sealed

    def _nonce(self) -> bytes:
        """Return 12 random bytes, drawn 341 nonces at a time: see `model.ids` for why."""
        with self._lock:
            # A forked process must never use what its parent may use too: a nonce serves once.
            if self._spent >= len(self._random) or self._pid != os.getpid():
                self._random, self._spent = os.urandom(_NONCE * 341), 0
                self._pid = os.getpid()
            self._spent += _NONCE
            return self._random[self._spent - _NONCE : self._spent]

    def decrypt(self, sealed: bytes, where: str) -> bytes:
        """Open what `encrypt` sealed for this place.

        Raises:
            HubError: `secret_unreadable`: changed, of another place, or of a key we do not have.
        """
        key_id, nonce = sealed[1 : 1 + _KEY_ID], sealed[1 + _KEY_ID : _HEAD]
        cipher = self._ciphers.get(bytes(key_id))
        if cipher is None or sealed[:1] != _VERSION or len(sealed) < _HEAD:
            raise HubError("secret_unreadable", place=where.rsplit(":", 1)[0])
        try:
            return cipher.decrypt(bytes(nonce), bytes(sealed[_HEAD:]), where.encode())
        except InvalidTag as error:
            raise HubError("secret_unreadable", place=where.rsplit(":", 1)[0]) from error

    def is_current(self, sealed: bytes) -> bool:
        """Tell whether the first key sealed it; `hub admin rotate-key` seals the others anew."""
        return sealed[1 : 1 + _KEY_ID] == self._first

    def derive(self, purpose: str) -> bytes:
        """Return a 32-byte key for one purpose, of the first key."""
        return _derive(self._keys[0], f"purpose:{purpose}")

    def derive_all(self, purpose: str) -> tuple[bytes, ...]:
        """Return the purpose's key of every key: the first signs, all verify."""
        return tuple(_derive(key, f"purpose:{purpose}") for key in self._keys)

    def lookup(self, purpose: str, value: str) -> str:
        """Return a keyed hash (64 hex digits) by which an encrypted value is found exactly."""
        return _keyed_hash(self.derive(f"lookup:{purpose}"), value)

    def lookups(self, purpose: str, value: str) -> tuple[str, ...]:
        """Return the hashes to search by, one per key, newest first."""
        keys = self.derive_all(f"lookup:{purpose}")
        return tuple(_keyed_hash(key, value) for key in keys)


def _keyed_hash(key: bytes, value: str) -> str:
    return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()


def _derive(key: bytes, info: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=b"omni-hub", info=info.encode()).derive(key)
