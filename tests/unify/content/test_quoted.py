"""What stays visible of a reply: own examples of many programs and languages, hostile texts."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.unify.content.quoted import visible_html, visible_text

QUOTED = "\n> Dear customer,\n> please confirm.\n"


@pytest.mark.parametrize(
    "line",
    [
        "On Tue, Mar 3, 2026 at 9:12 AM Ann Lee <ann@example.com> wrote:",
        "On Tue, Mar 3, 2026 at 9:12 AM Ann Lee <\nann@example.com> wrote:",
        "On 3 Mar 2026, at 09:12, Ann Lee\n<ann@example.com>\nwrote:",
        "Am 03.03.26 um 09:12 schrieb Ann Lee:",
        "Am Di., 3. März 2026 um 09:12 Uhr schrieb Ann Lee\n<ann@example.com>:",
        "Ann Lee <ann@example.com> schrieb am Di., 3. März 2026 um 09:12:",
        "Le mar. 3 mars 2026 à 09:12, Ann Lee <ann@example.com> a écrit :",
        "El mar, 3 mar 2026 a las 9:12, Ann Lee (<ann@example.com>) escribió:",
        "Em ter., 3 de mar. de 2026 às 09:12, Ann Lee <ann@example.com> escreveu:",
        "Il giorno mar 3 mar 2026 alle ore 09:12 Ann Lee <ann@example.com> ha scritto:",
        "Op di 3 mrt 2026 om 09:12 schreef Ann Lee <ann@example.com>:",
        "Den tis 3 mars 2026 kl 09:12 skrev Ann Lee <ann@example.com>:",
        "W dniu 3.03.2026 o 09:12, Ann Lee pisze: napisał:",
        "вт, 3 мар. 2026 г. в 09:12, Ann Lee <ann@example.com>:",
        "3 марта 2026 г., 09:12, Ann Lee <ann@example.com> написала:",
        "3 Mar 2026 Sal 09:12 tarihinde Ann Lee <ann@example.com> şunları yazdı:",
        "Vào 09:12, Th 3, 3 thg 3, 2026 Ann Lee <ann@example.com> đã viết:",
        "2026年3月3日(火) 9:12 Ann Lee <ann@example.com>:",
        "2026년 3월 3일 (화) 오전 9:12, Ann Lee <ann@example.com>님이 작성:",
        "Ann Lee <ann@example.com> 于2026年3月3日周二 09:12写道：",
        "Ann Lee <ann@example.com> 於 2026年3月3日 週二 上午9:12寫道：",
        "在 2026-03-03 09:12:44，\"Ann Lee\" <ann@example.com> 写道：",
        "在 2026年3月3日，09:12，Ann Lee <ann@example.com> 写道：",
        "At 2026-03-03 09:12:44, \"Ann Lee\" <ann@example.com> wrote:",
        "---- On Tue, 03 Mar 2026 09:12:44 +0800 ann@example.com wrote ----",
    ],
)  # fmt: skip
@pytest.mark.parametrize("reply", ["Yes, that works.", "好的，没问题。\n\n第二段。"])
def test_attribution_lines_are_cut(line, reply):
    assert visible_text(f"{reply}\n\n{line}\n{QUOTED}") == reply


@pytest.mark.parametrize(
    "block",
    [
        "From: Ann <ann@example.com>\nSent: Tuesday\nTo: Bob\nSubject: Hello",
        "*From:* Ann <ann@example.com>\n*Sent:* Tuesday\n*To:* Bob\n*Subject:* Hello",
        "__________________\nFrom: Ann\n<ann@example.com>\nSent: x\nTo: y\nSubject: z",
        "-----Original Message-----\nFrom: Ann\nTo: Bob",
        "-----Ursprüngliche Nachricht-----\nVon: Ann\nAn: Bob",
        "Von: Ann\nGesendet: Dienstag\nAn: Bob\nBetreff: Hallo",
        "De : Ann\nEnvoyé : mardi\nÀ : Bob\nObjet : Bonjour",
        "From: a@example.com\nDate: Tue\nTo: Bob",
        "发件人: 客服 <kf@example.com>\n发送时间: 2026年3月3日\n收件人: 王芳\n主题: 您好",
        "发件人： 客服\n发送时间： 2026-03-03 10:00\n收件人： a@example.com\n主题： 您好",
        "寄件者: 客服\n寄件日期: 2026年3月3日\n收件者: 王芳\n主旨: 您好",
        '------------------ 原始邮件 ------------------\n发件人: "客服" <kf@example.com>;',
        "---原始邮件---\n发件人：客服",
        "差出人: 客服\n送信日時: 2026年3月3日\n宛先: 田中\n件名: こんにちは",
    ],
)
def test_header_blocks_are_cut(block):
    assert visible_text(f"Thank you, solved.\n\n{block}\n\nold words\n") == "Thank you, solved."


@pytest.mark.parametrize(
    "text",
    [
        "Yesterday at 10:30 your colleague wrote:\nPlease wait.\nI waited.",
        "从: 北京\n到: 上海\n时间: 3 月 5 日",
        "From: Beijing\nTo: Shanghai\nDate: 5 March\nPlease book two seats.",
        "你们客服在2026年3月5日说：周六会来。\n没有人来。",
        "See https://example.com/on-monday-bob-wrote:",
        "Times:\n2026-03-05 10:00\n2026-03-06 11:00",
        "--- important ---\nread this",
        "a < b and b > c",
        "> Your address?\nMain Street 1\n> When?\nSaturday",
        "Regards the bill, it is wrong.\nPlease check it.",
        "1. first\n-----\n2. second",
    ],
)
def test_words_of_the_sender_stay(text):
    assert visible_text(text) == text


def test_an_answer_below_the_quote_stays():
    text = "On Tue, Mar 3, 2026 at 9:12 AM Ann <a@example.com> wrote:\n> Is it ok?\n\nYes it is.\n"
    assert visible_text(text) == "Yes it is."


def test_answers_point_by_point_keep_what_they_answer():
    text = (
        "Hi,\nOn 3 Mar 2026 at 9:12, Ann <a@example.com> wrote:\n"
        "> Which size?\nLarge.\n> Which colour?\nBlue.\n> Bye, Ann\n"
    )
    assert visible_text(text) == "Hi,\n> Which size?\nLarge.\n> Which colour?\nBlue."


@pytest.mark.parametrize(
    "ending",
    [
        "\n-- \nBob\n+86 10 1234",
        "\nSent from my iPhone",
        "\n发自我的 iPhone",
        "\n发自我的小米手机",
        "\nVon meinem iPhone gesendet",
        "\nGet Outlook for iOS<https://aka.ms/x>",
        "\nMit freundlichen Grüßen\nBob",
        "\n此致\n王芳",
    ],
)
def test_signatures_are_cut(ending):
    assert visible_text(f"It works now.\n{ending}\n") == "It works now."


def test_a_forwarded_mail_alone_or_announced_stays():
    forward = "---------- Forwarded message ---------\nFrom: a@x.example\nSubject: s\n\nold words"
    assert "old words" in visible_text(forward)
    assert "old words" in visible_text(f"Please see their answer:\n\n{forward}")
    assert visible_text(f"FYI\n\n{forward}") == "FYI"


def test_nothing_is_lost_when_all_is_quoted():
    assert visible_text("> only\n> a quote\n") == "> only\n> a quote"
    assert visible_text("  \n") == ""


@pytest.mark.parametrize(
    "html",
    [
        '<div>Fine.</div><div class="gmail_quote">On Tue Ann wrote:'
        "<blockquote>old</blockquote></div>",
        '<p>Fine.</p><blockquote type="cite">old</blockquote>',
        "<p>Fine.</p><hr><p><b>From:</b> Ann &lt;a@x.example&gt;<br><b>Sent:</b> now<br>"
        "<b>To:</b> Bob<br><b>Subject:</b> x</p><p>old</p>",
        '<div>Fine.</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg">From: x</div>old',
        "<div>Fine.</div><div><br></div><div>---原始邮件---</div><div>发件人: x</div>old",
        '<div>Fine.</div><div class="moz-cite-prefix">Am 3.3. schrieb A:</div>'
        "<blockquote>old</blockquote>",
        "<style>p{}</style><!-- c --><p>Fine.</p>"
        "<blockquote><div><blockquote>o</blockquote>old</div></blockquote>",
        '<p>Fine.</p><div id="isReplyContent">在 2026-03-03，客服 写道：<br>old</div>',
    ],
)  # fmt: skip
def test_html_quotes_are_cut(html):
    assert visible_html(html) == "Fine."


def test_html_that_is_all_quote_stays():
    assert visible_html("<blockquote>forwarded words</blockquote>") == "forwarded words"


HOSTILE = {
    "on a a": "On " + "a " * 100_000,
    "on lines": "On a b\n" * 30_000,
    "colons": "a:\n" * 70_000,
    "dated colons": "On 3 Mar 2026 a@b.c:\n" * 10_000,
    "wrote": "On 3 Mar 2026 wrote:\n" * 10_000,
    "names": ("abc " * 90 + "1 wrote:\n") * 550,
    "quotes": "> a\n\n\n" * 33_000,
    "alternating": "> a\nb\n" * 33_000,
    "headers": "From: a@b\nSubject: x\nDate: y\n" * 7_000,
    "blank": "\n" * 200_000,
    "spaces": " " * 200_000,
    "rules": "-----\n" * 33_000,
    "dashes": "-" * 200_000,
    "digits": "1" * 200_000 + ":",
    "dates": "1.1.1." * 33_000 + ":",
    "addresses": "<a@b> " * 33_000 + "wrote:",
    "ats": "a@" * 100_000,
    "links": "(http://" * 25_000,
    "closings": "regards\n" * 25_000,
    "marks": "<" * 200_000,
    "open tags": '<a "' * 50_000,
    "mixed quotes": "<a '\"" * 40_000,
    "divs": "<div>" * 40_000,
    "quotes open": "<blockquote>" * 16_000,
    "comments": "<!--" * 50_000,
    "scripts": "<script>" * 25_000,
    "entities": "&#" * 100_000,
}


@pytest.mark.parametrize("function", [visible_text, visible_html])
@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_texts_take_less_than_a_second(function, name):
    started = time.process_time()
    function(HOSTILE[name])
    assert time.process_time() - started < 1


LINES = st.lists(
    st.sampled_from(
        ["", "a", "> q", ">> q", "On 3 Mar 2026 at 9:12, A <a@b.c> wrote:", "-- ", "From: a@b.c",
         "Subject: x", "To: y", "-- Original Message --", "发自我的 iPhone", "regards", "<", "b:"]
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=80)
@given(LINES)
def test_only_whole_lines_go_and_something_always_stays(lines):
    text = "\n".join(lines)
    seen = visible_text(text)
    assert bool(seen) == bool(text.strip()) or not seen
    assert set(seen.splitlines()) <= {line.strip() for line in lines} | set(lines)
    if text.strip():
        assert seen.strip()
