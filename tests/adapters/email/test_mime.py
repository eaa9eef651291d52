"""Reading mails: charsets, structure, names, addresses, broken input, hostile input."""

import time
from datetime import UTC, datetime

import pytest

from hub.adapters.email.addresses import parse_addresses
from hub.adapters.email.headers import MAX_REFERENCES, parse_content_value
from hub.adapters.email.mime import parse_mail
from hub.cli.normalize import mail as normalize
from tests.adapters.email import corpus
from tests.adapters.email.corpus import mail, word

SECOND = 1.0


def test_a_whole_mail_is_read():
    parsed = parse_mail(corpus.MULTIPART)
    assert (parsed.from_name, parsed.from_email) == ("Wang Fang", "wf@example.com")
    assert parsed.to == (("Service", "help@example.net"),)
    assert parsed.text is not None
    assert parsed.text.strip() == corpus.CHINESE
    assert parsed.html is not None
    assert "cid:logo@x" in parsed.html
    assert parsed.message_id == "one@example.com"
    assert parsed.in_reply_to == ("zero@example.net",)
    assert parsed.references == ("root@example.net", "zero@example.net")
    assert parsed.date == datetime(2026, 3, 5, 2, 21, 33, tzinfo=UTC)
    logo, invoice = parsed.attachments
    assert (logo.filename, logo.content, logo.content_id) == ("logo.png", b"hello", "logo@x")
    assert logo.inline
    assert (invoice.filename, invoice.inline) == ("发票.pdf", False)
    assert parsed.problems == ()
    assert not parsed.auto_submitted


@pytest.mark.parametrize(
    ("label", "data", "expected"),
    [
        ("gb2312", corpus.RARE.encode("gb18030"), corpus.RARE),
        ("gbk", corpus.CHINESE.encode("gbk"), corpus.CHINESE),
        ("", corpus.CHINESE.encode("gbk"), corpus.CHINESE),
        ("us-ascii", corpus.CHINESE.encode("gbk"), corpus.CHINESE),
        ("iso-8859-1", corpus.CHINESE.encode("gbk"), corpus.CHINESE),
        ("utf-8", corpus.CHINESE.encode("gbk"), corpus.CHINESE),
        ("gb2312", corpus.CHINESE.encode(), corpus.CHINESE),
        ("big5", corpus.TRADITIONAL.encode("big5"), corpus.TRADITIONAL),
        ("gb2312", corpus.TRADITIONAL.encode("big5"), corpus.TRADITIONAL),
        ("", corpus.TRADITIONAL.encode("big5"), corpus.TRADITIONAL),
        ("gb2312", "一些".encode("gbk"), "一些"),
        ("iso-8859-1", "Grüße – für 5 €".encode("cp1252"), "Grüße – für 5 €"),
        ("", "Priorität für Müller".encode("cp1252"), "Priorität für Müller"),
        ("iso-8859-1", "Grüße".encode(), "Grüße"),
        ("no-such-charset", "Grüße".encode(), "Grüße"),
        ("punycode", b"abc", "abc"),
        ("zlib", b"abc", "abc"),
        ("iso-2022-jp", "㈱日本①".encode("cp932"), "㈱日本①"),
        ("iso-2022-jp", b"\x1b$B-!F|K\\\x1b(B ok", "①日本 ok"),
        ("shift_jis", "①注文".encode("cp932"), "①注文"),
        ("ks_c_5601-1987", "안녕하세요".encode("cp949"), "안녕하세요"),
        ("utf-8", "\ufeffabc".encode(), "abc"),
    ],
)
def test_bodies_are_decoded_whatever_the_label(label, data, expected):
    parsed = parse_mail(mail(data, b"Content-Type: text/plain; charset=" + label.encode()))
    assert (parsed.text or "").strip() == expected


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (word("关于发票", "gb2312"), "关于发票"),
        (word("關於發票", "big5"), "關於發票"),
        ("关于发票的问题".encode("gbk"), "关于发票的问题"),
        ("关于发票的问题".encode(), "关于发票的问题"),
        (b"=?utf-8?Q?caf=C3?= =?utf-8?Q?=A9?=", "café"),
        (b"=?utf-8?B?5Y+R56W?=", "发\ufffd"),
        (b"=?utf-8?Q?a b_c?= plain =?iso-8859-1?Q?=FC?=", "a b c plain ü"),
        (b"=?x-nonsense?Q?=FC?=", "ü"),
        (b"=?utf-8?X?abc?= rest", "=?utf-8?X?abc?= rest"),
        (b"a\r\n\tb", "a b"),
        (b"tab\there\0nul", "tab herenul"),
    ],
)
def test_subjects_are_decoded_also_broken_ones(subject, expected):
    assert parse_mail(mail(b"x", subject=subject)).subject == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"a@b.c", (("", "a@b.c"),)),
        (b'"Li, Lei" <ll@b.c>, x@y.z (Bob)', (("Li, Lei", "ll@b.c"), ("Bob", "x@y.z"))),
        (b"Team: a@b.c, d@e.f;", (("Team", "a@b.c"), ("", "d@e.f"))),
        (b"undisclosed-recipients:;", (("undisclosed-recipients", ""),)),
        (word("李雷", "gb2312") + b" <ll@b.c>", (("李雷", "ll@b.c"),)),
        (b'"' + word("李雷", "utf-8") + b'" <ll@b.c>', (("李雷", "ll@b.c"),)),
        (word("李雷 <ll@b.c>", "utf-8"), (("李雷", "ll@b.c"),)),
        ("李雷".encode("gbk") + b" <ll@b.c>", (("李雷", "ll@b.c"),)),
        (b'"no end <a@b.c>', (("no end", "a@b.c"),)),
        (b"<@relay.x,@y.z:a@b.c>", (("", "a@b.c"),)),
        (b'"a b"@c.d', (("", '"a b"@c.d'),)),
        (b"MAILER-DAEMON (Mail System)", (("Mail System", "MAILER-DAEMON"),)),
        (b"", ()),
    ],
)
def test_addresses(raw, expected):
    assert parse_addresses(raw) == expected


def test_an_encoded_word_inside_an_address_is_not_decoded_into_another_sender():
    (pair,) = parse_addresses(b"<=?utf-8?Q?victim=40bank.example?=@evil.example>")
    assert pair[1].endswith("@evil.example")


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        (b'attachment; filename="' + word("发票.pdf", "gb2312") + b'"', "发票.pdf"),
        (b"attachment; filename=" + word("发票.pdf", "utf-8"), "发票.pdf"),
        (b"attachment; filename*=gb2312''%B7%A2%C6%B1.pdf", "发票.pdf"),
        (b'attachment; filename="' + "发票.pdf".encode("gbk") + b'"', "发票.pdf"),
        (b'attachment; filename="' + "发票.pdf".encode() + b'"', "发票.pdf"),
        (b'attachment; filename="../../etc/passwd"', "passwd"),
        (b'attachment; filename="C:\\\\temp\\\\a.txt"', "a.txt"),
        (b'attachment; filename=""', "file.pdf"),
        (b"attachment; filename=a b.txt", "a b.txt"),
    ],
)
def test_file_names(disposition, expected):
    raw = mail(b"x", b"Content-Type: application/pdf", b"Content-Disposition: " + disposition)
    assert [one.filename for one in parse_mail(raw).attachments] == [expected]


def test_parameters_survive_nonsense():
    value = parse_content_value(b'text/plain; charset="utf-8"; a*0=x; a*1=y; =; ; b="open')
    assert value.value == "text/plain"
    assert value.parameters["a"] == "xy"
    assert value.parameters["b"] == "open"


def test_flowed_text_becomes_paragraphs():
    assert parse_mail(corpus.ORDINARY["flowed"]).text == "one two\n> q r\n"


def test_uuencoded_files_leave_the_text():
    parsed = parse_mail(corpus.ORDINARY["uuencode"])
    assert [(one.filename, one.content) for one in parsed.attachments] == [("a.txt", b"hello")]
    assert "begin" not in (parsed.text or "")


def test_a_multipart_without_its_boundary_keeps_the_words():
    parsed = parse_mail(mail(b"the words", b"Content-Type: multipart/mixed; boundary=zz"))
    assert (parsed.text, parsed.problems) == ("the words", ("boundary_missing",))


def test_folded_lines_that_lost_their_indentation():
    raw = b"Received: from a\nby b with SMTP;\nFrom: a@b.c\nSubject: s\n\nbody"
    parsed = parse_mail(raw)
    assert (parsed.from_email, parsed.subject, parsed.text) == ("a@b.c", "s", "body")


def test_a_header_without_an_empty_line_behind_it():
    parsed = parse_mail(b"From: a@b.c\nSubject: s\nHello there\nsecond line\n")
    assert (parsed.subject, parsed.text) == ("s", "Hello there\nsecond line\n")


def test_two_senders_are_noted():
    assert "from_repeated" in parse_mail(b"From: a@b.c\nFrom: d@e.f\n\nx").problems
    assert "from_repeated" in parse_mail(b"From: a@b.c, d@e.f\n\nx").problems


def test_bounces_say_who_and_why():
    parsed = parse_mail(corpus.BOUNCE)
    assert parsed.bounce is not None
    assert parsed.is_bounce
    assert parsed.auto_submitted
    (failed,) = parsed.bounce.recipients
    assert (failed.recipient, failed.action) == ("nobody@example.com", "failed")
    assert (failed.status, failed.diagnostic) == ("5.1.1", "smtp; 550 5.1.1 no such user")
    assert parsed.bounce.permanent
    assert parsed.bounce.original_message_id == "ours@example.net"
    assert len(parsed.attachments) == 2


def test_bounces_in_prose():
    raw = (
        b"From: postmaster@x.example\nSubject: failure notice\n\n"
        b"Hi.\n<nobody@example.com>:\n550 sorry, no mailbox\n\nMessage-ID: <ours@example.net>\n"
    )
    bounce = parse_mail(raw).bounce
    assert bounce is not None
    assert bounce.permanent
    assert bounce.recipients[0].recipient == "nobody@example.com"
    assert bounce.original_message_id == "ours@example.net"


@pytest.mark.parametrize(
    "field",
    [
        b"Auto-Submitted: auto-replied; owner=x",
        b"Precedence: bulk",
        b"Precedence: Junk",
        b"X-Autoreply: yes",
        b"X-Auto-Response-Suppress: DR, AutoReply",
        b"List-Id: <l.example.com>",
        b"Return-Path: <>",
        b"Subject: Automatic reply: away",
        "Subject: 自动回复: 您好".encode(),
    ],
)
def test_mails_that_must_not_be_answered_automatically(field):
    assert parse_mail(b"From: a@b.c\r\n" + field + b"\r\n\r\nx").auto_submitted


@pytest.mark.parametrize("field", [b"Auto-Submitted: no", b"Return-Path: <a@b.c>", b"X-A: b"])
def test_mails_a_person_wrote(field):
    assert not parse_mail(b"From: a@b.c\r\n" + field + b"\r\n\r\nx").auto_submitted


def test_references_keep_the_root_and_the_newest():
    ids = b" ".join(b"<%d@x>" % i for i in range(5_000))
    references = parse_mail(mail(b"x", b"References: " + ids)).references
    assert len(references) == MAX_REFERENCES
    assert (references[0], references[-1]) == ("0@x", "4999@x")


@pytest.mark.parametrize("name", sorted(corpus.HOSTILE))
def test_hostile_mails_take_less_than_a_second(name):
    raw = corpus.HOSTILE[name]()
    started = time.process_time()
    parse_mail(raw)
    assert time.process_time() - started < SECOND


@pytest.mark.parametrize("name", sorted(corpus.HOSTILE))
def test_hostile_mails_are_normalised(name):
    """Reading, cleaning and folding together; each of the three has a second."""
    raw = corpus.HOSTILE[name]()
    started = time.process_time()
    result = normalize(raw)
    assert time.process_time() - started < 3 * SECOND
    assert set(result) >= {"subject", "text", "html", "safe_html", "visible_text"}


def test_the_innermost_words_of_a_thousand_levels_are_kept():
    parsed = parse_mail(corpus.HOSTILE["a thousand levels"]())
    assert "too_deep" in parsed.problems
    assert "the innermost words" in (parsed.text or "")
