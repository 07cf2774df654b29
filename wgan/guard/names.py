"""The host names a server accepts: with DNS rebinding, a foreign page's name can point at this machine."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

LOOPBACK_NAMES = ("127.0.0.1:*", "localhost:*", "[::1]:*")


def names_of(*addresses: str | None) -> tuple[str, ...]:
    """The names of a loopback server, and those of the URLs, as `host:port`."""
    return (*LOOPBACK_NAMES, *(with_port(address) for address in addresses if address))


def is_name_in(host: str, names: Collection[str]) -> bool:
    """Whether a Host header, in lower case, is one of the names, each `host:port` or `host:*`."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):  # the end of an IPv6 address
        return any(f"{host}:{port}" in names for port in ("80", "443", "*"))
    return host in names or (port.isdecimal() and f"{name}:*" in names)


def with_port(address: str) -> str:
    """`host:port` of a URL, with its scheme's default port; empty if it is not a URL."""
    try:
        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return ""
    return f"{(parts.hostname or '').lower()}:{port}"
