"""Every error of the hub that crosses a room's border.

    HubError
    ├── BadInput                 400  what came in cannot be read
    │   ├── PayloadInvalid            a provider's payload (kept in the intake log)
    │   ├── SettingsInvalid           a settings file or a channel's configuration
    │   └── ShapeRefused              a reply the channel cannot carry
    ├── SignatureRejected        403  a webhook that is not from whom it says
    ├── NotAuthenticated         401
    ├── NotAllowed               403
    ├── NotFound                 404  also: may not be seen
    ├── Conflict                 409  somebody else was first, or the state forbids it
    ├── VersionMismatch          412
    ├── TooLarge                 413
    ├── TooMany                  429  a rate limit
    ├── RouterPending            202  the router has not answered yet; the result comes by the feed
    ├── StoreUnavailable         503  the database is away or full
    │   └── StoreBusy                 a unit waited too long in the queue
    └── SendError                     one attempt to send failed; says how certainly

`code` is stable and what programs compare; a person's sentence is made from `code` and `params`
by whoever shows it (web client, hub/texts). The API never sends prose.
"""

from typing import ClassVar, TypeAlias

from typing_extensions import override

Param: TypeAlias = str | int | float | bool | None


class HubError(Exception):
    """Root of the tree.

    Attributes:
        code: stable snake_case name of what went wrong.
        status: HTTP status the API answers with.
        params: small facts a sentence can be made from; never message text or secrets.
    """

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal_error"

    def __init__(self, code: str | None = None, /, **params: Param) -> None:
        self.code = code or self.default_code
        self.params = params
        super().__init__(self.code, params)

    @override
    def __str__(self) -> str:
        facts = ", ".join(f"{k}={v!r}" for k, v in self.params.items())
        return f"{self.code} ({facts})" if facts else self.code


class BadInput(HubError):
    """What came in cannot be read or is not allowed by its type."""

    status = 400
    default_code = "bad_input"


class PayloadInvalid(BadInput):
    """A provider's payload does not have the shape its documentation gives."""

    default_code = "payload_invalid"


class SettingsInvalid(BadInput):
    """A setting or a channel's configuration is wrong; params say file, key and reason."""

    default_code = "settings_invalid"


class ShapeRefused(BadInput):
    """A reply that the channel cannot carry in any shape.

    Params: `reason` (empty, no_media, media_type, media_size, too_many_segments, too_many_parts)
    and, where there is one, `limit`, `actual` and the file's `index` from 0.
    """

    default_code = "cannot_shape"


class SignatureRejected(HubError):
    """A webhook's signature or secret is missing, wrong or too old."""

    status = 403
    default_code = "signature_rejected"


class NotAuthenticated(HubError):
    """Nobody is logged in, or the session or token is over."""

    status = 401
    default_code = "not_authenticated"


class NotAllowed(HubError):
    """Somebody is logged in, but their roles do not cover this."""

    status = 403
    default_code = "not_allowed"


class NotFound(HubError):
    """There is no such thing, or the viewer may not see it."""

    status = 404
    default_code = "not_found"


class Conflict(HubError):
    """The state has moved on: somebody was first, or the move is not possible now."""

    status = 409
    default_code = "conflict"


class VersionMismatch(HubError):
    """`If-Match` named another version than the stored one."""

    status = 412
    default_code = "version_mismatch"


class TooLarge(HubError):
    """A body, file or text is over its limit."""

    status = 413
    default_code = "too_large"


class TooMany(HubError):
    """A rate limit; `retry_after_s` is in params."""

    status = 429
    default_code = "too_many_requests"


class RouterPending(HubError):
    """The router took the order and has not answered in time; the result comes over the feed."""

    status = 202
    default_code = "router_pending"


class StoreUnavailable(HubError):
    """The database cannot be reached or cannot write; nothing of the unit was kept."""

    status = 503
    default_code = "store_unavailable"


class StoreBusy(StoreUnavailable):
    """The unit waited longer than its limit for a place; nothing of it ran."""

    default_code = "store_busy"


class SendError(HubError):
    """One attempt to hand a part to a provider failed.

    Attributes:
        retryable: the same part may be handed over again, when `maybe_sent` is false.
        maybe_sent: the provider may have taken it (a time-out, a cut connection). Never retried
            by the hub: the delivery becomes `unknown` until the provider or a person decides.
        retry_after_s: seconds the provider asked us to wait, if it did.
        provider_code: the provider's own code, as text.
        needs_auth: credentials are refused; the channel goes to `needs_auth`.
    """

    status = 502
    default_code = "send_failed"

    def __init__(  # noqa: PLR0913 - the five facts are what the sender branches on
        self,
        code: str,
        /,
        *,
        retryable: bool = False,
        maybe_sent: bool = False,
        retry_after_s: float | None = None,
        provider_code: str | None = None,
        needs_auth: bool = False,
    ) -> None:
        super().__init__(code, provider_code=provider_code)
        self.retryable = retryable
        self.maybe_sent = maybe_sent
        self.retry_after_s = retry_after_s
        self.provider_code = provider_code
        self.needs_auth = needs_auth
