"""The site's word on its visitor: one algorithm, a short life, verified means the site said so."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import ValidationError

from hub.adapters.webchat import WebchatConfig
from hub.adapters.webchat.identity import read_identity
from hub.model.clock import to_micros
from hub.model.errors import NotAuthenticated
from tests.adapters.case_files import NOW
from tests.adapters.webchat.harness import IDENTITY_SECRET

SECONDS = to_micros(NOW) // 1_000_000
GOOD = {"sub": "user-4711", "exp": SECONDS + 3600}


def signed(claims: dict[str, Any], secret: str = IDENTITY_SECRET, alg: str = "HS256") -> str:
    key = OctKey.import_key(secret)
    return jwt.encode({"alg": alg}, claims, key, algorithms=[alg])


def refused(token: str) -> str:
    with pytest.raises(NotAuthenticated) as caught:
        read_identity(IDENTITY_SECRET, token, NOW)
    return caught.value.code


def test_a_good_token_says_who_it_is() -> None:
    found = read_identity(
        IDENTITY_SECRET,
        signed({**GOOD, "name": " Ada ", "email": "ada@example.com", "email_verified": True,
                "phone": "+8613800138000", "level": "gold", "admin": True}),
        NOW,
    )  # fmt: skip
    assert (found.subject, found.name, found.level) == ("user-4711", "Ada", "gold")
    assert (found.email_verified, found.phone_verified) == (True, False)


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"sub": "x", "exp": SECONDS - 61}, "identity_expired"),
        ({"sub": "x", "exp": 0}, "identity_expired"),
        ({"sub": "x", "exp": SECONDS + 86_400 + 61}, "identity_too_long"),
        ({"sub": "x"}, "identity_invalid"),
        ({"exp": SECONDS + 60}, "identity_invalid"),
        ({"sub": "", "exp": SECONDS + 60}, "identity_invalid"),
        ({"sub": "\x00", "exp": SECONDS + 60}, "identity_invalid"),
        ({"sub": 5, "exp": SECONDS + 60}, "identity_invalid"),
        ({"sub": "x" * 201, "exp": SECONDS + 60}, "identity_invalid"),
        ({"sub": "x", "exp": str(SECONDS + 60)}, "identity_invalid"),
        ({"sub": "x", "exp": 1e300}, "identity_invalid"),
        ({"sub": "x", "exp": True}, "identity_invalid"),
        ({**GOOD, "iat": SECONDS + 120}, "identity_invalid"),
        ({**GOOD, "nbf": SECONDS + 120}, "identity_invalid"),
        ({**GOOD, "email_verified": "yes"}, "identity_invalid"),
        ({**GOOD, "email": ["a@b"]}, "identity_invalid"),
    ],
)
def test_wrong_claims_are_refused(claims: dict[str, Any], code: str) -> None:
    assert refused(signed(claims)) == code


def _with_none() -> str:
    import base64
    import json

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part(GOOD)}."


@pytest.mark.parametrize(
    "forge",
    [
        lambda: signed(GOOD, "another-secret-of-at-least-32-characters"),
        lambda: signed(GOOD, alg="HS512"),
        lambda: signed(GOOD, alg="HS384"),
        _with_none,
        lambda: signed(GOOD)[:-2],
        lambda: signed(GOOD) + "A",
        lambda: signed(GOOD).rsplit(".", 1)[0] + ".",
        lambda: signed(GOOD).replace(".", "..", 1),
        lambda: "",
        lambda: "a.b.c",
        lambda: "é.é.é",
        lambda: "." * 100,
        lambda: "x" * 5_000,
    ],
)
def test_forged_tokens_are_refused(forge: Callable[[], str]) -> None:
    assert refused(forge()) == "identity_invalid"


@given(st.text(max_size=200))
def test_no_text_is_a_token(text: str) -> None:
    refused(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"identity_secret": "short"},
        {"allowed_origins": ["*"]},
        {"allowed_origins": ["https://*.example"]},
        {"allowed_origins": ["https://shop.example/path"]},
        {"allowed_origins": ["shop.example"]},
        {"allowed_origins": ["https://u:p@shop.example"]},
        {"allowed_origins": ["javascript:alert(1)"]},
        {"allowed_origins": ["https://shop.example:99999"]},
        {"extensions": ["svg"]},
        {"extensions": ["../x"]},
        {"colour": "red;}"},
        {"languages": []},
        {"greeting": {"<b>": "hi"}},
        {"prechat": [{"field": "password"}]},
        {"unknown": 1},
    ],
)
def test_wrong_configurations_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WebchatConfig.model_validate(wrong)


def test_origins_are_kept_as_browsers_send_them() -> None:
    config = WebchatConfig.model_validate(
        {
            "allowed_origins": [
                "HTTPS://Shop.Example:443/",
                "http://localhost:8081",
                "http://[::1]:80",
            ]
        }
    )
    assert config.allowed_origins == (
        "https://shop.example", "http://localhost:8081", "http://[::1]"
    )  # fmt: skip
