"""Handing a mail to the configured server: one connection, one mail, and how certain it is.

Until the final dot of DATA is written the server has nothing: every failure before is certain.
After it only the server's own answer is; a cut or a time-out then means `maybe_sent`. (What is cut
between the DATA command and its dot counts as maybe sent too: it cannot be told apart.)
"""

import asyncio
import re
import ssl
from contextlib import suppress

import aiosmtplib

from hub.adapters.email.compose import Composed
from hub.adapters.email.config import SmtpConfig
from hub.model.errors import SendError

CONNECT_TIMEOUT_S = 20.0
COMMAND_TIMEOUT_S = 30.0
DATA_TIMEOUT_S = 120.0
_ENHANCED = re.compile(r"\A\s*([245]\.\d{1,3}\.\d{1,3})\b")
_AUTH_CODES = frozenset({530, 534, 535, 538})


async def hand_over(config: SmtpConfig, mail: Composed, hostname: str) -> None:
    """Give one mail to the server.

    Args:
        hostname: what we call ourselves in EHLO.

    Raises:
        SendError: `connect_failed`, `auth_refused`, `recipient_unknown`, `mailbox_full`,
            `message_too_large`, `provider_refused`, `provider_busy`, `timeout`, `cut_off`.
    """
    client = await open_session(config, hostname)
    try:
        await _envelope(client, mail)
        await _data(client, mail.raw)
    finally:
        await close_session(client)


async def open_session(config: SmtpConfig, hostname: str) -> aiosmtplib.SMTP:
    """Connect, secure and log in; nothing is sent yet. Raises SendError."""
    tls = ssl.create_default_context() if config.security != "none" else None
    client = aiosmtplib.SMTP(
        hostname=config.host,
        port=config.port,
        local_hostname=hostname,
        timeout=CONNECT_TIMEOUT_S,
        use_tls=config.security == "tls",
        start_tls=False,  # asked for below: the library would go on with an error of no name
        tls_context=tls if config.security == "tls" else None,
    )
    try:
        await client.connect()
        await client.ehlo(timeout=COMMAND_TIMEOUT_S)
        if config.security == "starttls":
            _require(client, "starttls")
            await client.starttls(tls_context=tls, timeout=COMMAND_TIMEOUT_S)
            await client.ehlo(timeout=COMMAND_TIMEOUT_S)
        if config.user:
            _require(client, "auth")
            password = config.password.get_secret_value()
            await client.login(config.user, password, timeout=COMMAND_TIMEOUT_S)
    except aiosmtplib.SMTPAuthenticationError as error:
        client.close()
        raise _login_error(error) from None
    except aiosmtplib.SMTPNotSupported:
        # No STARTTLS or no AUTH although we were told to use it: never go on without.
        client.close()
        raise SendError("security_not_offered", needs_auth=True) from None
    except aiosmtplib.SMTPResponseException as error:
        client.close()
        raise _refusal(error.code, error.message, "provider_refused") from None
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        client.close()
        refused = isinstance(error.__cause__ or error, ssl.SSLCertVerificationError)
        code = "certificate_refused" if refused else "connect_failed"
        raise SendError(code, retryable=True) from None
    return client


def _require(client: aiosmtplib.SMTP, extension: str) -> None:
    if not client.supports_extension(extension):
        raise aiosmtplib.SMTPNotSupported(extension)


async def close_session(client: aiosmtplib.SMTP) -> None:
    """Say goodbye if the server still listens; what was decided stays decided."""
    with suppress(aiosmtplib.SMTPException, OSError, asyncio.TimeoutError):
        if client.is_connected:
            await client.quit(timeout=5.0)
    client.close()


async def _envelope(client: aiosmtplib.SMTP, mail: Composed) -> None:
    options = []
    if mail.utf8:
        if not client.supports_extension("smtputf8"):
            raise SendError("recipient_invalid", provider_code="smtputf8")
        options = ["SMTPUTF8", "BODY=8BITMIME"]
    if client.supports_extension("size"):
        options.append(f"SIZE={len(mail.raw)}")
    encoding = "utf-8" if mail.utf8 else "ascii"
    try:
        await client.mail(
            mail.envelope_from, options=options, encoding=encoding, timeout=COMMAND_TIMEOUT_S
        )
        await client.rcpt(mail.to, encoding=encoding, timeout=COMMAND_TIMEOUT_S)
        for one in mail.cc:
            # A Cc that is refused must not keep the answer from the customer.
            with suppress(aiosmtplib.SMTPRecipientRefused):
                await client.rcpt(one, encoding=encoding, timeout=COMMAND_TIMEOUT_S)
    except aiosmtplib.SMTPRecipientRefused as error:
        raise _refusal(error.code, error.message, "recipient_unknown") from None
    except aiosmtplib.SMTPResponseException as error:
        raise _refusal(error.code, error.message, "provider_refused") from None
    except aiosmtplib.SMTPTimeoutError:
        raise SendError("timeout", retryable=True) from None
    except (aiosmtplib.SMTPException, OSError):
        raise SendError("cut_off", retryable=True) from None


async def _data(client: aiosmtplib.SMTP, raw: bytes) -> None:
    try:
        await client.data(raw, timeout=DATA_TIMEOUT_S)
    except aiosmtplib.SMTPResponseException as error:
        raise _refusal(error.code, error.message, "provider_refused") from None
    except aiosmtplib.SMTPTimeoutError:
        raise SendError("timeout", maybe_sent=True) from None
    except (aiosmtplib.SMTPException, OSError):
        raise SendError("cut_off", maybe_sent=True) from None


def _login_error(error: aiosmtplib.SMTPAuthenticationError) -> SendError:
    if 400 <= error.code < 500:
        return SendError("provider_busy", retryable=True, provider_code=str(error.code))
    return SendError("auth_refused", needs_auth=True, provider_code=str(error.code))


def _refusal(code: int, message: str, otherwise: str) -> SendError:
    """Turn a refusal into an error; the server's words name addresses, so only its codes stay."""
    found = _ENHANCED.match(message)
    enhanced = found.group(1) if found else ""
    told = f"{code} {enhanced}".strip()
    if code == 421 or 400 <= code < 500:
        return SendError("provider_busy", retryable=True, provider_code=told)
    if code in _AUTH_CODES:
        return SendError("auth_refused", needs_auth=True, provider_code=told)
    if enhanced in ("5.3.4", "5.2.3"):
        return SendError("message_too_large", provider_code=told)
    if enhanced == "5.2.2" or (code == 552 and otherwise == "recipient_unknown"):
        return SendError("mailbox_full", provider_code=told)
    if code == 552:
        return SendError("message_too_large", provider_code=told)
    if enhanced.startswith("5.7"):
        return SendError("provider_refused", provider_code=told)
    return SendError(otherwise, provider_code=told)
