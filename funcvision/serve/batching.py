"""Batches of requests: a bounded queue in front of the workers of one version of a model.

A request takes a place when its body is there. It hands in its rows when they are prepared, and waits for the results.
Whenever a worker is idle, the oldest rows form a batch. A batch that is not full waits for requests that have a place
and are still being decoded, at most for `max_delay`; so a lone request does not wait.

All methods run in the thread of the event loop. The model itself runs in the threads of the workers.
"""

import asyncio
import collections
import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from .errors import ServeError

__all__ = ["Batcher", "Observer", "Place", "Worker"]

Rows = Sequence[np.ndarray]
Run = Callable[[Rows], list[np.ndarray]]


class Observer(Protocol):
    """Is told what a batcher does, for metrics."""

    def batch(self, rows: int, seconds: float) -> None:
        """A batch of so many rows took so many seconds."""
        ...


class Worker:
    """Runs one batch at a time in a thread of its own.

    Args:
        run: computes the results of inputs [n, ...]: a list of arrays [n, ...].
        name: of the thread.
        platform: of the device.

    Attributes:
        platform: as given.
        started: when it was made, in seconds since 1970.
    """

    def __init__(self, run: Run, *, name: str = "worker", platform: str = "cpu"):
        self._run, self.platform = run, platform
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.started = time.time()

    def submit(self, parts: list[Rows]) -> "asyncio.Future[list[np.ndarray]]":
        """Starts one batch, whose rows are those of all parts."""
        return asyncio.get_running_loop().run_in_executor(self._thread, self._compute, parts)

    def _compute(self, parts: list[Rows]) -> list[np.ndarray]:
        return self._run([np.concatenate(one) for one in zip(*parts, strict=True)] if parts[1:] else parts[0])

    def close(self) -> None:
        """Ends the thread after the batch that it runs."""
        self._thread.shutdown(wait=False)


@dataclasses.dataclass
class Place:
    """The place of one request in the queue.

    Attributes:
        arrived: whether its rows were handed in.
    """

    arrived: bool = False


@dataclasses.dataclass(eq=False)
class _Item:
    """Rows that wait.

    Attributes:
        rows: of each input.
        limit: rows of a batch of this shape, at most.
        future: gets the results.
        since: when they were handed in.
    """

    rows: Rows
    limit: int
    future: "asyncio.Future[list[np.ndarray]]"
    since: float

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of a row of each input. The rows of a batch have the same."""
        return [one.shape[1:] for one in self.rows]

    def __len__(self) -> int:
        return len(self.rows[0])


class Batcher:
    """Forms batches for the workers of one version of a model.

    Args:
        max_delay: seconds that a batch which is not full waits for requests that are being decoded.
        max_queue: requests that have a place, at most, those that are computed included.
        observer: is told about each batch.

    Attributes:
        max_delay: as given.
        max_queue: as given.
        requests: how many requests have a place.
        workers: those that run batches.
    """

    def __init__(self, *, max_delay: float, max_queue: int, observer: Observer | None = None):
        self.max_delay, self.max_queue = max_delay, max_queue
        self.requests = 0
        self.workers: list[Worker] = []
        self._observer = observer
        self._arriving = 0
        self._waiting: collections.deque[_Item] = collections.deque()
        self._busy: set[Worker] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._seconds = 0.0  # that the last batch took
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the model was unregistered."""
        return self._closed

    @property
    def waiting(self) -> int:
        """How many requests wait for a worker."""
        return len(self._waiting)

    @contextlib.contextmanager
    def place(self) -> Iterator[Place]:
        """A place in the queue while the context lasts.

        Raises:
            ServeError: as `check`.
        """
        self.check()
        place = Place()
        self.requests += 1
        self._arriving += 1
        try:
            yield place
        finally:
            self.requests -= 1
            self._arrive(place)

    def check(self) -> None:
        """Refuses a request for which there is no place at present.

        Raises:
            ServeError: 503, because all places are taken or no worker is there; 404 if the model was unregistered.
        """
        if self._closed:
            raise ServeError(404, "the model was unregistered")
        if not self.workers:
            raise ServeError(503, "the model has no worker: scale it to one or more", retry_after=1)
        if self.requests >= self.max_queue:
            raise ServeError(
                503, f"the queue of the model is full ({self.max_queue} requests)", retry_after=self._seconds_of_queue()
            )

    async def submit(self, place: Place, rows: Rows, *, limit: int, deadline: float) -> list[np.ndarray]:
        """The results of rows.

        Args:
            place: of the request.
            rows: inputs [n, ...] with at most `limit` rows.
            limit: rows of a batch of this shape, at most.
            deadline: when the request gives up, on the clock of `time.monotonic`.

        Raises:
            ServeError: 504 at the deadline, 404 if the model is unregistered meanwhile.
        """
        if self._closed:
            raise ServeError(404, "the model was unregistered")
        loop = asyncio.get_running_loop()
        item = _Item(rows, limit, loop.create_future(), time.monotonic())
        self._waiting.append(item)
        self._arrive(place)
        self._advance()
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await item.future
        except TimeoutError:
            raise ServeError(504, "the answer was not there in time", retry_after=self._seconds_of_queue()) from None
        finally:
            if item in self._waiting:
                self._waiting.remove(item)

    def scale(self, workers: list[Worker]) -> None:
        """Replaces the workers. Those that are left out finish the batch that they run."""
        for worker in self.workers:
            if worker not in workers:
                worker.close()
        self.workers = list(workers)
        self._advance()

    def close(self) -> None:
        """Refuses all requests that wait, and ends the workers after the batches that they run."""
        self._closed = True
        while self._waiting:
            future = self._waiting.popleft().future
            if not future.done():
                future.set_exception(ServeError(404, "the model was unregistered"))
        self.scale([])

    def _arrive(self, place: Place) -> None:
        if not place.arrived:
            place.arrived = True
            self._arriving -= 1
            self._advance()

    def _advance(self) -> None:
        """Starts batches while there are rows and idle workers."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while idle := [worker for worker in self.workers if worker not in self._busy]:
            while self._waiting and self._waiting[0].future.done():  # its request was cancelled a moment ago
                self._waiting.popleft()
            if not self._waiting:
                return
            items = self._next_batch()
            delay = items[0].since + self.max_delay - time.monotonic()
            if delay > 0 and self._arriving and sum(map(len, items)) < items[0].limit:
                self._timer = asyncio.get_running_loop().call_later(delay, self._advance)
                return
            for item in items:
                self._waiting.remove(item)
            self._start(idle[0], items)

    def _next_batch(self) -> list[_Item]:
        """The oldest item, and those of the same shapes that fit into a batch with it."""
        first = self._waiting[0]
        shapes, rows, taken = first.shapes, 0, []
        for item in self._waiting:
            if not item.future.done() and item.shapes == shapes and rows + len(item) <= first.limit:
                taken.append(item)
                rows += len(item)
            if rows == first.limit:
                break
        return taken

    def _start(self, worker: Worker, items: list[_Item]) -> None:
        self._busy.add(worker)
        begin = time.monotonic()
        done = worker.submit([item.rows for item in items])

        def finish(done: "asyncio.Future[list[np.ndarray]]") -> None:
            self._busy.discard(worker)
            self._seconds = time.monotonic() - begin
            if self._observer is not None:
                self._observer.batch(sum(map(len, items)), self._seconds)
            _hand_out(done, items)
            self._advance()

        done.add_done_callback(finish)

    def _seconds_of_queue(self) -> int:
        """About how long the waiting requests take, in whole seconds, one at least."""
        limit = self._waiting[0].limit if self._waiting else 1
        batches = math.ceil(len(self._waiting) / limit) / max(1, len(self.workers))
        return max(1, math.ceil(batches * self._seconds))


def _hand_out(done: "asyncio.Future[list[np.ndarray]]", items: list[_Item]) -> None:
    """Gives each item its rows of the results, or the error of the batch."""
    error: Any = asyncio.CancelledError() if done.cancelled() else done.exception()
    results = [] if error is not None else done.result()
    first = 0
    for item in items:
        last = first + len(item)
        if not item.future.done():
            if error is not None:
                item.future.set_exception(error)
            else:
                item.future.set_result([result[first:last] for result in results])
        first = last
