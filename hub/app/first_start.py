"""What an empty database starts with, and the link by which its administrator gets in."""

from hub.app.build import House
from hub.model.visibility import Role
from hub.services import organisation, people, sessions

ADMINISTRATOR = "admin@localhost"
_EVERYTHING = frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR, Role.AGENT})


async def furnish(house: House, *, demo: bool = False) -> None:
    """Seed organisation, unit and queue into an empty database."""
    await organisation.seed(house.deps, demo=demo)


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
