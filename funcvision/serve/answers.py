"""Every error becomes an answer here, and every answer gets the headers of a careful server."""

import logging
import secrets
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import ServeError

__all__ = ["Answers"]

_LOG = logging.getLogger("funcvision.serve")
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}
"""Headers of answers that do not set them. Without headers of CORS, browsers keep answers from pages of others."""
_TYPES = {
    400: "BadRequestException", 401: "InvalidTokenException", 403: "ForbiddenException", 404: "ModelNotFoundException",
    405: "MethodNotAllowedException", 409: "ConflictStatusException", 500: "InternalServerException",
    503: "ServiceUnavailableException",
}
"""TorchServe's names of errors."""


class Answers:
    """Turns exceptions of an application into answers in JSON, and adds headers.

    An unexpected exception is logged with an identifier, and the client is told the identifier only.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        scope["app"] = self  # with it, routes raise errors, which become JSON below, rather than answer with text

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                names = {name.lower() for name, _ in message["headers"]}
                added = [(name, value) for name, value in _HEADERS.items() if name not in names]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            answer = _answer_for(error, scope["path"])
            if not started:
                await answer(scope, receive, send_with_headers)


def _answer_for(error: Exception, path: str) -> JSONResponse:
    """The answer for an exception."""
    headers: dict[str, str] = {}
    if isinstance(error, ServeError):
        status, detail = error.status, error.detail
        if error.retry_after is not None:
            headers["retry-after"] = str(error.retry_after)
        if status == 401:
            headers["www-authenticate"] = "Bearer"
    elif isinstance(error, HTTPException):
        status, detail = error.status_code, HTTPStatus(error.status_code).phrase
        headers |= error.headers or {}
    elif isinstance(error, ClientDisconnect):
        status, detail = 499, "the client closed the connection"
    else:
        identifier = secrets.token_hex(8)
        _LOG.error("unexpected error %s", identifier, exc_info=error)
        status, detail = 500, f"unexpected error; the log of the server explains it under {identifier}"
    no_such_call = status == 404 and isinstance(error, HTTPException)
    kind = "ResourceNotFoundException" if no_such_call else _TYPES.get(status, "RequestException")
    return JSONResponse(_content(status, kind, detail, path), status, headers)


def _content(status: int, kind: str, detail: str, path: str) -> dict[str, Any]:
    """The error in the shape of the protocol to which the path belongs."""
    if path == "/v2" or path.startswith("/v2/"):
        return {"error": detail}
    return {"code": status, "type": kind, "message": detail}
