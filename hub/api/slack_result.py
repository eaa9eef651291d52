"""The page an administrator sees when they come back from Slack: English and Chinese, no script."""

import base64
import hashlib
import re
from html import escape
from urllib.parse import urlencode

from aiohttp import web

from hub.api.http import ID_PATTERN
from hub.api.keys import DEPS

_CODE = re.compile(r"[a-z][a-z0-9_]{0,79}\Z")
_STYLE = (
    "body{font:16px/1.6 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;"
    "margin:0;color:#1b1f24;background:#f4f5f7}main{background:#fff;padding:2rem;border-radius:"
    "10px;width:min(36rem,85vw);box-shadow:0 1px 4px #0002}code{overflow-wrap:anywhere}"
)
_POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DONE = (
    "The Slack app is installed and the channel works.",
    "Slack 应用已安装，渠道可以使用。",
)
_SAVED = (
    "The Slack app is installed and the channel is saved, but Slack refused the first try.",
    "Slack 应用已安装，渠道已保存，但首次连接测试未通过。",
)
_URL = (
    "With the Events API, enter this request URL in the Slack app:",
    "使用 Events API 时，请在 Slack 应用中填写此请求网址：",
)
_ELSE = ("The Slack app was not installed. Please try again.", "Slack 应用未安装，请重试。")
_WORDS = {
    "access_denied": (
        "Nothing was installed: access was refused at Slack.",
        "未安装：您在 Slack 中拒绝了授权。",
    ),
    "oauth_state_expired": (
        "That took too long. Please begin the installation again.",
        "操作超时，请重新开始安装。",
    ),
    "oauth_state_invalid": (
        "This installation was not begun in this session. Please begin it here.",
        "此次安装不是在当前登录会话中发起的，请重新开始。",
    ),
    "oauth_state_used": (
        "This installation was finished already. Please begin again if it is not there.",
        "此次安装已处理过；如渠道不存在，请重新开始。",
    ),
    "not_authenticated": (
        "Please log in to the hub and begin again.",
        "请先登录系统，然后重新开始安装。",
    ),
    "not_allowed": ("Only administrators install channels.", "只有管理员可以安装渠道。"),
}


def result_url(channel_id: str, code: str) -> str:
    """Return the page's path for a saved channel (or none) and what went wrong (or nothing)."""
    told = {"channel": channel_id, "code": code}
    query = urlencode({name: value for name, value in told.items() if value})
    return f"/oauth/slack/result?{query}"


async def serve_result(request: web.Request) -> web.Response:
    """Say in both languages what came of an installation; repeats nothing it does not know."""
    channel = request.query.get("channel", "")
    code = request.query.get("code", "")
    saved = re.fullmatch(ID_PATTERN, channel) is not None
    known = code if _CODE.match(code) else ""
    words = (_SAVED if known else _DONE) if saved else _WORDS.get(known, _ELSE)
    url = f"{request.config_dict[DEPS].public_url.rstrip('/')}/in/{channel}" if saved else ""
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
    return web.Response(text=_page(words, url, known), content_type="text/html", headers=headers)


def _page(words: tuple[str, str], url: str, code: str) -> str:
    parts = []
    for number, language in enumerate(("en", "zh-CN")):
        text = f"<p>{escape(words[number])}</p>"
        if url:
            text += f"<p>{escape(_URL[number])}<br><code>{escape(url)}</code></p>"
        parts.append(f'<section lang="{language}">{text}</section>')
    said = f"<p><code>{escape(code)}</code></p>" if code else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Slack · omni-hub</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style><main><h1>Slack</h1>{''.join(parts)}{said}"
        '<p><a href="/">omni-hub</a></p></main></html>'
    )
