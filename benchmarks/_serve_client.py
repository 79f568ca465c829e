"""A client of few instructions for load tests: many connections, each with one request at a time."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple


class Request(NamedTuple):
    """What is sent.

    Attributes:
        data: all bytes of the request.
        kind: a word for tables.
        abandoned: the client closes the connection in place of reading the answer.
    """

    data: bytes
    kind: str = ""
    abandoned: bool = False


class Reply(NamedTuple):
    """An answer.

    Attributes:
        kind: of the request.
        status: of HTTP; 0 if the connection ended without one.
        body: of the answer.
        begin: when the request was sent, on the clock of `time.perf_counter`.
        seconds: from the request to the whole answer.
    """

    kind: str
    status: int
    body: bytes
    begin: float
    seconds: float


class Connection:
    """A connection that is kept, and opened again where the server has closed it."""

    def __init__(self, port: int):
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: Request) -> Reply:
        begin, status, body = time.perf_counter(), 0, b""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(request.data)
            if request.abandoned:
                await asyncio.sleep(0.02)
                self.close()
            else:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                status = int(head.split()[1])
                body = await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
                if b"connection: close" in head:
                    self.close()
        except (OSError, asyncio.IncompleteReadError):
            self.close()
        return Reply(request.kind, status, body, begin, time.perf_counter() - begin)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def message(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of a request."""
    fields = {"host": "127.0.0.1", "content-length": str(len(body))} | headers
    lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def form(field: str, data: bytes) -> tuple[bytes, str]:
    """A form with one file: its body and its content type."""
    head = f'--X\r\nContent-Disposition: form-data; name="{field}"; filename="photo.jpg"\r\n\r\n'.encode()
    return head + data + b"\r\n--X--\r\n", "multipart/form-data; boundary=X"


def load(port: int, requests: Callable[[int], Iterable[Request]], *, clients: int, seconds: float) -> list[Reply]:
    """The replies to so many clients, each of which sends its next request when it has the answer to the last one.

    Args:
        port: of the server on this machine.
        requests: makes the requests of a client, given its number.
        clients: how many there are.
        seconds: after which no request is sent.
    """

    async def client(number: int, end: float, replies: list[Reply]) -> None:
        connection = Connection(port)
        for one in requests(number):
            if time.perf_counter() > end:
                break
            replies.append(await connection.send(one))
        connection.close()

    async def run() -> list[Reply]:
        replies: list[Reply] = []
        end = time.perf_counter() + seconds
        await asyncio.gather(*(client(number, end, replies) for number in range(clients)))
        return replies

    return asyncio.run(run())
