"""The page behind a one-time link: set a password, or log in. One file, no build, no other host.

The link's secret stands in the fragment, which browsers send nowhere; the page posts it.
"""

import base64
import hashlib

from aiohttp import web

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;"
    "margin:0;color:#1b1f24;background:#f4f5f7}main{background:#fff;padding:2rem;border-radius:"
    "10px;width:min(22rem,85vw);box-shadow:0 1px 4px #0002}label,input,button{display:block;"
    "width:100%;box-sizing:border-box}input,button{font:inherit;padding:.5rem;margin:.3rem 0 1rem}"
    "button{cursor:pointer}#said{min-height:1.5em;color:#a40000}"
)
_SCRIPT = """
const set = location.pathname.endsWith("set-password");
const secret = location.hash.slice(1);
const form = document.forms[0], said = document.getElementById("said");
if (!set) { form.password.required = false; form.querySelector("label").hidden = true;
  form.password.hidden = true; }
const texts = { link_not_valid: "This link is not valid any more.",
  password_too_short: "At least 10 characters, please.",
  password_too_simple: "That is guessed too easily.", too_many_requests: "Wait a moment." };
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = set ? { secret, password: form.password.value } : { secret };
  const answer = await fetch("/api/v1/links/" + (set ? "password" : "login"), { method: "POST",
    headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (answer.ok) { history.replaceState(null, "", location.pathname); location.assign("/");
    return; }
  const problem = await answer.json().catch(() => ({}));
  said.textContent = texts[problem.code] || problem.code || String(answer.status);
});
"""
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>omni-hub</title>'
    '<meta name="viewport" content="width=device-width">'
    f"<style>{_STYLE}</style><main><h1>omni-hub</h1><form>"
    '<label for="password">New password (10 characters or more)</label>'
    '<input id="password" name="password" type="password" minlength="10" maxlength="200"'
    ' autocomplete="new-password" required autofocus>'
    '<button>Continue</button><p id="said" role="alert"></p></form></main>'
    f"<script>{_SCRIPT}</script></html>"
)


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


_POLICY = (
    f"default-src 'none'; script-src 'sha256-{_hash(_SCRIPT)}'; style-src 'sha256-{_hash(_STYLE)}';"
    " connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def add_pages(app: web.Application) -> None:
    """Add the pages of one-time links."""
    for path in ("/link/set-password", "/link/log-in"):
        app.router.add_get(path, _serve)


async def _serve(request: web.Request) -> web.Response:
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
    return web.Response(text=_PAGE, content_type="text/html", headers=headers)
