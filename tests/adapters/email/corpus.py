"""Mails written for these tests: what real programs send and what hostile people send."""

from __future__ import annotations

import base64
from collections.abc import Callable

HEAD = b"From: Wang Fang <wf@example.com>\r\nTo: Service <help@example.net>\r\n"


def mail(body: bytes, *fields: bytes, subject: bytes = b"Order 42") -> bytes:
    """Build a mail of our standard people with more fields and a body."""
    extra = b"".join(field + b"\r\n" for field in fields)
    return HEAD + b"Subject: " + subject + b"\r\n" + extra + b"\r\n" + body


def word(text: str, charset: str) -> bytes:
    """Encode one RFC 2047 word."""
    data = base64.b64encode(text.encode("gb18030" if charset == "gb2312" else charset))
    return b"=?" + charset.encode() + b"?B?" + data + b"?="


CHINESE = "您好，我的宽带昨天晚上又断了，请尽快派人来修，谢谢。"
TRADITIONAL = "您好，請問我的訂單什麼時候可以送到？我已經等了三個星期，謝謝您的幫助。"
RARE = "客户名：朱镕基、喆、䶮"

MULTIPART = mail(
    b"preamble\r\n--outer\r\nContent-Type: multipart/alternative; boundary=\"in ner\"\r\n\r\n"
    b"--in ner\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + CHINESE.encode() + b"\r\n"
    b"--in ner\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>" + CHINESE.encode()
    + b"</p><img src=\"cid:logo@x\">\r\n--in ner--\r\n"
    b"--outer\r\nContent-Type: image/png; name=logo.png\r\nContent-ID: <logo@x>\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n"
    b"--outer\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n"
    b" filename*0*=utf-8''%E5%8F%91; filename*1*=%E7%A5%A8.pdf\r\n\r\n"
    b"%PDF\r\n--outer--\r\nepilogue",
    b"MIME-Version: 1.0",
    b"Content-Type: multipart/mixed; boundary=outer",
    b"Message-ID: <one@example.com>",
    b"In-Reply-To: <zero@example.net>",
    b"References: <root@example.net> <zero@example.net>",
    b"Date: Thu, 5 Mar 2026 10:21:33 +0800",
)  # fmt: skip

BOUNCE = (
    b"Return-Path: <>\nFrom: Mail Delivery System <MAILER-DAEMON@mx.example.org>\n"
    b"To: help@example.net\nSubject: Undelivered Mail Returned to Sender\n"
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b1\n\n"
    b"--b1\nContent-Type: text/plain\n\nSorry.\n"
    b"--b1\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\n"
    b"Final-Recipient: rfc822; nobody@example.com\nAction: failed\nStatus: 5.1.1\n"
    b"Diagnostic-Code: smtp; 550 5.1.1 no such user\n\n"
    b"--b1\nContent-Type: message/rfc822\n\nMessage-ID: <ours@example.net>\nSubject: hi\n\ntext\n"
    b"--b1--\n"
)

ORDINARY: dict[str, bytes] = {
    "multipart": MULTIPART,
    "bounce": BOUNCE,
    "gb18030 labelled gb2312": mail(
        RARE.encode("gb18030"), b"Content-Type: text/plain; charset=gb2312"
    ),
    "raw gbk header": mail(
        CHINESE.encode("gbk"),
        b"Content-Type: text/plain; charset=gb2312",
        subject="关于发票的问题".encode("gbk"),
    ),
    "big5": mail(TRADITIONAL.encode("big5"), b"Content-Type: text/plain; charset=big5"),
    "utf-8 labelled latin1": mail(
        CHINESE.encode(), b"Content-Type: text/plain; charset=iso-8859-1"
    ),
    "nul": mail(b"a\0b\0c"),
    "flowed": mail(b"one \r\ntwo\r\n> q \r\n> r\r\n", b"Content-Type: text/plain; format=flowed"),
    "uuencode": mail(b"see file\nbegin 644 a.txt\n%:&5L;&\\\n`\nend\nbye"),
    "qp html": mail(
        b"<p>caf=C3=A9 =\r\nau lait</p>",
        b"Content-Type: text/html; charset=utf-8",
        b"Content-Transfer-Encoding: quoted-printable",
    ),
    "empty": b"",
    "only header": HEAD,
}


def _nested() -> bytes:
    levels = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(1_000)
    )
    return HEAD.replace(b"\r", b"") + levels + b"\nthe innermost words\n"


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a million boundary lines": lambda: mail(
        b"--b\n" * 1_000_000, b"Content-Type: multipart/mixed; boundary=b"
    ),
    "boundaries that are none": lambda: mail(
        b"--bX\n" * 200_000, b"Content-Type: multipart/mixed; boundary=b"
    ),
    "a thousand levels": _nested,
    "100,000 references": lambda: mail(b"x", b"References: " + b"<a@b> " * 100_000),
    "folded references": lambda: mail(b"x", b"References: " + b"<a@b>\r\n " * 100_000),
    "200,000 headers": lambda: b"A: b\n" * 200_000 + b"\n\nx",
    "broken header lines": lambda: b"A: b\n" + b"broken line\n" * 90_000 + b"From: x\n\nx",
    "addresses of commas": lambda: b"To: " + b"," * 1_000_000 + b"\n\nx",
    "addresses of brackets": lambda: b"To: " + b"(" * 1_000_000 + b"\n\nx",
    "addresses of quotes": lambda: b"To: " + b'"a\\' * 333_000 + b"\n\nx",
    "address without end": lambda: b"To: " + b"a" * 1_000_000 + b"@\n\nx",
    "encoded words without end": lambda: b"Subject: " + b"=?utf-8?q?" * 100_000 + b"\n\nx",
    "parameters of semicolons": lambda: b"Content-Type: text/plain" + b" ;" * 500_000 + b"\n\nx",
    "parameter pieces": lambda: (
        b"Content-Type: text/plain" + b"".join(b"; n*%d*=a" % i for i in range(80_000)) + b"\n\nx"
    ),
    "soft line breaks": lambda: mail(
        b"= " * 500_000, b"Content-Transfer-Encoding: quoted-printable"
    ),
    "uuencoded files": lambda: mail(b"begin 644 a\n" * 83_000),
    "flowed quotes": lambda: mail(b"> \n" * 333_000, b"Content-Type: text/plain; format=flowed"),
    "high bytes": lambda: mail(b"\xe9" * 1_000_000),
    "jis escapes": lambda: mail(
        b"\x1b$B!!\x1b(B" * 125_000, b"Content-Type: text/plain; charset=iso-2022-jp"
    ),
    "nul bytes": lambda: b"\0" * 1_000_000,
    "html depth": lambda: mail(b"<div>" * 200_000, b"Content-Type: text/html"),
    "html ampersands": lambda: mail(b"&#" * 500_000, b"Content-Type: text/html"),
    "html brackets": lambda: mail(b"<a <!--" * 140_000, b"Content-Type: text/html"),
    "html attributes": lambda: mail(b"<a " + b"x=y " * 250_000, b"Content-Type: text/html"),
    "wrote wrote": lambda: mail(b"On " + b"a " * 500_000 + b"wrote:"),
    "header-like lines": lambda: mail(b"\nFrom: a@b\nSubject: x\n" * 45_000),
}
