"""From a request to a prediction: what the routes of all protocols have in common."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from .bodies import file_in
from .errors import ClientGoneError, ServeError
from .model import ServedModel
from .predictions import Prediction
from .registry import Registry

__all__ = ["prediction_for", "read_body", "unless_gone"]

T = TypeVar("T")


async def prediction_for(request: Request, registry: Registry, model: ServedModel) -> Prediction:
    """What a model says about the image in the body of a request.

    Raises:
        ServeError: the body or the image is refused, the queue is full, the deadline passed, or the client went away.
    """
    deadline = model.deadline()
    with model.counted(), registry.bodies.account() as account:
        model.batcher.check()  # nothing is read of a request for which there is no place
        body = await read_body(account, request, deadline=deadline)
        data = file_in(body, request.headers.get("content-type", ""))
        return await unless_gone(request, model.predict(data, deadline=deadline, counted=True))


async def read_body(account: Any, request: Request, *, deadline: float) -> bytes:
    """The body of a request, which must be there before the deadline.

    Args:
        account: of `Bodies`.
        request: whose body was not read yet.
        deadline: on the clock of `time.monotonic`.

    Raises:
        ServeError: 408 at the deadline; others as those of the account.
    """
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await account.read(request)
    except TimeoutError:
        raise ServeError(408, "the body did not arrive in time") from None


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled if the client closes the connection.

    Args:
        request: whose body was read.
        work: what the client waits for.

    Raises:
        ClientGoneError: the client closed the connection.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGoneError
        return working.result()
    finally:
        working.cancel()
        watching.cancel()


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
