"""A local server whose clients may go away."""

from __future__ import annotations

from http.server import ThreadingHTTPServer
from typing import Any


class QuietServer(ThreadingHTTPServer):
    """Says nothing of connections that are cut: tests cut them, and others read what stands on stderr."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        return
