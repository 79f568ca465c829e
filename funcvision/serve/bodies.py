"""The bodies of requests, as `curl -T file` and `curl -F data=@file` send them, within a limit of bytes."""

import contextlib
import email.message
from collections.abc import Iterator

from starlette.requests import ClientDisconnect, Request

from .errors import ClientGoneError, ServeError

__all__ = ["Bodies", "file_in"]

_FIELDS = ("data", "body", "file", "image")
"""Names of form fields that hold the image, in the order in which they are looked for."""
_MOST_FIELDS = 16
_MOST_HEADER_BYTES = 2048
"""Of a field, and of Content-Type. The parser of headers takes time that grows with the square of their length."""


class Bodies:
    """Reads bodies, and bounds the memory that they take.

    Args:
        max_bytes: of one body.
        max_total: of all bodies that are held at the same time.

    Attributes:
        max_bytes: as given.
    """

    def __init__(self, *, max_bytes: int, max_total: int):
        self.max_bytes, self._max_total, self._held = max_bytes, max_total, 0

    @contextlib.contextmanager
    def account(self) -> Iterator["_Account"]:
        """Counts the bytes of a body as held while the context lasts."""
        account = _Account(self)
        try:
            yield account
        finally:
            self._held -= account.bytes

    def hold(self, count: int) -> None:
        """Counts bytes as held.

        Raises:
            ServeError: 503; the bodies of all requests together would take too much memory.
        """
        if self._held + count > self._max_total:
            raise ServeError(503, "the server holds as many request bodies as its memory allows", retry_after=1)
        self._held += count


class _Account:
    """The bytes of one body.

    Attributes:
        bytes: how many are held.
    """

    def __init__(self, bodies: Bodies):
        self._bodies, self.bytes = bodies, 0

    async def read(self, request: Request) -> bytes:
        """The body of a request.

        Raises:
            ServeError: 413 for too many bytes, 415 for a compressed body, 400 for no body, 499 if the client went away.
        """
        limit = self._bodies.max_bytes
        too_large = ServeError(413, f"the body has more than {limit:,} bytes")
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise ServeError(415, "compressed bodies are not read; send the file as it is")
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            raise too_large
        parts: list[bytes] = []
        try:
            async for part in request.stream():
                if self.bytes + len(part) > limit:
                    raise too_large
                self._bodies.hold(len(part))
                self.bytes += len(part)
                parts.append(part)
        except ClientDisconnect:
            raise ClientGoneError from None
        if not self.bytes:
            raise ServeError(400, "the request has no body")
        return b"".join(parts)


def file_in(body: bytes, content_type: str) -> bytes:
    """The file in a body: the body itself, or a field of a form.

    Args:
        body: of the request.
        content_type: the header of this name.

    Raises:
        ServeError: 400; the form cannot be read, or does not hold exactly one file.
    """
    if len(content_type) > _MOST_HEADER_BYTES:
        raise ServeError(400, f"the header Content-Type has more than {_MOST_HEADER_BYTES} characters")
    header = email.message.Message()
    header["content-type"] = content_type
    if header.get_content_type() != "multipart/form-data":
        return body
    boundary = header.get_boundary()
    if not boundary or not boundary.isascii():
        raise ServeError(400, "the header Content-Type of the form has no boundary")
    fields = _fields(body, b"--" + boundary.encode())
    for name in (*_FIELDS, *(name for name, _ in fields)):
        found = [content for field, content in fields if field == name]
        if len(found) > 1:
            raise ServeError(400, f"the form has {len(found)} fields {name!r}: send one image in a request")
        if found:
            return found[0]
    raise ServeError(400, "the form has no field: send the image as the field 'data'")


def _fields(body: bytes, delimiter: bytes) -> list[tuple[str, bytes]]:
    """Names and contents of the fields of a form (RFC 7578)."""
    fields = []
    parts = (b"\r\n" + body).split(b"\r\n" + delimiter, _MOST_FIELDS + 1)
    if len(parts) < 3 or not parts[-1].startswith(b"--"):
        raise ServeError(
            400, "the form is cut off, its boundary is not the one in Content-Type, or it has more than "
            f"{_MOST_FIELDS} fields"
        )
    for part in parts[1:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if not blank:
            raise ServeError(400, "a field of the form has no header")
        if len(head) > _MOST_HEADER_BYTES:
            raise ServeError(400, f"a field of the form has a header of more than {_MOST_HEADER_BYTES} bytes")
        fields.append((_name(head), content))
    return fields


def _name(head: bytes) -> str:
    """The name of a field, given the lines of its header."""
    message = email.message.Message()
    for line in head.decode("utf-8", "replace").split("\r\n"):
        key, _, value = line.partition(":")
        if key.strip().lower() == "content-disposition":
            message["content-disposition"] = value.strip()
            break
    name = message.get_param("name", header="content-disposition")
    return name if isinstance(name, str) else ""
