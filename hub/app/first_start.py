"""What an empty database starts with, and the link by which its administrator gets in."""

import asyncio
from pathlib import Path

import hub
from hub.app.build import House
from hub.model.visibility import Role
from hub.services import organisation, people, rule_sets, sessions

SHIPPED = Path(hub.__file__).resolve().parent.parent / "config"
"""Rules, targets and calendars a new hub starts with; without them rules come by the API."""
ADMINISTRATOR = "admin@localhost"
_EVERYTHING = frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR, Role.AGENT})


async def furnish(house: House, *, demo: bool = False) -> None:
    """Seed organisation, unit, queue and routing rules into an empty database."""
    await organisation.seed(house.deps, demo=demo)
    if SHIPPED.is_dir():
        defaults = await asyncio.to_thread(rule_sets.read_defaults, SHIPPED)
        await rule_sets.install_defaults(house.deps, defaults)


async def administrator_link(house: House) -> str | None:
    """Return a one-use link while no administrator has a password yet.

    Before anybody works here, an administrator who is also supervisor and agent is made.
    """
    deps = house.deps
    waiting = await people.administrators_without_password(deps)
    if waiting is None:
        return None
    agent_id = waiting
    if not agent_id:
        fields = people.AgentFields(ADMINISTRATOR, "Administrator", roles=_EVERYTHING)
        agent_id = (await people.create_agent(deps, fields, actor="system"))["id"]
        await people.join_first_queue(deps, agent_id)
    return await sessions.make_link(deps, agent_id, sessions.SET_PASSWORD)
