"""Every module of routes. To add one: a line in `ROOMS` (typed routes) or in `SETUPS` (others)."""

from collections.abc import Sequence

from aiohttp import web

from hub.api import (
    attachments,
    cases,
    channels,
    configuration,
    conversations,
    customers,
    desk,
    drafts,
    first,
    inbox,
    link_page,
    live,
    looks,
    messages,
    moves,
    people,
    queues,
    rules,
    search,
    session,
    slack_install,
    widget,
    work,
)
from hub.api.application import Parts, Setup, make_application
from hub.api.http import Routes
from hub.app.build import House
from hub.app.slack_oauth import SlackInstaller

ROOMS: tuple[Routes, ...] = (
    # one line per module of typed routes, in the order of the documentation
    session.ROUTES,
    inbox.ROUTES,
    conversations.ROUTES,
    messages.ROUTES,
    drafts.ROUTES,
    cases.ROUTES,
    work.ROUTES,
    customers.ROUTES,
    moves.ROUTES,
    search.ROUTES,
    people.ROUTES,
    queues.ROUTES,
    desk.ROUTES,
    channels.ROUTES,
    slack_install.ROUTES,
    rules.ROUTES,
    attachments.ROUTES,
    configuration.ROUTES,
)
SETUPS: tuple[Setup, ...] = (
    # one line per module that adds pages, files or WebSockets by itself
    link_page.add_pages,
    live.add_live,
    looks.add_trail,
    widget.add_widget,
    attachments.add_media,
    first.add_first,
)


def make_app(
    house: House, more_rooms: Sequence[Routes] = (), more_setups: Sequence[Setup] = ()
) -> web.Application:
    """Return the application of a process."""
    parts = Parts(house.deps, house.ingress, house.channels, house.health, house.follower)
    installer = slack_install.add_install(SlackInstaller(house.deps, house.pool))
    return make_application(parts, (*ROOMS, *more_rooms), (*SETUPS, installer, *more_setups))
