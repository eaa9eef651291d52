"""File names from outside (attack 7 of trust.md)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.filename import MAX_NAME_BYTES, MAX_NAME_CHARS, clean_filename


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("report.pdf", "report.pdf"),
        ("发票（三月）.pdf", "发票（三月）.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("．．／．．／secret.txt", "secret.txt"),
        ("a\u200b/\u202egnp.exe", "gnp.exe"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        (".\u200b.", "file"),
        ("nul\0byte.txt", "nul_byte.txt"),
        ("a\x00b/c\x01d", "c_d"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("LPT1 .txt", "_LPT1.txt"),
        ("a:b*c?.txt", "a_b_c_.txt"),
        (".htaccess", "htaccess"),
        ("a.txt. . ", "a.txt"),
        ("line\nbreak.txt", "line break.txt"),
        ("e\u0301.txt", "\u00e9.txt"),
        ("", "file"),
        (None, "file"),
        ("///", "file"),
        ("...", "file"),
        ("\ud800.txt", "txt"),
    ],
)
def test_names(name, clean):
    assert clean_filename(name) == clean


def test_long_names_keep_their_extension():
    assert clean_filename("a" * 4_000 + ".pdf").endswith("a.pdf")
    assert clean_filename("汉" * 4_000 + ".pdf").endswith("汉.pdf")
    assert len(clean_filename("a" * 4_000)) == MAX_NAME_CHARS


@given(st.text(max_size=300))
def test_every_name_is_safe_and_stays_the_same_when_cleaned_again(name):
    clean = clean_filename(name)
    assert 0 < len(clean) <= MAX_NAME_CHARS
    assert len(clean.encode()) <= MAX_NAME_BYTES
    assert not set(clean) & set('/\\\0<>:"|?*')
    assert not clean.startswith(".")
    assert clean_filename(clean) == clean
