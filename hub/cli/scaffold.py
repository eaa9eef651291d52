"""The files of a new channel kind: an adapter that refuses everything, and a test that says so."""

from pathlib import Path
from string import Template

_INIT = '''"""$title: say here which network this is and where its documentation stands."""

from hub.adapters.$name.adapter import MANIFEST

__all__ = ["MANIFEST"]
'''
_ADAPTER = '''"""$title as a channel: verify, parse, respond, send (see hub/model/channel.py)."""

from pydantic import SecretStr

from hub.model.address import IdentityKind
from hub.model.channel import (
    Capabilities,
    Channel,
    ChannelConfig,
    ChannelContext,
    Intake,
    ItemOutcome,
    Manifest,
    OutgoingPart,
    RawRequest,
    RawResponse,
    Receipt,
)
from hub.model.errors import PayloadInvalid, SendError, SignatureRejected


class ${klass}Config(ChannelConfig):
    """Configuration of one account."""

    secret: SecretStr


class ${klass}Channel:
    """One account. Holds configuration and the HTTP port; no other state."""

    def __init__(self, config: ${klass}Config, context: ChannelContext) -> None:
        self.manifest = MANIFEST
        self._config = config
        self._context = context

    def verify(self, request: RawRequest) -> None:
        """Compare the signature in constant time."""
        raise SignatureRejected("not_written_yet")

    def parse(self, request: RawRequest) -> Intake:
        """Read all items of a verified request."""
        raise PayloadInvalid("not_written_yet")

    def respond(self, intake: Intake, outcomes: tuple[ItemOutcome, ...]) -> RawResponse:
        """Answer 200 once the items are stored."""
        return RawResponse()

    async def send(self, part: OutgoingPart) -> Receipt:
        """Hand one part over: one attempt, through `self._context.http`."""
        raise SendError("not_written_yet")


def build(config: ChannelConfig, context: ChannelContext) -> Channel:
    """Make a channel; no I/O."""
    assert isinstance(config, ${klass}Config)
    return ${klass}Channel(config, context)


MANIFEST = Manifest(
    kind="$name",
    work_class="messaging",
    identity_kind=IdentityKind.PHONE,
    capabilities=Capabilities(max_text_chars=1000),
    config=${klass}Config,
    build=build,
)
'''
_README = """# $title

What it is, which documentation was read and when, what was tried on a real account and what not.
"""
_QUALITY = """# done, todo, or "exempt: reason"; bronze allows no todo
[bronze]
config_is_typed = "done"
signature_verified = "todo"
replay_refused = "todo"
case_tables_both_ways = "todo"
readme = "todo"

[silver]
errors_mapped_with_certainty = "todo"
probe_before_save = "todo"
media_in = "todo"
media_out = "todo"
edits_and_deletions = "todo"
simulator = "todo"
status_reports = "todo"

[gold]
second_transport = "todo"
oauth_installation = "todo"
choices = "todo"
typing_signal = "todo"
sender_names = "todo"
run_against_the_real_service = "todo"
"""
_HARNESS = '''"""What the conformance suite needs to know of $title: how it is set up and signs."""

from dataclasses import replace
from typing import Any

from hub.model.channel import RawRequest

CONFIG: dict[str, Any] = {"secret": "made-up-secret-of-the-tests"}
SECRETS: tuple[str, ...] = (CONFIG["secret"],)
REPLAY_WINDOW_S: int | None = None  # seconds a signature stays good, where the network signs a time


def sign(request: RawRequest, config: Any) -> RawRequest:
    """Return the request as the network sends it."""
    return replace(request, headers={**request.headers, "x-signature": "write this first"})


def forge(request: RawRequest) -> RawRequest:
    """Return the request with a signature of the right shape that is not the network's."""
    return replace(request, headers={**request.headers, "x-signature": "somebody else's"})
'''
_TEST = '''"""$title: real payloads as files under cases/, and what must come out."""

from hub.adapters.$name import MANIFEST


def test_the_manifest_names_its_folder():
    assert MANIFEST.kind == "$name"


def test_cases_are_there():
    from pathlib import Path

    cases = list((Path(__file__).parent / "cases" / "in").glob("*.json"))
    assert cases, "put a real payload into cases/in and what must come out of it"
'''


def write_channel(root: Path, name: str) -> list[Path] | None:
    """Write the files; returns their paths, None when the folder exists."""
    folder = root / "hub" / "adapters" / name
    if folder.exists():
        return None
    words = {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "klass": "".join(part.capitalize() for part in name.split("_")),
    }
    tests = root / "tests" / "adapters" / name
    texts = {
        folder / "__init__.py": _INIT,
        folder / "adapter.py": _ADAPTER,
        folder / "README.md": _README,
        folder / "quality.toml": _QUALITY,
        tests / "harness.py": _HARNESS,
        tests / "test_adapter.py": _TEST,
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(text).substitute(words), encoding="utf-8")
    return list(texts)
