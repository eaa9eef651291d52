"""What commands share: settings, an event loop, words to the person."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

from hub.model.errors import HubError, SettingsInvalid
from hub.settings import Settings, load_settings

T = TypeVar("T")


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def fail(text: str) -> NoReturn:
    """Say why and end with code 2."""
    sys.stderr.write(f"hub: {text}\n")
    sys.exit(2)


def load(**options: Any) -> Settings:
    """Return the settings, or end with file, key and reason."""
    try:
        return load_settings(**options)
    except SettingsInvalid as error:
        fail(sentence(error))


def sentence(error: SettingsInvalid) -> str:
    """Return where a setting stands and what is wrong with it."""
    place = ": ".join(str(error.params[k]) for k in ("file", "key") if error.params.get(k))
    return f"settings refused: {place}: {error.params.get('reason', error.code)}"


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on uvloop where there is one."""
    factory = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


def carry_out(settings: Settings, command: str, **arguments: Any) -> dict[str, Any]:
    """Have the running hub (or this process) carry out a command; ends with its error if any."""
    from hub.app.control import ask

    try:
        return run_loop(ask(settings, command, **arguments))
    except SettingsInvalid as error:
        fail(sentence(error))
    except HubError as error:
        fail(str(error))
