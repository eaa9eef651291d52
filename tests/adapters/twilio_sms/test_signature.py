"""The signature, for whatever Twilio may ever put into a form or an address."""

import dataclasses
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.adapters import manifest
from hub.model.channel import Channel, RawRequest
from hub.model.errors import PayloadInvalid, SignatureRejected
from tests.adapters.case_files import NOW, build_channel
from tests.adapters.scripted_http import ScriptedHttp
from tests.adapters.twilio_sms.harness import AUTH_TOKEN, CONFIG, sign, signature_of

CHANNEL: Channel = build_channel(manifest("twilio_sms"), CONFIG, ScriptedHttp())
text = st.text(st.characters(codec="utf-8"), max_size=30)
pairs = st.lists(st.tuples(st.sampled_from(["Body", "From", "To", "é", "MediaUrl0"]), text))


def request(
    form: list[tuple[str, str]], base: str = "https://hub.example", query: str = ""
) -> RawRequest:
    url = f"{base}/in/CH" + (f"?{query}" if query else "")
    return RawRequest("POST", url, "/in/CH", query, {}, urlencode(form).encode(), NOW)


@given(pairs, text)
def test_every_form_twilio_can_sign_is_accepted(form: list[tuple[str, str]], word: str) -> None:
    CHANNEL.verify(sign(request(form, query=f"a={quote(word)}"), CONFIG))


@given(pairs, text)
def test_an_added_field_is_noticed(form: list[tuple[str, str]], word: str) -> None:
    signed = sign(request(form), CONFIG)
    added = dataclasses.replace(signed, body=urlencode([*form, ("Extra" + word, word)]).encode())
    with pytest.raises(SignatureRejected):
        CHANNEL.verify(added)


@pytest.mark.parametrize(
    "base",
    ["https://hub.example", "https://hub.example:443", "http://127.0.0.1:8080", "http://h:80"],
)
def test_the_port_may_be_signed_or_not(base: str) -> None:
    CHANNEL.verify(sign(request([("Body", "x")], base), CONFIG))


def test_another_address_is_another_signature() -> None:
    signed = sign(request([("Body", "x")]), CONFIG)
    for url in (
        "http://hub.example/in/CH",
        "https://evil.example/in/CH",
        "https://hub.example/in/C",
    ):
        with pytest.raises(SignatureRejected):
            CHANNEL.verify(dataclasses.replace(signed, url=url))


def test_the_host_header_does_not_count() -> None:
    signed = sign(request([("Body", "x")]), CONFIG)
    CHANNEL.verify(dataclasses.replace(signed, headers={**signed.headers, "host": "evil.example"}))


def test_a_form_with_thousands_of_fields_is_refused_not_computed() -> None:
    bomb = request([(f"f{index}", "") for index in range(5000)])
    signature = signature_of(bomb.url, bomb.body, AUTH_TOKEN)
    with pytest.raises(SignatureRejected):
        CHANNEL.verify(dataclasses.replace(bomb, headers={"x-twilio-signature": signature}))
    with pytest.raises(PayloadInvalid):
        CHANNEL.parse(bomb)


@pytest.mark.parametrize(
    "change",
    [
        {"account_sid": "SK" + "0" * 32}, {"auth_token": ""}, {"auth_token": "short"},
        {"from_number": ""}, {"from_number": "12"}, {"messaging_service_sid": "x"},
        {"api_base": "ftp://x"}, {"api_base": "api.twilio.com"}, {"api_base": ""},
        {"callback_retries": 6}, {"unknown": 1},
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        manifest("twilio_sms").config.model_validate({**CONFIG, **change})
