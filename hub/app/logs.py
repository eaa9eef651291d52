"""Logging: structlog through the standard library, with secrets taken out at the handler.

Libraries log whole URLs (Telegram's hold the token), so the filter works on the finished line.
"""

import logging
import re
import sys
from typing import Any, TextIO

import structlog
from typing_extensions import override

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
    last: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if form == "json"
        else [structlog.dev.ConsoleRenderer(colors=out.isatty())]
    )
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
