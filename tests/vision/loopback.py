"""A server on this machine's loopback that misbehaves on request."""

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` (path to bytes) and records every request in `requests`: (path, Range header)."""

    daemon_threads = True

    def __init__(
        self, files: dict[str, bytes], *, ranges: bool = True, cut: int = 0, cuts: int = 0, too_early: int = 0
    ):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.ranges = ranges  # whether it obeys the Range header
        self.too_early = too_early  # how many bytes before the requested ones its response starts
        self.cut, self.cuts = cut, cuts  # the first `cuts` responses break off after `cut` bytes
        self.requests: list[tuple[str, str | None]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        content = self.server.files.get(self.path.lstrip("/"))
        if content is None:
            return self.send_error(404)
        start = 0
        if wanted and self.server.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) - self.server.too_early
            if start >= len(content):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        stop = len(content)
        if self.server.cuts:
            self.server.cuts -= 1
            stop = start + self.server.cut
        self.wfile.write(content[start:stop])
        return None

    def log_message(self, *arguments):
        pass


@contextmanager
def serve(files: dict[str, bytes], **options) -> Iterator[Server]:
    server = Server(files, **options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    """A port that nobody listens on."""
    server = Server({})
    server.server_close()
    return server.server_address[1]
