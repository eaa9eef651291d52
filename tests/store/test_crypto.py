"""Values at rest: open only in their place, with a key we have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.errors import HubError, SettingsInvalid
from hub.store.crypto import Keyring, place

OLD, NEW = b"o" * 32, b"n" * 32
HERE = place("channel", "config", "1")


@given(st.binary(max_size=500))
def test_what_is_sealed_opens_in_its_place(plain: bytes):
    ring = Keyring([NEW])
    assert ring.decrypt(ring.encrypt(plain, HERE), HERE) == plain


def test_two_seals_differ():
    ring = Keyring([NEW])
    assert ring.encrypt(b"x", HERE) != ring.encrypt(b"x", HERE)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_does_not_open(position: int, change: int):
    ring = Keyring([NEW])
    sealed = bytearray(ring.encrypt(b"secret", HERE))
    sealed[position % len(sealed)] ^= change
    with pytest.raises(HubError) as caught:
        ring.decrypt(bytes(sealed), HERE)
    assert caught.value.code == "secret_unreadable"


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + b"a" * 15, b"a" * 60])
def test_what_is_no_seal_does_not_open(sealed: bytes):
    with pytest.raises(HubError):
        Keyring([NEW]).decrypt(sealed, HERE)


def test_a_value_moved_to_another_row_does_not_open():
    ring = Keyring([NEW])
    with pytest.raises(HubError):
        ring.decrypt(ring.encrypt(b"x", HERE), place("channel", "config", "2"))


def test_keys_rotate():
    before, after = Keyring([OLD]), Keyring([NEW, OLD])
    sealed = before.encrypt(b"x", HERE)
    assert after.decrypt(sealed, HERE) == b"x"
    assert not after.is_current(sealed)
    assert after.is_current(after.encrypt(b"x", HERE))
    with pytest.raises(HubError):
        Keyring([NEW]).decrypt(sealed, HERE)
    assert before.derive("mac") == after.derive_all("mac")[1]
    assert before.lookup("phone", "+4912") == after.lookups("phone", "+4912")[1]
    assert after.lookup("phone", "+4912") == after.lookups("phone", "+4912")[0]


def test_purposes_do_not_share_keys():
    ring = Keyring([NEW])
    assert len({ring.derive("a"), ring.derive("b"), NEW}) == 3
    assert ring.lookup("a", "v") != ring.lookup("b", "v")


@pytest.mark.parametrize("keys", [[], [b"short"], [NEW, NEW]])
def test_bad_keys_are_refused(keys: list[bytes]):
    with pytest.raises(SettingsInvalid):
        Keyring(keys)
