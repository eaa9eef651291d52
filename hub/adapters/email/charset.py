"""Bytes of mails to text, whatever the label says.

Mails are mislabelled more often than they are broken: ``gb2312`` that is GB18030, ``iso-8859-1``
that is Windows-1252 or GBK, ``us-ascii`` with eight bits, UTF-8 under any name. Every function here
is linear in its input and never raises.
"""

from __future__ import annotations

import codecs
import re

_ALIASES = {
    "gb2312": "gb18030", "gbk": "gb18030", "cp936": "gb18030", "x-gbk": "gb18030",
    "gb_2312-80": "gb18030", "csgb2312": "gb18030", "euc-cn": "gb18030", "gb18030": "gb18030",
    "gb2312-80": "gb18030", "gb231280": "gb18030", "chinese": "gb18030",
    "windows-936": "gb18030", "x-cp20936": "gb18030",
    "iso-8859-1": "cp1252", "iso8859-1": "cp1252", "iso_8859-1": "cp1252", "latin1": "cp1252",
    "latin-1": "cp1252", "l1": "cp1252", "windows-1252": "cp1252", "ansi": "cp1252",
    "iso-8859-9": "cp1254", "iso-8859-11": "cp874", "tis-620": "cp874", "windows-874": "cp874",
    "big5": "big5hkscs", "big-5": "big5hkscs", "cn-big5": "big5hkscs", "x-big5": "big5hkscs",
    "big5-hkscs": "big5hkscs", "csbig5": "big5hkscs", "cp950": "big5hkscs",
    "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "x-sjis": "cp932",
    "windows-31j": "cp932", "ms_kanji": "cp932",
    "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "ks_c_5601": "cp949", "ksc5601": "cp949",
    "utf8": "utf-8", "utf-8": "utf-8", "utf8mb4": "utf-8", "unicode-1-1-utf-8": "utf-8",
    "x-utf-8": "utf-8", "unicode-1-1-utf-7": "utf-7", "hz-gb-2312": "hz",
    "iso-2022-jp": "iso-2022-jp", "cp50220": "iso-2022-jp", "cp50221": "iso-2022-jp",
    "cp50222": "iso-2022-jp", "csiso2022jp": "iso-2022-jp", "iso-2022-jp-ms": "iso-2022-jp",
    "koi8": "koi8-r", "macintosh": "mac-roman", "x-mac-roman": "mac-roman",
}  # fmt: skip
_NO_CLUE = frozenset({
    "", "us-ascii", "ascii", "ansi_x3.4-1968", "unknown-8bit", "x-unknown", "unknown", "none",
    "default", "8bit", "7bit", "binary", "default_charset", "_autodetect", "x-user-defined", "646",
})  # fmt: skip
# Python also calls compressors and quadratic codecs (punycode, idna) encodings: only these names.
_TEXT_CODEC = re.compile(
    r"(?:iso|cp|windows|koi|mac|utf|gb|big5|euc|shift|hz|tis|latin|johab|ptcp|kz)[-_0-9a-z]{0,20}\Z"
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_JIS_ESCAPE = re.compile(rb"\x1b(\$[@B]|\([BJI]|\$\([DOPQ]|\$A|\([A-Z])")
_SAMPLE = 4_096


def codec_for(label: str | None) -> str | None:
    """Return the codec to read a labelled text with, ``None`` when the label says nothing."""
    name = (label or "").strip().strip("\"'").lower().split("*", 1)[0][:40]
    if name in _NO_CLUE:
        return None
    if name in _ALIASES:
        return _ALIASES[name]
    spaced = name.replace(" ", "-").replace("cp-", "cp")
    if not _TEXT_CODEC.match(spaced):
        return None
    try:
        return codecs.lookup(spaced).name
    except LookupError:
        return None


def decode_text(data: bytes, label: str | None) -> tuple[str, bool]:
    """Decode a body or a header value.

    Args:
        data: The bytes, transfer encoding already removed.
        label: The charset the mail names, if any.

    Returns:
        The text and whether the label could be believed (``False``: guessed or replaced).
    """
    if not data:
        return "", True
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(codec, "replace"), True
    codec_name = codec_for(label)
    if codec_name == "iso-2022-jp":
        return _decode_jis(data), True
    if data.isascii() and not _is_stateful(codec_name):
        return data.decode("ascii"), True
    as_utf8 = _strictly(data, "utf-8")
    if codec_name is None or codec_name == "utf-8":
        if as_utf8 is not None:
            return as_utf8, True
        mostly = _mostly_utf8(data, per_error=3 if codec_name else 6)
        return mostly if mostly is not None else _unlabelled(data), False
    if as_utf8 is not None and _is_really_utf8(as_utf8, codec_name):
        return as_utf8, False
    return _labelled(data, codec_name)


def _is_stateful(codec_name: str | None) -> bool:
    return codec_name is not None and codec_name.startswith(
        ("iso2022", "utf-7", "utf-16", "utf-32", "utf_16", "utf_32", "hz", "utf_7")
    )


def _is_really_utf8(text: str, codec_name: str) -> bool:
    """Say whether text that is valid UTF-8 should be read so in spite of its label."""
    if _is_stateful(codec_name):
        return False
    if codec_name in {"gb18030", "big5hkscs", "cp932", "cp949", "gbk"}:
        # Two-byte Chinese can be valid two-byte UTF-8 by chance, three-byte UTF-8 cannot.
        return _WIDE.search(text) is not None
    return True


def _labelled(data: bytes, codec_name: str) -> tuple[str, bool]:
    if codec_name == "cp1252" and _looks_double_byte(data, strong=True):
        return _double_byte(data), False
    text = _strictly(data, codec_name)
    if codec_name == "gb18030" and (text is None or _reads_better_as_big5(data)):
        other = _strictly(data, "big5hkscs") if _reads_better_as_big5(data) else None
        if other is not None:
            return other, False
    if text is not None:
        return text, True
    if codec_name == "cp1252":
        return data.decode("latin-1"), True
    if codec_name == "big5hkscs":
        for other_codec in ("cp950", "gb18030"):
            text = _strictly(data, other_codec)
            if text is not None:
                return text, False
    # A few broken bytes do not make the label wrong: a cut or damaged mail stays readable.
    try:
        return data.decode(codec_name, "replace"), False
    except (LookupError, UnicodeError, ValueError):
        return _unlabelled(data), False


def _unlabelled(data: bytes) -> str:
    """Decode eight-bit bytes about which nothing is known."""
    if _looks_double_byte(data, strong=False):
        return _double_byte(data)
    text = _strictly(data, "cp1252")
    return text if text is not None else data.decode("latin-1")


def _mostly_utf8(data: bytes, *, per_error: int) -> str | None:
    """Return UTF-8 that was cut inside a character or has a few bad bytes, else ``None``."""
    text = data.decode("utf-8", "replace")
    high = sum(len(run) for run in _HIGH_RUN.findall(data[:_SAMPLE]))
    bad = text[:_SAMPLE].count("\ufffd")
    return text if bad * per_error <= high else None


def _strictly(data: bytes, codec_name: str) -> str | None:
    try:
        return data.decode(codec_name)
    except (UnicodeError, LookupError, ValueError):
        return None


def _pair_scores(data: bytes) -> tuple[int, int, int]:
    """Count byte pairs of a sample: all, plausible in GB2312, plausible in Big5."""
    pairs = gb = big5 = 0
    sample = data[:_SAMPLE]
    position, end = 0, len(sample) - 1
    while position < end:
        lead = sample[position]
        if lead < 0x81:
            position += 1
            continue
        trail = sample[position + 1]
        pairs += 1
        if trail >= 0xA1 and (0xB0 <= lead <= 0xD7 or lead in (0xA1, 0xA3)):
            gb += 1
        if (0x40 <= trail <= 0x7E or trail >= 0xA1) and 0xA1 <= lead <= 0xC6:
            big5 += 1
        position += 2
    return pairs, gb, big5


def _looks_double_byte(data: bytes, *, strong: bool) -> bool:
    """Say whether the bytes look like Chinese in a double-byte encoding, not like Western text."""
    runs = _HIGH_RUN.findall(data[:_SAMPLE])
    if not runs:
        return False
    mean = sum(map(len, runs)) / len(runs)
    pairs, gb, big5 = _pair_scores(data)
    enough = 4 if strong else 2
    share = 0.9 if strong else 0.7
    wanted = 2.5 if strong else 1.7
    return pairs >= enough and mean >= wanted and max(gb, big5) >= share * pairs


def _reads_better_as_big5(data: bytes) -> bool:
    pairs, gb, big5 = _pair_scores(data)
    return pairs >= 4 and big5 > gb + 0.25 * pairs


def _double_byte(data: bytes) -> str:
    if _reads_better_as_big5(data):
        text = _strictly(data, "big5hkscs")
        if text is not None:
            return text
    return data.decode("gb18030", "replace")


def _decode_jis(data: bytes) -> str:
    """Decode ISO-2022-JP including the vendor rows (①, ㈱) that Python's codec refuses."""
    plain = _strictly(data, "iso2022_jp_2")
    if plain is not None and "\x1b" not in plain:
        return plain
    out: list[str] = []
    mode = b"(B"
    position = 0
    for escape in _JIS_ESCAPE.finditer(data):
        out.append(_jis_segment(data[position : escape.start()], mode))
        mode, position = escape.group(1), escape.end()
    out.append(_jis_segment(data[position:], mode))
    return "".join(out)


def _jis_segment(segment: bytes, mode: bytes) -> str:
    if mode in (b"$@", b"$B"):
        return _jis_to_shift(segment).decode("cp932", "replace")
    if mode == b"(I":
        return bytes(byte | 0x80 for byte in segment).decode("cp932", "replace")
    if segment.isascii():
        return segment.decode("ascii")
    return segment.decode("cp932", "replace")


def _jis_to_shift(segment: bytes) -> bytes:
    """Turn seven-bit JIS pairs into Shift_JIS bytes; line ends pass."""
    out = bytearray()
    position, end = 0, len(segment)
    while position < end:
        first = segment[position]
        if first < 0x21 or position + 1 >= end:
            out.append(first)
            position += 1
            continue
        second = segment[position + 1]
        row = (first - 0x21) // 2 + (0x81 if first < 0x5F else 0xC1)
        odd = 0x1F if second < 0x60 else 0x20
        cell = second + (odd if first % 2 else 0x7E)
        out += bytes((row & 0xFF, cell & 0xFF))
        position += 2
    return bytes(out)
