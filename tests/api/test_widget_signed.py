"""Who a site signed in: their talk from all their browsers, and nobody else's."""

from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey

from hub.model.clock import to_micros, utc_now
from tests.api.widget_world import BANK, SECRET, World, world

__all__ = ["world"]


def token(subject: str, secret: str = SECRET, **more: Any) -> str:
    claims = {"sub": subject, "exp": to_micros(utc_now()) // 1_000_000 + 600, **more}
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secret))


async def test_two_browsers_of_one_account_share_their_talk(world: World) -> None:
    phone, desk = world.browser(), world.browser()
    opened = await phone.open(identity=token("ada", name="Ada", level="gold"))
    assert opened["signed"] is True
    await phone.connect()
    own = (await phone.say("from the phone"))["message"]
    await desk.open(identity=token("ada"))
    hello = await desk.connect(after=0)
    assert hello["signed"] is True
    await desk.text("from the phone")
    await desk.say("from the desk")
    assert (await phone.text("from the desk"))["thread"] == own["thread"]
    await world.answer(own["thread"], "hello Ada")
    for one in (phone, desk):
        answer = await one.text("hello Ada")
        await one.send({"type": "read", "id": answer["id"]})
    await world.until("SELECT state FROM delivery", [("read",)])
    assert await world.rows("SELECT COUNT(*) FROM customer WHERE merged_into IS NULL") == [(1,)]
    kinds = await world.rows("SELECT COUNT(*) FROM identity WHERE value = 'account:ada'")
    assert kinds == [(1,)]


async def test_a_nameless_talk_goes_on_after_logging_in(world: World) -> None:
    ada = world.browser()
    await ada.open()
    await ada.connect()
    first = (await ada.say("before"))["message"]
    await ada.leave()
    opened = await ada.open(status=200, identity=token("ada", name="Ada"))
    assert [one["text"] for one in opened["messages"]] == ["before"]
    await ada.connect()
    assert (await ada.say("after"))["message"]["thread"] == first["thread"]


async def test_another_account_in_the_same_browser_starts_anew(world: World) -> None:
    shared = world.browser()
    await shared.open(identity=token("ada"))
    await shared.connect()
    await shared.say("Ada's secret")
    was, visitor = shared.token, shared.visitor_id
    await shared.leave()
    opened = await shared.open(identity=token("bob"))
    assert opened["messages"] == []
    assert (shared.token != was, shared.visitor_id != visitor) == (True, True)
    await shared.connect(after=0)
    await shared.say("Bob here")
    shown = await (await shared.call("GET", "messages?after=0")).json()
    assert [one["text"] for one in shown["messages"]] == ["Bob here"]


async def test_a_refused_signature_opens_nothing(world: World) -> None:
    eve = world.browser()
    for wrong, code in (
        (token("ada", "x" * 40), "identity_invalid"),
        ("a.b.c", "identity_invalid"),
        (token("ada", exp=1), "identity_expired"),
        (token("ada", exp=to_micros(utc_now()) // 1_000_000 + 200_000), "identity_too_long"),
    ):
        refused = await eve.open(status=401, identity=wrong)
        assert refused["code"] == code
    answer = await world.client.post(
        "/widget/v1/session",
        json={"channel_id": world.bank, "identity": token("ada")},
        headers={"Origin": BANK},
    )
    assert (await answer.json())["code"] == "identity_not_set_up"
    assert await world.rows("SELECT COUNT(*) FROM widget_session") == [(0,)]


async def test_what_is_only_claimed_links_nothing(world: World) -> None:
    ada, eve, mallory = world.browser(), world.browser(), world.browser()
    await ada.open(identity=token("ada", email="ada@example.com", email_verified=True))
    await eve.open(prechat={"name": "Ada", "email": "ada@example.com", "phone": "+8613800138000"})
    await mallory.open(identity=token("mallory", email="ada@example.com"))
    for one in (ada, eve, mallory):
        await one.connect()
        await one.say("hello")
    assert await world.rows("SELECT COUNT(*) FROM customer WHERE merged_into IS NULL") == [(3,)]
    assert await world.rows("SELECT COUNT(*) FROM conversation") == [(3,)]
    mails = await world.rows(
        "SELECT i.customer_id = c.customer_id FROM identity i, identity c"
        " WHERE i.value = 'ada@example.com' AND i.verified_at IS NOT NULL"
        " AND c.value = 'account:ada'"
    )
    assert [bool(same) for (same,) in mails] == [True]
