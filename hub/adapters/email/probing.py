"""Trying what an administrator entered: log in everywhere, select the folder, write nothing."""

import asyncio
import imaplib

from hub.adapters.email import imap_session, smtp_out
from hub.adapters.email.config import EmailConfig, ImapConfig
from hub.model.channel import ProbeReport
from hub.model.errors import Param, SendError

_UNREACHABLE = frozenset({"connect_failed", "timeout", "cut_off"})


async def probe(config: EmailConfig) -> ProbeReport:
    """Report what the servers say; the code names the first that refuses."""
    facts: dict[str, Param] = {"address": config.address}
    try:
        if config.imap is not None:
            facts["mails"] = await asyncio.to_thread(_try_imap, config.imap)
        if config.smtp is not None:
            client = await smtp_out.open_session(config.smtp, config.id_domain)
            await smtp_out.close_session(client)
            facts["smtp"] = config.smtp.host
    except SendError as error:
        code = "cannot_connect" if error.code in _UNREACHABLE else error.code
        facts["server"] = "smtp" if "mails" in facts or config.imap is None else "imap"
        return ProbeReport(ok=False, code=code, facts=facts)
    return ProbeReport(ok=True, facts=facts)


def _try_imap(config: ImapConfig) -> int:
    """Return how many mails the folder holds."""
    client = imap_session.connect(config)
    try:
        return imap_session.select(client, config.folder, readonly=True).mails
    except (imaplib.IMAP4.error, OSError):
        raise SendError("connect_failed", retryable=True) from None
    finally:
        imap_session.end(client)
