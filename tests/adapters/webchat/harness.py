"""What the contract suite needs to know of the chat widget: nothing from outside is ever signed."""

from dataclasses import replace

from hub.model.channel import RawRequest

IDENTITY_SECRET = "made-up-identity-secret-of-32-characters"

CONFIG: dict[str, object] = {
    "allowed_origins": ["https://shop.example"],
    "identity_secret": IDENTITY_SECRET,
    "title": "Help",
}
SECRETS = (IDENTITY_SECRET,)
REPLAY_WINDOW_S: int | None = None


def sign(request: RawRequest, config: object = None) -> RawRequest:
    """Return the request as the hub's own API makes it."""
    return replace(request, method="SOCKET")


def forge(request: RawRequest) -> RawRequest:
    """Return the request as somebody outside can make it."""
    return replace(request, method="POST")
