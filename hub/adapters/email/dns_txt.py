"""TXT records for DKIM, through the machine's resolver. Blocking: called in threads."""

import dns.exception
import dns.name
import dns.resolver


def lookup_txt(name: bytes, timeout: float) -> bytes | None:
    """Return the joined TXT record of a name; None when there is none or nobody answers."""
    try:
        asked = dns.name.from_text(name.decode("ascii"))
        answer = dns.resolver.resolve(asked, "TXT", lifetime=timeout)
        return next((b"".join(record.strings) for record in answer), None)
    except (dns.exception.DNSException, UnicodeError, OSError, ValueError):
        return None
