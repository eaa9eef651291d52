"""The conformance suite: every kind of channel, ours and third parties', against the contract.

Case tables: `tests/adapters/<kind>/cases/{in,out}/*.json`; the kind's `harness.py` says how its
requests are signed. On top of the tables this file checks what no author remembers: forged,
missing, foreign and old signatures, bent payloads, purity, secrets in logs, a second visible call.

harness.py: `CONFIG` (dict), `SECRETS` (tuple), `REPLAY_WINDOW_S` (int or None),
`sign(request, config) -> RawRequest`, `forge(request) -> RawRequest`; `config` is CONFIG with the
case's overrides. Optional: `SIGNS_BODY = False` when the signature does not cover the body,
`visible(call) -> bool` (default: every POST), `NO_OUT_CASES = "reason"`. A third party's suite runs
too: see `case_files.harness_of`.
"""

import dataclasses
import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from hub.adapters import kinds, manifest
from hub.model.channel import (
    Channel,
    InboundMessage,
    Intake,
    ItemOutcome,
    RawRequest,
    RawResponse,
    Receipt,
)
from hub.model.errors import PayloadInvalid, SendError, SignatureRejected
from tests.adapters.case_files import (
    INTERNAL_METHODS,
    Case,
    build_channel,
    differences,
    harness_of,
    part_of,
    plain,
    raw_config,
    read_cases,
    read_config,
    request_of,
)
from tests.adapters.hostile import bent_requests, with_body
from tests.adapters.provider_contracts import violations
from tests.adapters.scripted_http import Call, ScriptedHttp

KINDS = kinds()
IN_CASES = [case for kind in KINDS for case in read_cases(kind, "in")]
OUT_CASES = [case for kind in KINDS for case in read_cases(kind, "out")]
GOOD_CASES = [
    case
    for case in IN_CASES
    if not case.data["expect"].get("error") and case.data["expect"].get("items")
]
SIGNED_CASES = [
    case for case in GOOD_CASES if case.data["request"].get("method") not in INTERNAL_METHODS
]
every_in_case = pytest.mark.parametrize("case", IN_CASES, ids=lambda case: case.id)
every_good_case = pytest.mark.parametrize("case", GOOD_CASES, ids=lambda case: case.id)
every_signed_case = pytest.mark.parametrize("case", SIGNED_CASES, ids=lambda case: case.id)
every_out_case = pytest.mark.parametrize("case", OUT_CASES, ids=lambda case: case.id)


def channel_of(case: Case, http: ScriptedHttp | None = None) -> Channel:
    config = raw_config(harness_of(case.kind), case)
    return build_channel(manifest(case.kind), config, http or ScriptedHttp())


def signed(case: Case, request: RawRequest | None = None) -> RawRequest:
    request = request or request_of(case)
    if request.method in INTERNAL_METHODS:
        return request
    harness = harness_of(case.kind)
    found: RawRequest = harness.sign(request, raw_config(harness, case))
    return found


def read(channel: Channel, request: RawRequest) -> Intake:
    channel.verify(request)
    return channel.parse(request)


@pytest.fixture(autouse=True)
def quiet_secrets(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Any:
    """After every test: no secret in any log line, no message text above debug."""
    caplog.set_level(logging.DEBUG)
    yield
    case = getattr(request.node, "callspec", None) and request.node.callspec.params.get("case")
    if not isinstance(case, Case):
        return
    for secret in harness_of(case.kind).SECRETS:
        assert secret not in caplog.text, "a secret was logged"
    loud = "\n".join(r.getMessage() for r in caplog.records if r.levelno > logging.DEBUG)
    for item in case.data["expect"].get("items", []):
        text = item.get("content", {}).get("text", "")
        assert len(text) < 6 or text not in loud, "message text was logged above debug"


# --- tables -----------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_cases_both_ways(kind: str) -> None:
    harness = harness_of(kind)
    assert read_cases(kind, "in"), "an adapter without cases is not tested"
    assert read_cases(kind, "out") != [] or getattr(harness, "NO_OUT_CASES", "") != ""
    assert manifest(kind).kind == kind


@every_in_case
def test_what_comes_in(case: Case) -> None:
    expect = case.data["expect"]
    channel = channel_of(case)
    if expect.get("error") == "signature_rejected":
        with pytest.raises(SignatureRejected):
            read(channel, request_of(case))
        return
    request = signed(case)
    channel.verify(request)
    if expect.get("error"):
        with pytest.raises(PayloadInvalid):
            channel.parse(request)
        return
    intake = channel.parse(request)
    assert channel.parse(request) == intake, "parse is pure: a repeated request reads the same"
    if "items" in expect:
        assert differences(expect["items"], plain(intake.items), "items") == []
    if "ignored" in expect:
        assert list(intake.ignored) == expect["ignored"]
    _check_items(intake)
    _check_response(channel, intake, expect.get("response", {}))


def _check_response(channel: Channel, intake: Intake, expect: Mapping[str, Any]) -> None:
    for outcome in ItemOutcome:
        response = channel.respond(intake, (outcome,) * len(intake.items))
        assert isinstance(response, RawResponse)
        if intake.challenge is not None:
            assert response == intake.challenge
        assert response.status == expect.get("status", 200)
        assert expect.get("body_contains", "") in response.body.decode()


def _check_items(intake: Intake) -> None:
    """Hold what every adapter must hold, whatever came in."""
    assert isinstance(intake, Intake)
    text = json.dumps(plain([dataclasses.replace(i, media=()) if isinstance(i, InboundMessage)
                             else i for i in intake.items]), ensure_ascii=False)  # fmt: skip
    text.encode()  # a lone surrogate cannot be stored: see kit.text.clean_text
    assert "\\u0000" not in text, "PostgreSQL refuses NUL in text: see kit.text.clean_text"
    assert all(len(name) <= 100 for name in intake.ignored), "ignored names become log fields"
    for item in intake.items:
        if isinstance(item, InboundMessage):
            assert 0 < len(item.external_id) <= 255
            assert 0 < len(item.sender.value) <= 320
            assert item.occurred_at.utcoffset() == timedelta(0)


@every_out_case
async def test_what_goes_out(case: Case) -> None:
    expect = case.data["expect"]
    http = ScriptedHttp(case.data.get("answers", []))
    channel = channel_of(case, http)
    outcome = await _send(channel, case)
    if "error" in expect:
        assert isinstance(outcome, SendError), f"sent: {outcome}"
        names = ("code", "retryable", "maybe_sent", "retry_after_s", "provider_code", "needs_auth")
        facts = {name: getattr(outcome, name) for name in names}
        assert differences(expect["error"], facts, "error") == []
    else:
        assert isinstance(outcome, Receipt), repr(outcome)
        assert differences(expect.get("receipt", {}), plain(outcome), "receipt") == []
    if "calls" in expect:
        assert len(http.calls) == len(expect["calls"]), [call.url for call in http.calls]
        for told, call in zip(expect["calls"], http.calls, strict=True):
            assert _call_differences(told, call) == []
    assert len(http.calls) == len(http.script), "an answer of the script was never asked for"
    visible = getattr(harness_of(case.kind), "visible", lambda call: call.method == "POST")
    assert sum(map(visible, http.calls)) <= 1, "one send, one call the customer can notice"
    assert [line for call in http.calls for line in violations(case.kind, call)] == []


async def _send(channel: Channel, case: Case) -> Receipt | SendError:
    secrets = harness_of(case.kind).SECRETS
    try:
        return await channel.send(part_of(case))
    except SendError as error:
        seen = f"{error!r} {error} {error.__cause__!r} {error.__context__!r}"
        assert not [s for s in secrets if s in seen], "a secret in an error"
        return error


def _call_differences(told: Mapping[str, Any], call: Call) -> list[str]:
    wanted = told.get("url_contains", "")
    lines = [
        f"url: no {text!r} in {call.url}"
        for text in (wanted if isinstance(wanted, list) else [wanted])
        if text not in call.url
    ]
    seen = {
        "method": call.method,
        "form": call.form_fields(),
        "json": call.json(),
        "params": dict(call.params),
        "headers": dict(call.headers),
        "trusted": call.trusted,
    }
    asked = {name: value for name, value in told.items() if name in seen}
    absent = [f"{n} is there" for n in told.get("form_lacks", []) if n in call.form_fields()]
    return lines + absent + differences(asked, seen, "call")


# --- what no author remembers -----------------------------------------------------------------
@every_signed_case
def test_a_bad_signature_is_refused(case: Case) -> None:
    channel = channel_of(case)
    channel.verify(signed(case))
    with pytest.raises(SignatureRejected):
        channel.verify(harness_of(case.kind).forge(signed(case)))


@every_signed_case
def test_a_missing_signature_is_refused(case: Case) -> None:
    channel = channel_of(case)
    request = signed(case)
    kept = {k: v for k, v in request.headers.items() if k.startswith("content-")}
    with pytest.raises(SignatureRejected):
        channel.verify(dataclasses.replace(request, headers=kept))
    emptied = {k: v if k in kept else "" for k, v in request.headers.items()}
    with pytest.raises(SignatureRejected):
        channel.verify(dataclasses.replace(request, headers=emptied))


@every_signed_case
def test_another_channels_signature_is_refused(case: Case) -> None:
    harness = harness_of(case.kind)
    config = raw_config(harness, case)
    model = read_config(manifest(case.kind), config)
    secret = [n for n in type(model).model_fields if isinstance(getattr(model, n), SecretStr)]
    assert secret, "a signed channel has a secret"
    foreign = {**config, **{name: f"{config.get(name, '')}0" for name in secret}}
    with pytest.raises(SignatureRejected):
        channel_of(case).verify(harness.sign(request_of(case), foreign))


@every_signed_case
def test_a_changed_body_is_refused(case: Case) -> None:
    if not getattr(harness_of(case.kind), "SIGNS_BODY", True):
        return  # Telegram's secret token says who calls, not what
    request = signed(case)
    for body in (request.body + b"&a=b", request.body[:-1] + b"~", b""):
        with pytest.raises(SignatureRejected):
            channel_of(case).verify(with_body(request, body))


@every_signed_case
def test_a_replay_outside_the_window_is_refused(case: Case) -> None:
    window = harness_of(case.kind).REPLAY_WINDOW_S
    if window is None:
        return  # the network signs no time; repeats meet in the duplicate check
    request, channel = signed(case), channel_of(case)
    for seconds in (-window + 1, window - 1):
        late = request.received_at + timedelta(seconds=seconds)
        channel.verify(dataclasses.replace(request, received_at=late))
    for seconds in (-window - 1, window + 1):
        late = request.received_at + timedelta(seconds=seconds)
        with pytest.raises(SignatureRejected):
            channel.verify(dataclasses.replace(request, received_at=late))


@every_good_case
def test_bent_payloads_are_refused_or_ignored_never_a_crash(case: Case) -> None:
    channel = channel_of(case)
    request = request_of(case)
    for at, bent in bent_requests(request, case.data["request"]):
        try:
            intake = channel.parse(bent)
        except PayloadInvalid:
            continue
        except Exception as error:
            pytest.fail(f"{at}: {error!r}")
        try:
            _check_items(intake)
        except (AssertionError, UnicodeEncodeError) as error:
            pytest.fail(f"{at}: {error}")
        channel.respond(intake, (ItemOutcome.STORED,) * len(intake.items))


@every_signed_case
def test_verify_never_crashes(case: Case) -> None:
    channel = channel_of(case)
    request = signed(case)
    odd = ["", "é", "v0=", "\x00", "=" * 100, "9" * 400, "\ud800", "v0=\udcff"]
    for name in request.headers:
        for value in odd:
            bent = dataclasses.replace(request, headers={**request.headers, name: value})
            try:
                channel.verify(bent)
            except SignatureRejected:
                continue
    for body in (b"\xff\xfe", b"\x00", b"a=%ff&b", b"&" * 10_000):
        try:
            channel.verify(with_body(request, body))
        except SignatureRejected:
            continue


@pytest.mark.parametrize("kind", KINDS)
def test_secrets_are_in_no_repr(kind: str) -> None:
    harness = harness_of(kind)
    config = read_config(manifest(kind), harness.CONFIG)
    channel = build_channel(manifest(kind), harness.CONFIG, ScriptedHttp())
    seen = f"{config!r} {config} {channel!r} {config.model_dump_json()}"
    assert not [secret for secret in harness.SECRETS if secret in seen]
