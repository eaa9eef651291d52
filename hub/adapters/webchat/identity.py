"""The site's word on who its visitor is: a JWT, HS256 with the channel's identity secret.

One algorithm, chosen here and never by the token; `exp` is required and at most a day ahead, so
that a token found in a log or a browser is soon worth nothing.
"""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from hub.adapters.kit.text import clean_text
from hub.model.clock import to_micros
from hub.model.errors import NotAuthenticated
from hub.model.widget import SignedIdentity

MAX_TOKEN_CHARS = 4_096
MAX_AHEAD_S = 24 * 3600
LEEWAY_S = 60

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)]


class _Claims(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    sub: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    exp: Annotated[int | float, Field(ge=0, le=1e11, allow_inf_nan=False)]
    iat: Annotated[int | float, Field(ge=0, le=1e11, allow_inf_nan=False)] | None = None
    nbf: Annotated[int | float, Field(ge=0, le=1e11, allow_inf_nan=False)] | None = None
    name: Text = ""
    email: Text = ""
    email_verified: bool = False
    phone: Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)] = ""
    phone_verified: bool = False
    level: Annotated[str, StringConstraints(strip_whitespace=True, max_length=20)] = ""


def read_identity(secret: str, token: str, now: datetime) -> SignedIdentity:
    """Verify a token and return what it says.

    Raises:
        NotAuthenticated: `identity_invalid`, `identity_expired`, `identity_too_long`.
    """
    claims = _verified(secret, token)
    seconds = to_micros(now) / 1_000_000
    if claims.exp <= seconds - LEEWAY_S:
        raise NotAuthenticated("identity_expired")
    if claims.exp > seconds + MAX_AHEAD_S + LEEWAY_S:
        raise NotAuthenticated("identity_too_long", max_s=MAX_AHEAD_S)
    if max(claims.iat or 0, claims.nbf or 0) > seconds + LEEWAY_S:
        raise NotAuthenticated("identity_invalid")
    subject = clean_text(claims.sub)
    if not subject:
        raise NotAuthenticated("identity_invalid")
    return SignedIdentity(
        subject=subject,
        name=clean_text(claims.name),
        email=clean_text(claims.email),
        email_verified=claims.email_verified and bool(claims.email),
        phone=clean_text(claims.phone),
        phone_verified=claims.phone_verified and bool(claims.phone),
        level=clean_text(claims.level),
    )


def _verified(secret: str, token: str) -> _Claims:
    # Imported here: only sites that sign pay for it.
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import OctKey

    if not token.isascii() or len(token) > MAX_TOKEN_CHARS:
        raise NotAuthenticated("identity_invalid")
    try:
        decoded = jwt.decode(token, OctKey.import_key(secret), algorithms=["HS256"])
        return _Claims.model_validate(decoded.claims)
    except (JoseError, ValidationError, ValueError, TypeError, KeyError, RecursionError):
        raise NotAuthenticated("identity_invalid") from None
