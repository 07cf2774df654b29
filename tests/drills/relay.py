"""A TCP relay in front of a server, which can be taken away or cut answers short."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress


class Relay:
    """Passes bytes between its own loopback port and another one, both ways, in threads."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.cut_after: int | None = None
        """Bytes of an answer after which new connections are reset; None: never."""
        self.pause = 0.0
        """Seconds before each block of up to 16 KiB is passed on, either way."""
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._listen()

    def take_away(self) -> None:
        """Break every connection and refuse new ones."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread, which close alone does not
        self._listener.close()
        self.break_connections()

    def bring_back(self) -> None:
        """Listen again, on the same port, if it was taken away."""
        if self._listener.fileno() != -1:
            return
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listen()

    def break_connections(self) -> None:
        """Reset the connections there are; new ones are accepted."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            with self._lock:
                self._open |= {client, server}
            threading.Thread(target=self._connection, args=(client, server, self.cut_after), daemon=True).start()

    def _connection(self, client: socket.socket, server: socket.socket, most: int | None) -> None:
        """Pass on both ways until one end closes or the answers' bytes are used up."""
        questions = threading.Thread(target=self._pass_on, args=(client, server, None), daemon=True)
        questions.start()
        self._pass_on(server, client, most)
        questions.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _pass_on(self, source: socket.socket, target: socket.socket, left: int | None) -> None:
        with suppress(OSError):
            while block := source.recv(2**14):
                time.sleep(self.pause)
                if left is not None and len(block) >= left:
                    target.sendall(block[:left])
                    break
                target.sendall(block)
                left = None if left is None else left - len(block)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
