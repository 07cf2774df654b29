"""Rules for addresses that others name: no credentials in them, and no way into this machine's networks."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import parse_qsl, urlsplit

THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
"""Host names and addresses by which this machine is asked for without leaving it."""
CREDENTIAL_NAMES = re.compile(
    r"(^|[-_.])(sig|sign|signature|key|keyid|apikey|accesskey|accesskeyid|awsaccesskeyid|rlkey|pass|passwd|password|pwd|"
    r"secret|token|auth|authorization|credential|credentials|session|sessionid|jwt|bearer|hmac|policy)($|[-_.])|"
    r"token$|secret$|password$|signature$|apikey$|^x-(amz|goog)-",
    re.IGNORECASE,
)
"""Parameters of signed addresses (AWS, Google, Azure, CloudFront) and what services call keys of theirs."""


def credential_in(url: str) -> str | None:
    """What in an address is a credential, in words that do not give it away; None where there is none."""
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
    """Whether a host name or address is of this machine or its networks: loopback, link-local, private, reserved.

    A name is resolved; one that cannot be is judged where it is asked for.
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
    """The same for an address in numbers."""
    return not ipaddress.ip_address(address.partition("%")[0]).is_global


def is_link_local(host: str) -> bool:
    """Whether an address in numbers is link-local, where clouds hand out credentials."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_link_local
    except ValueError:
        return False
