"""Logs: credentials are taken out of the finished line, whoever wrote it."""

import io
import logging

import pytest
import structlog

from hub.app.logs import redact, set_up_logging

SECRETS = [
    "https://api.telegram.org/bot123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/getMe",
    "token xoxb-1234567890-abcdefghij",
    "Authorization: Bearer hub_abcdefghijklmnop",
    "postgresql://hub:s3cretword@db/hub",
    "password=s3cretword",
    '{"api_key": "s3cretword"}',
    "GET /media/abcdefghijklmnopqrstuvwxyz",
]


@pytest.mark.parametrize("line", SECRETS)
def test_credentials_do_not_pass(line):
    shown = redact(f"before {line} after")
    for secret in ("AAAAAAAA", "abcdefghij", "s3cretword"):
        assert secret not in shown
    assert shown.startswith("before ")


def test_a_plain_line_stays():
    line = "delivery.sent delivery_id=01a2 kind=telegram state=sent"
    assert redact(line) == line


@pytest.mark.parametrize("form", ["text", "json"])
def test_every_logger_goes_through_it(form):
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    out = io.StringIO()
    try:
        set_up_logging("info", form, out)
        logging.getLogger("some.sdk").info("calling %s", SECRETS[0])
        structlog.get_logger("hub").info("thing.done", password="s3cretword")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    text = out.getvalue()
    assert "thing.done" in text
    assert "AAAAAAAA" not in text
    assert "s3cretword" not in text


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_shows_where_and_no_values(form):
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    out = io.StringIO()
    try:
        set_up_logging("info", form, out)
        said_by_the_customer = "my number is 42"
        try:
            raise ValueError(f"cannot read {said_by_the_customer}")
        except ValueError as error:
            try:
                raise RuntimeError(said_by_the_customer) from error
            except RuntimeError:
                structlog.get_logger("hub").exception("loop.died")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    text = out.getvalue()
    assert all(word in text for word in ("loop.died", "test_logs.py", "ValueError", "RuntimeError"))
    assert "number is 42" not in text.replace('said_by_the_customer = "my number is 42"', "")
