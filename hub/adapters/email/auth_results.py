"""The trusted ``Authentication-Results`` field (RFC 8601), read by hand and strictly.

Only the topmost field counts, and only when it names the server the administrator trusts: every
field below it may have been written by the sender. Sloppy readers can be told anything through
quoted strings and comments, so whatever is not well formed counts as nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hub.adapters.email.domains import domain_of, normal_domain

_MAX_CHARS = 10_000
_TOKEN = re.compile(r'[ \t\r\n]*(?:"((?:[^"\\]|\\.)*)"|([^\s;="()]+)|([;=]))')
_SAFE_METHOD = re.compile(r"[a-z0-9][a-z0-9-]*(?:/\d+)?\Z")


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One checked method: ``dmarc``, ``pass``, ``{"header.from": "example.com"}``."""

    method: str
    result: str
    properties: dict[str, str]


def parse_results(value: str) -> tuple[str, tuple[MethodResult, ...]] | None:
    """Parse one field.

    Returns:
        The authserv-id in lower case and the results, ``None`` when it is not well formed.
    """
    if len(value) > _MAX_CHARS:
        return None
    bare = _without_comments(value)
    clauses = _clauses(bare) if bare is not None else None
    if not clauses or not clauses[0] or "=" in clauses[0]:
        return None
    server = clauses[0][0].lower()
    results: list[MethodResult] = []
    for clause in clauses[1:]:
        if not clause or [word.lower() for word in clause] == ["none"]:
            continue
        result = _result(clause)
        if result is not None:
            results.append(result)
        elif clause[0].lower().startswith("dmarc"):
            return None
    return server, tuple(results)


def dmarc_passed(fields: Sequence[str], trusted_server: str, from_email: str) -> bool:
    """Say whether the trusted server found DMARC passed for exactly this sender's domain.

    Args:
        fields: All Authentication-Results of the mail, topmost first.
        trusted_server: The channel's authserv-id; empty means nobody is trusted.
        from_email: The one address of the From field.
    """
    domain = domain_of(from_email)
    if not fields or not trusted_server.strip() or not domain:
        return False
    parsed = parse_results(fields[0])
    if parsed is None or parsed[0] != trusted_server.strip().lower():
        return False
    found = [one for one in parsed[1] if one.method == "dmarc"]
    return bool(found) and all(
        one.result == "pass" and normal_domain(one.properties.get("header.from", "")) == domain
        for one in found
    )


def _without_comments(value: str) -> str | None:
    """Drop (nested) comments; ``None`` when quotes or brackets do not close."""
    out: list[str] = []
    depth, quoted, escaped = 0, False, False
    for char in value:
        if escaped:
            escaped = False
            if not depth:
                out.append(char)
        elif char == "\\" and (quoted or depth):
            escaped = True
            if not depth:
                out.append(char)
        elif quoted:
            quoted = char != '"'
            out.append(char)
        elif char == "(":
            depth += 1
            out.append(" ")
        elif char == ")":
            depth -= 1
            if depth < 0:
                return None
        elif depth == 0:
            quoted = char == '"'
            out.append(char)
    return None if depth or quoted or escaped else "".join(out)


def _clauses(text: str) -> list[list[str]] | None:
    """Split into clauses of words; ``=`` is a word of its own."""
    clauses: list[list[str]] = [[]]
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            return None
        position = match.end()
        if match.group(3) == ";":
            clauses.append([])
        elif match.group(3) == "=":
            clauses[-1].append("=")
        elif match.group(1) is not None:
            # A quoted "=" or ";" must not act as one: marked by a prefix no token can have.
            clauses[-1].append("\0" + match.group(1))
        else:
            clauses[-1].append(match.group(2))
    return clauses


def _result(clause: list[str]) -> MethodResult | None:
    if len(clause) < 3 or clause[1] != "=" or not _SAFE_METHOD.match(clause[0].lower()):
        return None
    properties: dict[str, str] = {}
    rest = clause[3:]
    index = 0
    while index < len(rest):
        if index + 2 >= len(rest) or rest[index + 1] != "=" or rest[index] == "=":
            return None
        name, value = rest[index].lower(), rest[index + 2].lstrip("\0")
        if name in properties:
            return None
        properties[name] = value
        index += 3
    return MethodResult(clause[0].lower().split("/")[0], clause[2].lower(), properties)
