"""A shop's website from another origin than the hub's, with a chat that speaks the protocol.

The page is docs/widget-protocol.md in sixty lines: session, socket, message, ack, delivered, read.
"""

import json
from datetime import timedelta
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import OctKey

from hub.model.clock import to_micros, utc_now

PAGE = """<!doctype html><meta charset=utf-8><title>Shop</title>
<h1>Shop</h1><ol id=said></ol><p id=state></p><input id=text aria-label=Text>
<script type=module>
const setup = await (await fetch('/setup')).json();
const $ = (id) => document.getElementById(id);
const answer = await fetch(setup.hub + '/widget/v1/session', {
  method: 'POST', headers: {'Content-Type': 'application/json'},
  body: JSON.stringify({channel_id: setup.channel, identity: setup.identity, language: 'en',
                        page: location.href}),
});
const session = await answer.json();
$('state').textContent = session.signed ? 'signed' : JSON.stringify(session);
const waiting = new Map();
let cursor = session.cursor, socket;
function show(message) {
  let item = document.querySelector(`[data-id="${message.id}"]`);
  if (!item) {
    item = document.createElement('li');
    item.dataset.id = message.id;
    $('said').append(item);
  }
  item.dataset.from = message.from;
  item.dataset.state = message.state || '';
  item.textContent = message.text;
  if (message.from === 'agent') {
    socket.send(JSON.stringify({type: 'delivered', ids: [message.id]}));
    socket.send(JSON.stringify({type: 'read', id: message.id}));
  }
}
function connect() {
  socket = new WebSocket(setup.hub.replace('http', 'ws') + '/widget/v1/live');
  socket.onopen = () =>
    socket.send(JSON.stringify({type: 'auth', token: session.token, after: cursor}));
  socket.onmessage = (event) => {
    const frame = JSON.parse(event.data);
    if (frame.cursor) cursor = frame.cursor;
    if (frame.type === 'hello') {
      document.body.dataset.live = 'yes';
      for (const text of waiting.values()) socket.send(text);
    }
    if (frame.type === 'ack') waiting.delete(frame.client_id);
    if (frame.type === 'agent') document.body.dataset.agent = frame.name || '';
    if (frame.type === 'message') show(frame.message);
  };
  socket.onclose = () => {
    document.body.dataset.live = 'no';
    setTimeout(connect, 300);
  };
}
connect();
$('text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !$('text').value) return;
  const client_id = crypto.randomUUID();
  const frame = JSON.stringify({type: 'message', client_id, text: $('text').value});
  waiting.set(client_id, frame);
  $('text').value = '';
  if (document.body.dataset.live === 'yes') socket.send(frame);
});
</script>"""


class Shop:
    """The website; `claims` are what it signs for its logged-in user.

    Its pages come from `localhost`, the hub from 127.0.0.1: another origin, and a secure context.
    """

    def __init__(self, secret: str, claims: dict[str, Any]) -> None:
        self.secret = secret
        self.claims = claims
        self.hub, self.channel = "", ""
        self._runner: web.AppRunner | None = None
        self.origin = ""

    async def start(self) -> None:
        """Listen."""
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/setup", self._setup)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.origin = f"http://localhost:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def _setup(self, request: web.Request) -> web.Response:
        exp = to_micros(utc_now() + timedelta(hours=1)) // 1_000_000
        claims = {**self.claims, "exp": exp}
        signed = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(self.secret))
        told = {"hub": self.hub, "channel": self.channel, "identity": signed}
        return web.Response(text=json.dumps(told), content_type="application/json")
