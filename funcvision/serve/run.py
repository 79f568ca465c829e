"""Runs a server in this process until it is told to stop."""

import logging
import signal
import socket
import sys
from collections.abc import Callable

import PIL.Image
import uvicorn
from starlette.types import ASGIApp

__all__ = ["open_port", "run"]

_BACKLOG = 2048
_MOST_CONNECTIONS = 2000
"""Requests in progress beyond this number are refused with 503 before anything of them is read."""


def open_port(host: str, port: int) -> socket.socket:
    """A socket that is bound to a port of this machine, and does not listen yet.

    Args:
        host: the address.
        port: 0 for any free one.

    Raises:
        OSError: the port is taken, or may not be used.
        ValueError: there is no such port.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"a port is a number from 0 to 65535; got {port}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise _named(error, host, port) from None
    return bound


def _named(error: OSError, host: str, port: int) -> OSError:
    """The error with the address in the place of a file name."""
    return OSError(error.errno, error.strerror, f"{host}:{port}")


def run(app: ASGIApp, bound: socket.socket, *, drain: float = 30.0, ready: Callable[[], object] = lambda: None) -> None:
    """Answers requests until SIGTERM or SIGINT.

    Then the port is closed, and requests in progress are answered for at most `drain` seconds.

    Args:
        app: the application.
        bound: the socket, as `open_port` returns it.
        drain: seconds.
        ready: called when requests are answered.

    Raises:
        OSError: another process has begun to listen on the port since it was bound.
    """
    try:
        bound.listen(_BACKLOG)  # uvloop does so too, but takes no notice of an error
    except OSError as error:
        raise _named(error, *bound.getsockname()[:2]) from None
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s")
    PIL.Image.MAX_IMAGE_PIXELS = None  # the settings of the server bound images, before they are unpacked
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, lifespan="off", backlog=_BACKLOG,
        limit_concurrency=_MOST_CONNECTIONS, timeout_graceful_shutdown=max(1, round(drain)), ws="none",
    )
    # uvicorn raises the signal once more after it has stopped; this makes that one harmless, and the exit status 0.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        _Server(config, ready).run(sockets=[bound])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]):
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()
