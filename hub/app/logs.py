"""Logging: structlog through the standard library, with secrets taken out at the handler.

Libraries log whole URLs (Telegram's hold the token), so the filter works on the finished line.
Tracebacks show where, never the values: no locals, and above debug no words of foreign errors,
since a database's quote the row and a parser's the input.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from typing import Any, TextIO

import structlog
from typing_extensions import override

from hub.model.errors import HubError

_SECRETS = (
    (re.compile(r"(?i)(bot)\d{5,}:[A-Za-z0-9_-]{20,}"), r"\1[token]"),
    (re.compile(r"\b(?:xox[abeprs]|xapp)-[A-Za-z0-9-]{8,}"), "[slack-token]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 [secret]"),
    (re.compile(r"(?i)(://[^/\s:@]+:)[^@\s/]+@"), r"\1[secret]@"),
    (
        re.compile(
            r"(?i)([\"']?(?:password|passwd|secret|token|api_?key|authorization|signature|cookie)"
            r"[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,&}\]]+)"
        ),
        r"\1[secret]",
    ),
    (re.compile(r"(/media/|/link/)[A-Za-z0-9_-]{16,}"), r"\1[token]"),
)


def redact(line: str) -> str:
    """Return a log line without what looks like a credential."""
    for pattern, replacement in _SECRETS:
        line = pattern.sub(replacement, line)
    return line


class RedactingFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats, then redacts: nothing reaches a handler's stream around it."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Return the finished line without credentials."""
        return redact(super().format(record))


def told(error: BaseException | None, *, words: bool) -> str:
    """Return a traceback: files, lines, types; what a foreign error says only with `words`."""
    if error is None:
        return ""
    if words:
        return "".join(traceback.format_exception(error)).rstrip()
    return "\nthen, while that was handled:\n".join(_one(each) for each in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error with what led to it, first cause first."""
    found: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in found:
        found.append(each)
        hidden = None if each.__suppress_context__ else each.__context__
        each = each.__cause__ or hidden
    return reversed(found)


def _one(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__))
    said = f": {error}" if isinstance(error, HubError | OSError) else ""
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    inside = getattr(error, "exceptions", ()) if isinstance(error, BaseExceptionGroup) else ()
    return "\n".join([f"{frames}{name}{said}", *(_one(each) for each in inside)])


class _QuietServer(logging.Filter):
    """aiohttp logs a traceback for every garbled request line; that is the client's fault."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        return record.exc_info is None or not _is_client_fault(record.exc_info[1])


def _is_client_fault(error: BaseException | None) -> bool:
    return type(error).__module__.startswith("aiohttp.http")


def set_up_logging(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send everything to `stream` (default stderr) as text or JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    out = stream or sys.stderr
    words = level == "debug"
    # Rendered before the console's own renderer sees it: that one would print every local.
    where = structlog.processors.ExceptionRenderer(lambda info: told(info[1], words=words))
    last: list[Any] = [where]
    if form == "json":
        last.append(structlog.processors.JSONRenderer())
    else:
        last.append(structlog.dev.ConsoleRenderer(colors=out.isatty()))
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        RedactingFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("aiohttp.server").addFilter(_QuietServer())
    for noisy in ("aiohttp.access", "httpx", "slack_sdk", "slack_bolt", "twilio", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
