"""schemathesis against a running hub: what /openapi.json says is what the handlers do.

Every operation is called with data that fits its schema and data that does not, as an
administrator who is supervisor and agent, and as a program with every scope.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from hub.model.visibility import Role
from tests.conftest import LONG
from tests.e2e.desk import PASSWORD, hire
from tests.e2e.stage import Providers, count, until
from tests.live_hub import LiveHub

EXAMPLES = 200 if LONG else 3
CHECKS = [
    schemathesis.checks.not_a_server_error,
    content_type_conformance,
    *([ignored_auth] if LONG else []),  # three calls for one
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
ENDS_THE_SESSION = {"log_out", "end_session", "change_password"}
"""Called with a session they would leave every later call with 401; tests/api has them."""


@dataclass
class Way:
    """How the calls prove who asks, and ids that exist, by the path's collection."""

    hub: LiveHub
    headers: dict[str, str]
    known: dict[str, str]

    def path_parameters(self, path: str) -> dict[str, Any] | None:
        """Return an existing id for paths that take one."""
        parts = path.strip("/").split("/")
        collection = parts[parts.index("{id}") - 1] if "{id}" in parts else ""
        return {"id": self.known[collection]} if collection in self.known else None

    def version(self, case: Case) -> str | None:
        """Return the ETag of what a call would change, so that it gets past If-Match."""
        parts = case.path.strip("/").split("/")
        if "{id}" not in parts or not case.path_parameters:
            return None
        path = "/".join(parts[: parts.index("{id}")])
        url = f"{self.hub.url}/{path}/{case.path_parameters['id']}"
        return requests.get(url, headers=self.headers, timeout=30).headers.get("ETag")


@pytest.fixture(scope="module")
async def person(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Way]:
    """A hub with a little in it, and its administrator's session."""
    hub = LiveHub(tmp_path_factory.mktemp("openapi"))
    providers = Providers(hub, "twilio_sms", "telegram")
    await providers.set_up()
    await hire(hub, "root", Role.ADMINISTRATOR, Role.SUPERVISOR)
    other = await hire(hub, "lin")
    hub.start()
    try:
        await hub.ready()
        for number, account in enumerate(providers.accounts * 2):
            await providers.post(account, account.message(number, f"hello {number}"))

        async def stored() -> bool:
            return count(hub, "SELECT COUNT(*) FROM work_item WHERE queue_id IS NOT NULL") == 4

        await until(stored, "four conversations wait")
        yield _logged_in(hub, other)
    finally:
        await providers.close()
        hub.kill()


def _logged_in(hub: LiveHub, other: str) -> Way:
    """Log in, make one of everything, and find ids."""
    session = requests.Session()
    session.headers["Origin"] = hub.url
    base = f"{hub.url}/api/v1"
    told = session.post(f"{base}/session", json={"email": "root@hub.test", "password": PASSWORD})
    assert told.status_code == 201, told.text
    csrf = told.json()["csrf"]
    session.headers["X-CSRF-Token"] = csrf
    made = session.post(f"{base}/tags", json={"name": "first", "colour": "#ff0000"})
    assert made.status_code == 201, made.text

    def first(path: str) -> dict[str, Any]:
        found = session.get(f"{base}/{path}")
        assert found.status_code == 200, found.text
        return dict(found.json()["items"][0])

    talk = first("conversations?view=all")
    known = {
        "conversations": talk["id"],
        "customers": talk["customer_id"],
        "cases": talk["case_id"],
        "items": talk["item_id"],
        "messages": first(f"conversations/{talk['id']}/messages")["id"],
        "agents": other,
        "queues": first("queues")["id"],
        "channels": first("channels")["id"],
        "tags": made.json()["id"],
    }
    cookie = f"hub_session={session.cookies['hub_session']}"
    return Way(hub, {"Cookie": cookie, "X-CSRF-Token": csrf, "Origin": hub.url}, known)


@pytest.fixture(scope="module")
def program(person: Way) -> Way:
    """The same hub by a token with every scope."""
    base = f"{person.hub.url}/api/v1"
    scopes = requests.get(f"{person.hub.url}/openapi.json", timeout=30).json()
    words = scopes["components"]["schemas"]["Scope"]["enum"]
    made = requests.post(
        f"{base}/tokens", json={"name": "all", "scopes": words}, headers=person.headers, timeout=30
    )
    assert made.status_code == 201, made.text
    return Way(person.hub, {"Authorization": f"Bearer {made.json()['secret']}"}, person.known)


def _operations(way: Way) -> Iterator[Any]:
    schema = schemathesis.openapi.from_url(f"{way.hub.url}/openapi.json")
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        if operation.definition.raw["operationId"] not in ENDS_THE_SESSION:
            yield operation


def _problems(way: Way, examples: int) -> list[str]:
    """Call every operation; return what did not hold, one line for each."""
    found: list[str] = []
    for operation in _operations(way):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            known = way.path_parameters(operation.path)
            ways = [None, known] if known and mode is GenerationMode.POSITIVE else [known]
            for path_parameters in ways:
                _try(way, operation, mode, path_parameters, examples, found)
    return found


def _try(
    way: Way,
    operation: Any,
    mode: GenerationMode,
    known: dict[str, Any] | None,
    examples: int,
    found: list[str],
) -> None:
    try:
        strategy = operation.as_strategy(generation_mode=mode, path_parameters=known)
    except Exception as error:
        if mode is GenerationMode.NEGATIVE:  # nothing about it can be wrong
            return
        found.append(f"{operation.label}: {error}")
        return

    @hypothesis.given(case=strategy)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def call(case: Case) -> None:
        if known and mode is GenerationMode.POSITIVE and "If-Match" in case.headers:
            case.headers["If-Match"] = way.version(case) or case.headers["If-Match"]
        answer = case.call(headers=way.headers, timeout=30)
        passed = []
        if "attachments" in operation.path and mode is GenerationMode.NEGATIVE:
            # Wrong bytes may not even be HTTP; aiohttp itself refuses those, in plain text.
            passed.append(content_type_conformance)
        if answer.status_code == 413:  # refused as too large, which that check does not know
            passed.append(negative_data_rejection)
        case.validate_response(answer, checks=CHECKS, excluded_checks=passed, headers=way.headers)

    try:
        call()
    except hypothesis.errors.Unsatisfiable:
        return
    except BaseExceptionGroup as group:
        found.append(f"{operation.label} ({mode.value}): {group.exceptions}")
    except Exception as error:
        found.append(f"{operation.label} ({mode.value}): {error}")


@pytest.mark.timeout(3600 if LONG else 240)
def test_a_person_s_calls(person: Way) -> None:
    found = _problems(person, EXAMPLES)
    assert not found, "\n\n".join(found)


@pytest.mark.timeout(3600 if LONG else 240)
def test_a_program_s_calls(program: Way) -> None:
    found = _problems(program, EXAMPLES if LONG else 1)
    assert not found, "\n\n".join(found)
