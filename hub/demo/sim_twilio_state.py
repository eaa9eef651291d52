"""What the Twilio simulator remembers: messages, media, who opted out, faults to come."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime

from hub.model.clock import utc_now


@dataclass(frozen=True, slots=True)
class SimMedia:
    """One file of an MMS."""

    content_type: str
    data: bytes = field(repr=False)
    filename: str = ""


@dataclass(slots=True)
class SimMessage:
    """One message of the hub to a customer.

    Attributes:
        media_urls: as the hub named them; `media` is what was found there.
        status: Twilio's word, the last one reported.
    """

    sid: str
    to: str
    from_: str
    body: str
    media_urls: tuple[str, ...]
    status_callback: str
    messaging_service_sid: str = ""
    status: str = "queued"
    error_code: str = ""
    media: list[SimMedia] = field(default_factory=list)
    created_at: datetime = field(default_factory=utc_now)


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next calls of one endpoint.

    Attributes:
        status: HTTP status to answer with; 0 cuts the connection without an answer.
        code: Twilio's error code in the body; 0 answers with a page instead of JSON.
        retry_after_s: Retry-After header.
        accepts: the message is taken all the same (a time-out after accepting).
        wait_s: seconds before the answer, or before the connection is cut.
        times: how many calls.
    """

    status: int = 0
    code: int = 0
    retry_after_s: float | None = None
    accepts: bool = False
    wait_s: float = 0.0
    times: int = 1


@dataclass
class TwilioState:
    """One account.

    Attributes:
        leaked: paths that were asked for with credentials they must not get.
        odd_fields: form fields the API does not document (Twilio ignores them).
    """

    account_sid: str
    auth_token: str = field(repr=False)
    number: str
    base_url: str = ""
    cdn_url: str = ""
    messages: dict[str, SimMessage] = field(default_factory=dict)
    received_by_customers: list[SimMessage] = field(default_factory=list)
    media: dict[str, SimMedia] = field(default_factory=dict)
    opted_out: set[str] = field(default_factory=set)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    leaked: list[str] = field(default_factory=list)
    odd_fields: set[str] = field(default_factory=set)

    def keep_media(self, message_sid: str, item: SimMedia) -> str:
        """Store a customer's file and return its MediaUrl."""
        sid = "ME" + secrets.token_hex(16)
        self.media[sid] = item
        return (
            f"{self.base_url}/2010-04-01/Accounts/{self.account_sid}"
            f"/Messages/{message_sid}/Media/{sid}"
        )

    def next_fault(self, endpoint: str) -> Fault | None:
        """Return the fault the next call of `endpoint` meets, if any, and count it."""
        waiting = self.faults.get(endpoint, [])
        if not waiting:
            return None
        fault = waiting[0]
        fault.times -= 1
        if fault.times <= 0:
            waiting.pop(0)
        return fault
