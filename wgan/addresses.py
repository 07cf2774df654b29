"""Rules for URLs from outside: they must not contain credentials or reach this machine's networks."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import parse_qsl, urlsplit

THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
"""Host names and addresses of this machine's loopback."""
CREDENTIAL_NAMES = re.compile(
    r"(^|[-_.])(sig|sign|signature|key|keyid|apikey|accesskey|accesskeyid|awsaccesskeyid|rlkey|pass|passwd|password|pwd|"
    r"secret|token|auth|authorization|credential|credentials|session|sessionid|jwt|bearer|hmac|policy)($|[-_.])|"
    r"token$|secret$|password$|signature$|apikey$|^x-(amz|goog)-",
    re.IGNORECASE,
)
"""Query parameters of signed URLs (AWS, Google, Azure, CloudFront), and common names of API keys."""


def credential_in(url: str) -> str | None:
    """The kind of credential in a URL, described without revealing it; None if there is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if "@" in parts.netloc:
        return "a user or password"
    for name, _ in [*parse_qsl(parts.query, True), *parse_qsl(parts.fragment, True)]:
        if CREDENTIAL_NAMES.search(name):
            return f"the parameter {name[:40]!r}"
    return None


def is_inside(host: str) -> bool:
    """Whether a host name or address belongs to this machine or its networks: loopback, link-local, private, reserved.

    A name is resolved; an unresolvable one is judged when connecting.
    """
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        pass
    if host.lower().rstrip(".").endswith("localhost"):
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(is_inside_address(str(entry[4][0])) for entry in found)


def is_inside_address(address: str) -> bool:
    """The same for a numeric address."""
    return not ipaddress.ip_address(address.partition("%")[0]).is_global


def is_link_local(host: str) -> bool:
    """Whether a numeric address is link-local, where clouds hand out credentials."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_link_local
    except ValueError:
        return False
