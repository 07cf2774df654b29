"""Hostile clients: plain sockets."""

from __future__ import annotations

import socket
from contextlib import suppress
from urllib.parse import urlsplit


def connected(url: str, timeout: float = 30.0) -> socket.socket:
    """A connection to the server."""
    address = urlsplit(url)
    return socket.create_connection((address.hostname, address.port), timeout=timeout)


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A whole POST of JSON."""
    more = "".join(f"{header}\r\n" for header in headers)
    kind = "Content-Type: application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{kind}\r\n{more}Content-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def sent(connection: socket.socket, block: bytes, most: int) -> int:
    """Send the block again and again until the server ends the connection; the bytes that it took, at most `most`."""
    total = 0
    with suppress(OSError):
        while total < most:
            total += connection.send(block)
    return total


def answer(connection: socket.socket) -> bytes:
    """Everything the server sends until it closes the connection, or until the connection times out."""
    found = b""
    with suppress(OSError):
        while block := connection.recv(2**16):
            found += block
    return found
