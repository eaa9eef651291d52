"""Files customers send: small PNG pictures and one-page PDFs, drawn here byte by byte."""

import random
import struct
import zlib
from dataclasses import dataclass

Colour = tuple[int, int, int]
WIDTH, HEIGHT = 320, 200


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file with the name and type a customer's device gives it."""

    filename: str
    content_type: str
    data: bytes

    @property
    def is_picture(self) -> bool:
        """Tell whether it is shown rather than listed."""
        return self.content_type.startswith("image/")


def make_file(kind: str, seed: int) -> MadeFile:
    """Return a file of a kind (`router`, `speed`, `bill`, `contract`); the same for a seed."""
    number = 1000 + seed % 9000
    if kind == "router":
        return MadeFile(f"IMG_{number}.png", "image/png", _router())
    if kind == "speed":
        return MadeFile(f"speedtest_{number}.png", "image/png", _speed(seed))
    if kind == "bill":
        lines = [
            "Huaxin Telecom - bill 2026-10", f"Account 66 00 {number}", "",
            "Plan 99 .................... 99.00", "Roaming data ............... 68.40",
            "Total CNY ................. 167.40",
        ]  # fmt: skip
        return MadeFile(f"bill-{number}.pdf", "application/pdf", pdf(lines))
    lines = ["Huaxin Telecom - contract", f"No. {number}", "", "Broadband 500 Mbit/s, 24 months"]
    return MadeFile(f"contract-{number}.pdf", "application/pdf", pdf(lines))


class Canvas:
    """Pixels in RGB, from the top left."""

    def __init__(self, background: Colour) -> None:
        self.rows = [bytearray(bytes(background) * WIDTH) for _ in range(HEIGHT)]

    def box(self, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
        """Fill a rectangle."""
        for row in self.rows[max(top, 0) : max(bottom, 0)]:
            row[3 * left : 3 * right] = bytes(colour) * (right - left)

    def disc(self, x: int, y: int, radius: int, colour: Colour) -> None:
        """Fill a circle."""
        for dy in range(-radius, radius + 1):
            half = int((radius * radius - dy * dy) ** 0.5)
            self.box(x - half, y + dy, x + half + 1, y + dy + 1, colour)

    def png(self) -> bytes:
        """Return the picture as PNG."""
        raw = b"".join(b"\0" + bytes(row) for row in self.rows)
        head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
        chunks = (b"IHDR", head), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _router() -> bytes:
    canvas = Canvas((214, 205, 190))
    canvas.box(30, 70, 290, 150, (245, 246, 248))
    canvas.box(30, 140, 290, 150, (200, 204, 210))
    for number, colour in enumerate(
        ((40, 170, 80), (40, 170, 80), (215, 45, 45), (160, 165, 172), (40, 170, 80))
    ):
        canvas.disc(70 + 45 * number, 105, 8, colour)
    for x in (60, 255):
        canvas.box(x, 20, x + 6, 70, (70, 74, 80))
    return canvas.png()


def _speed(seed: int) -> bytes:
    dice = random.Random(seed)  # noqa: S311 - a drawing
    canvas = Canvas((250, 250, 252))
    for y in range(40, 180, 35):
        canvas.box(30, y, 300, y + 1, (222, 226, 232))
    for number in range(12):
        evening = number >= 7
        height = dice.randint(8, 22) if evening else dice.randint(90, 125)
        colour = (200, 60, 50) if evening else (45, 120, 200)
        canvas.box(36 + 22 * number, 175 - height, 50 + 22 * number, 175, colour)
    canvas.box(30, 175, 300, 177, (90, 96, 105))
    return canvas.png()


def pdf(lines: list[str]) -> bytes:
    """Return a one-page PDF with these lines of ASCII text."""
    shown = " ".join(f"({_escaped(line)}) Tj T*" for line in lines)
    text = f"BT /F1 14 Tf 60 780 Td 20 TL {shown} ET".encode("ascii", "replace")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>",
    )
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def _escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
