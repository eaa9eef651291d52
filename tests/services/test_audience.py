"""The audience of an event says of every viewer what the SQL predicate says."""

import random

import pytest

from hub.model.visibility import sight_of
from hub.store.queries import history
from hub.store.queries.audience import audiences_of, customer_audiences_of
from hub.store.queries.customers import family_of, root_of
from hub.store.queries.visibility import visible_ids
from hub.store.tx import Tx
from tests.services.conftest import START, World
from tests.services.test_visibility import build, viewers


@pytest.mark.parametrize("seed", range(3))
async def test_every_viewer_is_judged_alike(world: World, seed: int) -> None:
    rng = random.Random(seed)
    conversations = await world.deps.db.run(lambda tx: build(tx, rng))
    customers = [f"customer-{n}" for n in range(8)]

    def look(tx: Tx) -> None:
        audiences = audiences_of(tx, conversations, START)
        people = customer_audiences_of(tx, customers, START)
        assert set(audiences) == set(conversations)
        for viewer in viewers(rng):
            seen = {id_ for id_, audience in audiences.items() if audience.seen_by(viewer)}
            assert seen == visible_ids(tx, conversations, viewer, START), viewer
            for customer in customers:
                family = family_of(tx, root_of(tx, customer))
                known = customer in people and people[customer].opens_family(sight_of(viewer))
                assert known == history.sees_customer(tx, viewer, family, START), viewer

    await world.deps.db.read(look)
    assert await world.deps.db.read(lambda tx: audiences_of(tx, ["nobody"], START)) == {}
