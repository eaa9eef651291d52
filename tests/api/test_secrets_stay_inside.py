"""Secrets go in and never come out: not in refusals, logs, lists or the published document."""

import json
import logging

import pytest
from pydantic import SecretStr

from hub import adapters
from hub.api import channels, people, session
from hub.app.rooms import ROOMS, SETUPS
from hub.model.visibility import Role
from tests.adapters.case_files import harness_of
from tests.api.conftest import PASSWORD, House, make_person
from tests.api.test_channels import telegram, wish

__all__ = ["telegram"]

HERE = [session.ROUTES, channels.ROUTES, people.ROUTES]
BAD_TOKEN = "123456789:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
NO_TOKEN = "s3cret-but-no-token"
LATER = "webhook-s3cret-0123456789"


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return what the hub logged; access lines are those of the test's own servers."""
    lines = (one for one in caplog.records if one.name != "aiohttp.access")
    return "\n".join(f"{one.getMessage()} {one.exc_info}" for one in lines)


async def test_a_refused_channel_repeats_no_secret(
    seeded: House, telegram: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    boss = await make_person(seeded, "boss", Role.ADMINISTRATOR, rooms=HERE)
    said = ""
    for config in (
        {"bot_token": BAD_TOKEN},  # refused by the provider
        {"bot_token": NO_TOKEN},  # refused by its shape
        {"secret_token": LATER, "surprise": NO_TOKEN},
        {"secret_token": {"nested": LATER}},
        {"mode": LATER, "bot_token": [BAD_TOKEN]},
    ):
        answer = await boss.call("POST", "/channels", wish(telegram, **config))
        assert 400 <= answer.status < 500, config
        said += await answer.text() + str(answer.headers)
    for secret in (BAD_TOKEN, NO_TOKEN, LATER):
        assert secret not in said
        assert secret not in logged(caplog)


async def test_a_refused_login_repeats_no_password(
    seeded: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mia = await make_person(seeded, "mia", rooms=HERE)
    wrong = "guess s3cretword 1"
    said = ""
    for method, path, body in (
        ("POST", "/session", {"email": mia.email, "password": wrong}),
        ("POST", "/session", {"email": mia.email, "password": [wrong]}),
        ("POST", "/password", {"old": wrong, "new": PASSWORD + wrong}),
        ("POST", "/links/password", {"secret": wrong, "password": wrong}),
    ):
        answer = await mia.call(method, path, body)
        assert 400 <= answer.status < 500
        said += await answer.text()
    assert "s3cretword" not in said + logged(caplog)
    assert mia.csrf not in logged(caplog)


async def test_the_published_document_shows_no_secret_and_marks_them(seeded: House) -> None:
    """The document is made of types alone; what a secret is, a form can see."""
    client = await seeded.serve(ROOMS, SETUPS)
    document = await (await client.get("/openapi.json")).text()
    for kind in ("twilio_sms", "telegram", "slack", "email"):
        assert not [one for one in harness_of(kind).SECRETS if one in document]
    assert PASSWORD not in document
    for manifest in adapters.MANIFESTS:
        schema = json.dumps(manifest.config.model_json_schema())
        secret = [
            name
            for name, field in manifest.config.model_fields.items()
            if field.annotation is SecretStr
        ]
        assert schema.count('"writeOnly": true') >= len(secret)
