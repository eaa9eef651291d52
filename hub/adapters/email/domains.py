"""Addresses and domains compared: normal form, and when one domain may speak for another."""

from __future__ import annotations

# Second-level labels under which registries sell names: "com.cn" is nobody's own domain.
_REGISTRY_LABELS = frozenset({
    "ac", "ad", "asn", "biz", "co", "com", "ed", "edu", "go", "gob", "gouv", "gov", "govt", "gv",
    "id", "info", "int", "ltd", "me", "mil", "name", "ne", "net", "nic", "nom", "or", "org",
    "plc", "pro", "sch", "school", "web",
})  # fmt: skip


def normal_domain(domain: str) -> str:
    """Return a domain in lower case ASCII (IDNA), ``""`` when it is none."""
    text = domain.strip().rstrip(".").lower()
    if not text or len(text) > 253:
        return ""
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii").lower()
        except UnicodeError:
            return ""
    labels = text.split(".")
    good = all(label and label.replace("-", "").replace("_", "").isalnum() for label in labels)
    return text if good and len(labels) >= 2 else ""


def domain_of(email: str) -> str:
    """Return the normal form of an address's domain, ``""`` when it has none."""
    local, at, domain = email.rpartition("@")
    return normal_domain(domain) if at and local else ""


def same_mailbox(email: str) -> str:
    """Return the form in which two spellings of one address are equal: lower case, IDNA."""
    local, at, domain = email.strip().rpartition("@")
    return f"{local.lower()}@{normal_domain(domain) or domain.lower()}" if at else email.lower()


def is_aligned(signer: str, sender: str) -> bool:
    """Say whether a signature by one domain vouches for a sender of another.

    Only the same domain or a parent does, and a parent only when it can be somebody's own: neither
    a top-level domain nor a registry's second level (``com.cn``, ``co.uk``, two letters below a
    country). Stricter than DMARC's relaxed mode, which would also take a subdomain's signature.
    """
    signer, sender = normal_domain(signer), normal_domain(sender)
    if not signer or not sender:
        return False
    return signer == sender or (sender.endswith("." + signer) and not _is_registry(signer))


def _is_registry(domain: str) -> bool:
    labels = domain.split(".")
    if len(labels) < 2:
        return True
    if len(labels) > 2:
        return False
    second, top = labels
    return second in _REGISTRY_LABELS or (len(top) == 2 and len(second) <= 2)
