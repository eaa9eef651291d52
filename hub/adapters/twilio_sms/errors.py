"""Twilio's error codes in the hub's words (docs/api/errors, read 2026-11)."""

from dataclasses import dataclass

from hub.model.channel import HttpFailure
from hub.model.errors import SendError


@dataclass(frozen=True, slots=True)
class _Meaning:
    code: str
    retryable: bool = False
    needs_auth: bool = False


_AUTH = _Meaning("auth_refused", needs_auth=True)
_NUMBER = _Meaning("number_invalid")
_SENDER = _Meaning("sender_invalid")
_BUSY = _Meaning("rate_limited", retryable=True)

# Codes of an error answer to our call.
_REFUSALS: dict[int, _Meaning] = {
    14107: _BUSY,
    20003: _AUTH,
    20404: _Meaning("not_found"),
    20429: _BUSY,
    21211: _NUMBER,
    21212: _SENDER,
    21214: _NUMBER,
    21217: _NUMBER,
    21408: _Meaning("region_not_enabled"),
    21421: _NUMBER,
    21602: _Meaning("empty"),
    21603: _SENDER,
    21604: _NUMBER,
    21605: _Meaning("text_too_long"),
    21606: _SENDER,
    21608: _Meaning("number_not_verified"),  # trial accounts
    21610: _Meaning("opted_out"),
    21611: _Meaning("provider_queue_full", retryable=True),
    21612: _Meaning("unreachable"),
    21614: _NUMBER,
    21617: _Meaning("text_too_long"),
    21619: _Meaning("empty"),
    21620: _Meaning("media_refused"),
    21623: _Meaning("media_refused"),
    30002: _Meaning("account_suspended", needs_auth=True),
    63038: _Meaning("daily_limit_reached"),
}

# Codes of a status callback that says undelivered or failed.
_DELIVERY_ERRORS: dict[str, str] = {
    "21610": "opted_out",
    "30001": "provider_queue_full",
    "30002": "account_suspended",
    "30003": "unreachable",
    "30004": "blocked_by_network",
    "30005": "number_invalid",
    "30006": "landline",
    "30007": "filtered_by_network",
    "30008": "delivery_failed",
    "30010": "price_limit",
    "30034": "sender_not_registered",
    "11200": "media_unreachable",
    "12300": "media_refused",
}


def refusal(
    status: int, provider_code: int | None, retry_after_s: float | None = None
) -> SendError:
    """Return the error of a call that Twilio answered with an error status.

    429, 500 and 503 mean the message was not taken. 502 and 504 come from a gateway that lost
    sight of the call, so the message may have been.
    """
    code = str(provider_code) if provider_code is not None else None
    meaning = _REFUSALS.get(provider_code or 0)
    if status in (502, 504):
        return SendError("gateway_failed", maybe_sent=True, provider_code=code)
    if status == 429 or (meaning is None and status >= 500):
        default = _BUSY if status == 429 else _Meaning("provider_failed", retryable=True)
        meaning = meaning if meaning is not None and meaning.retryable else default
    elif meaning is None:
        meaning = _AUTH if status in (401, 403) else _Meaning("refused")
    return SendError(
        meaning.code,
        retryable=meaning.retryable,
        needs_auth=meaning.needs_auth,
        retry_after_s=retry_after_s if meaning.retryable else None,
        provider_code=code,
    )


def no_answer(failure: HttpFailure) -> SendError:
    """Return the error of a call that was not answered at all."""
    certain = not failure.maybe_sent
    return SendError(
        failure.code,
        retryable=certain and failure.code != "target_refused",
        maybe_sent=failure.maybe_sent,
    )


def delivery_error(code: str) -> str:
    """Return our name for a status callback's ErrorCode."""
    return _DELIVERY_ERRORS.get(code, "delivery_failed")


def is_opt_out(code: str) -> bool:
    """Tell whether a status callback says the recipient has opted out."""
    return code == "21610"
