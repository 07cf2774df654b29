"""By which names a server may be addressed: a foreign page can have a name of its own point at this machine."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

LOOPBACK_NAMES = ("127.0.0.1:*", "localhost:*", "[::1]:*")


def names_of(*addresses: str | None) -> tuple[str, ...]:
    """The names a loopback server goes by, and those of the addresses, as `host:port`."""
    return (*LOOPBACK_NAMES, *(with_port(address) for address in addresses if address))


def is_name_in(host: str, names: Collection[str]) -> bool:
    """Whether a Host header, in lower case, is one of the names, each `host:port` or `host:*`."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):  # the end of an address of IPv6
        return any(f"{host}:{port}" in names for port in ("80", "443", "*"))
    return host in names or (port.isdecimal() and f"{name}:*" in names)


def with_port(address: str) -> str:
    """`host:port` of an address, whose scheme decides about a port that is not given; empty for what is none."""
    try:
        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return ""
    return f"{(parts.hostname or '').lower()}:{port}"
