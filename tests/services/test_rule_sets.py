"""What an installation starts with: the shipped rules fit one queue and the demo's three."""

from pathlib import Path

from hub.services import organisation, rule_sets
from hub.services.router_facts import asks_for_person
from hub.services.routing_config import load_config
from hub.store.queries import routing
from hub.store.tx import Tx
from tests.services.conftest import World

CONFIG = Path(__file__).resolve().parents[2] / "config"


async def test_nothing_can_be_routed_without_a_queue(world: World) -> None:
    assert await load_config(world.deps) is None


async def test_shipped_rules_fit_a_fresh_installation(world: World) -> None:
    await organisation.seed(world.deps)
    defaults = rule_sets.read_defaults(CONFIG)
    assert await rule_sets.install_defaults(world.deps, defaults) is True
    assert await rule_sets.install_defaults(world.deps, defaults) is False
    loaded = await load_config(world.deps)
    assert loaded is not None
    config = loaded.config
    assert [queue.name for queue in config.queues.values()] == ["General"]
    assert config.rules.version == 1
    assert config.policies is not None
    assert "emergency" in config.policies.names()
    assert "workdays" in config.calendars


async def test_missing_queues_are_made_where_the_rules_are_known(world: World) -> None:
    await organisation.seed(world.deps)

    def unit(tx: Tx) -> None:
        unit_id = routing.first_unit(tx)
        assert unit_id is not None
        routing.add_queue(tx, id="q1", name="front_line", unit_id=unit_id, config={})

    await world.deps.db.run(unit)
    await rule_sets.install_defaults(world.deps, rule_sets.read_defaults(CONFIG))
    loaded = await load_config(world.deps)
    assert loaded is not None
    names = {queue.name for queue in loaded.config.queues.values()}
    assert names == {"General", "front_line", "support", "complaints"}


def test_asking_for_a_person() -> None:
    assert asks_for_person("请转人工客服")
    assert asks_for_person("Let me  speak to someone, please")
    assert not asks_for_person("我的宽带断了")
