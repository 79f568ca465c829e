"""Who may call what: API keys for all calls but health checks, and management from this machine only."""

import hashlib
import hmac
import ipaddress
import os
from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import ServeError

__all__ = ["Access", "read_keys"]

_LEAST_CHARACTERS = 16
_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""Headers that proxies add. A request with one of them may come from another machine, whatever its address is."""


def read_keys(path: str | os.PathLike[str]) -> list[str]:
    """The keys in a file, one a line. Blank lines, and lines that begin with "#", are left out.

    Raises:
        ValueError: there is no key in the file, or one is too short, or has characters that no header can hold.
        OSError: the file cannot be opened.
    """
    with open(path, encoding="utf-8-sig") as file:
        keys = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    if not keys:
        raise ValueError(f"{os.fspath(path)} has no API key: write one in a line")
    if any(len(key) < _LEAST_CHARACTERS for key in keys):
        raise ValueError(f"{os.fspath(path)} has an API key of less than {_LEAST_CHARACTERS} characters")
    if not all(key.isascii() and key.isprintable() for key in keys):
        raise ValueError(f"{os.fspath(path)} has an API key with characters that are not printable ASCII")
    return keys


class Access:
    """Refuses requests that are not allowed.

    Management calls are refused unless they come from this machine, and not through a proxy. They are also refused if a
    browser sends them for a page, so that no page that is open on this machine can register models.

    Args:
        app: what is called otherwise.
        keys: one of them is needed in the header `Authorization: Bearer`; empty if none is needed.
        public: routes that need no key when they are read.
        management: routes of the operator.
        manage_from_anywhere: management calls may come from other machines.
    """

    def __init__(
        self, app: ASGIApp, *, keys: Sequence[str] = (), public: Sequence[BaseRoute] = (),
        management: Sequence[BaseRoute] = (), manage_from_anywhere: bool = False,
    ):
        self._app = app
        self._digests = [_digest(key) for key in keys]
        self._public, self._management, self._anywhere = public, management, manage_from_anywhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            if _any(self._management, scope):
                self._check_origin(request)
            reads = request.method in ("GET", "HEAD")
            if self._digests and not (reads and _any(self._public, scope)):
                self._check_key(request)
        await self._app(scope, receive, send)

    def _check_origin(self, request: Request) -> None:
        if not self._anywhere and not _is_loopback(request.client.host if request.client else ""):
            raise ServeError(403, "management calls are answered on the machine of the server only")
        if not self._anywhere and any(name in request.headers for name in _OF_PROXIES):
            raise ServeError(403, "management calls are not answered through a proxy")
        if request.headers.get("origin") or request.headers.get("sec-fetch-site", "none") != "none":
            raise ServeError(403, "management calls are not answered to web pages")

    def _check_key(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        given = _digest(key.strip())
        matches = [hmac.compare_digest(given, digest) for digest in self._digests]  # each one, whichever matches
        if scheme.lower() != "bearer" or not any(matches):
            raise ServeError(401, "this server needs an API key, in the header Authorization: Bearer KEY")


def _digest(key: str) -> bytes:
    """Keys are compared by digests of one length, so that the time does not tell how long a key is."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _any(routes: Sequence[BaseRoute], scope: Scope) -> bool:
    return any(route.matches(scope)[0] != Match.NONE for route in routes)


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
