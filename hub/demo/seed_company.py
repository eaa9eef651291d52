"""The simulated telecom company: units, skills, people, queues, rules, wordings, customers."""

from pathlib import Path
from typing import Any

import yaml

from hub.demo.people import (
    CANNED,
    COLLEAGUES,
    COMPANY,
    PEOPLE,
    QUEUES,
    SKILLS,
    TAGS,
    UNITS,
    ZONE,
    Person,
)
from hub.model.address import Address, IdentityKind
from hub.services import desk, organisation, people, queues, rule_sets
from hub.services.access import find_viewer
from hub.services.customer_import import KnownCustomer, import_customers
from hub.services.deps import Deps
from hub.services.organisation import OrganisationChange
from hub.store.queries.rows import Row

ACTOR = "demo"
RULES = Path(__file__).with_name("rules.yaml")
SLACK_TEAM = "T0DEMO001"
FIRST_NAME_OF_UNIT = "Hub"


async def seed_company(deps: Deps, config: Path) -> None:
    """Fill an empty database.

    Args:
        config: folder with `policies/` and `calendars/`; what is missing there is left out.
    """
    await organisation.seed(deps, name=COMPANY, zone=ZONE, demo=True)
    org = await organisation.organisation_row(deps)
    change = OrganisationChange(COMPANY, ZONE, "zh-CN", {"region": "CN"})
    await organisation.change_organisation(deps, change, if_version=org["version"], actor=ACTOR)
    deps.organisation = await organisation.load_organisation(deps)
    units = await _units(deps)
    skills = {row["name"]: row["id"] for row in await queues.list_skills(deps)}
    for name in SKILLS:
        skills.setdefault(name, (await queues.add_skill(deps, name, actor=ACTOR))["id"])
    agents = await _agents(deps, units, skills)
    await _queues(deps, units, agents)
    await _rules(deps, config)
    for name, colour in TAGS:
        await desk.add_tag(deps, name, colour, actor=ACTOR)
    administrator = await find_viewer(deps, agents[COLLEAGUES[-2].email])
    for shortcut, title, texts in CANNED:
        fields = desk.CannedFields(shortcut, title, texts, personal=False)
        await desk.add_canned(deps, fields, administrator)
    await import_customers(deps, [_known(person) for person in PEOPLE], actor=ACTOR)


async def _units(deps: Deps) -> dict[str, str]:
    """Name the first unit as the tree's root and add the others."""
    root = (await organisation.list_units(deps))[0]
    units: dict[str, str] = {}
    for name, parent in UNITS:
        if parent is None:
            await organisation.rename_unit(deps, root["id"], name, actor=ACTOR)
            units[name] = root["id"]
        else:
            row = await organisation.add_unit(deps, name, units[parent], actor=ACTOR)
            units[name] = row["id"]
    return units


async def _agents(deps: Deps, units: dict[str, str], skills: dict[str, str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for one in COLLEAGUES:
        fields = people.AgentFields(
            one.email,
            one.name,
            display_name=one.name,
            roles=one.roles,
            unit_id=units[one.unit],
            language=one.language,
            signature=f"{one.name}\n{COMPANY}",
            skills={skills[name]: level for name, level in one.skills.items()},
        )
        made[one.email] = (await people.create_agent(deps, fields, actor=ACTOR))["id"]
    return made


async def _queues(deps: Deps, units: dict[str, str], agents: dict[str, str]) -> None:
    known = {row["name"]: row for row in await queues.list_queues(deps)}
    first = known.get(organisation.FIRST_QUEUE)
    for number, (name, unit, config) in enumerate(QUEUES):
        fields = queues.QueueFields(name, units[unit], config)
        row: Row
        if name in known:
            found = known[name]
            row = await queues.change_queue(
                deps, found["id"], fields, if_version=found["version"], actor=ACTOR
            )
        elif number == 0 and first is not None:
            row = await queues.change_queue(
                deps, first["id"], fields, if_version=first["version"], actor=ACTOR
            )
        else:
            row = await queues.create_queue(deps, fields, actor=ACTOR)
        members = [
            queues.Member(agents[one.email], tier=one.queues[name])
            for one in COLLEAGUES
            if name in one.queues
        ]
        await queues.set_members(deps, row["id"], members, if_version=row["version"], actor=ACTOR)


async def _rules(deps: Deps, config: Path) -> None:
    """Publish the demo's rules; targets and calendars are those of `config/`."""
    tree: Any = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    policies = config / "policies" / "manual.yaml"
    if (config / "rules.yaml").exists() and policies.exists():
        shipped = rule_sets.read_defaults(config)
        defaults = rule_sets.Defaults(tree, shipped.policies, shipped.calendars)
    else:
        for rule in tree["rules"]:
            rule.get("route", {}).pop("sla", None)
        defaults = rule_sets.Defaults(tree)
    if not await rule_sets.install_defaults(deps, defaults):
        version = await rule_sets.save_draft(deps, tree, by=ACTOR, note="demo")
        await rule_sets.publish(deps, version, by=ACTOR)


def _known(person: Person) -> KnownCustomer:
    found = (
        (person.phone, IdentityKind.PHONE, ""),
        (person.email, IdentityKind.EMAIL, ""),
        (str(person.telegram or ""), IdentityKind.TELEGRAM, ""),
        (person.slack, IdentityKind.SLACK, SLACK_TEAM),
    )
    return KnownCustomer(
        person.name,
        tuple(Address(kind, value, scope) for value, kind, scope in found if value),
        locale=person.language,
        level=person.level,
        care_group=person.group,
    )
