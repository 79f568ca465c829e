"""One version of a model that is served: preparation, batches, and what its results mean."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import jax
import numpy as np

from ..export import LoadedFunction
from .batching import Batcher, Place, Worker
from .errors import ServeError
from .executables import Executables, Output, Signature, input_dtypes, outputs_of, signatures_of
from .metrics import Metrics
from .pictures import Pictures, small_image, task_of
from .predictions import Prediction
from .settings import Settings
from .tensors import Inference

__all__ = ["ServedModel"]

T = TypeVar("T")


class ServedModel:
    """One version of a model.

    Args:
        function: as `funcvision.export.load` returns it. Each of its inputs and results is an array with the batch as
            first axis.
        name: under which it is served.
        version: under which it is served.
        file: the name of its file, without a folder.
        settings: the limits.
        metrics: of the server.

    Attributes:
        name: as given.
        version: as given.
        file: as given.
        function: as given.
        settings: as given.
        task: "classification", "detection", "segmentation", or "tensors" if it does not take images.
        categories: the names of the classes, each of which occurs once; empty if they are not known.
        signatures: the shapes for which it is compiled.
        dtypes: of the inputs.
        outputs: the results by name.
        batcher: its queue.

    Raises:
        ValueError: the function cannot be served.
    """

    def __init__(
        self, function: LoadedFunction, *, name: str, version: str, file: str, settings: Settings, metrics: Metrics
    ):
        self.function, self.name, self.version, self.file, self.settings = function, name, version, file, settings
        self.task = task_of(function)
        self._pictures = None if self.task == "tensors" else Pictures(function, max_pixels=settings.max_pixels)
        open_size = None if self._pictures is None else self._pictures.open_size
        self.signatures = signatures_of(function, settings.max_batch, open_size=open_size)
        self.dtypes = input_dtypes(function)
        self.outputs = outputs_of(function, self.signatures)
        self.categories = _categories(function, self.task, self.outputs)
        self._limits = {signature: signature.sizes[-1] for signature in self.signatures}
        self._metrics = metrics.of(name, version)
        # Threads of its own, so that large images for one model do not delay those for another.
        self._decoding = ThreadPoolExecutor(settings.decoders, thread_name_prefix=f"{name}-images")
        self.batcher = Batcher(
            max_delay=settings.max_delay, max_queue=settings.max_queue, observer=self._metrics
        )

    @property
    def ready(self) -> bool:
        """Whether a worker is there, so that requests are answered."""
        return bool(self.batcher.workers)

    @property
    def max_batch(self) -> int:
        """How many rows are computed together, at most."""
        return max(signature.sizes[-1] for signature in self.signatures)

    def category(self, number: int) -> str:
        """The name of a class."""
        return self.categories[number] if number < len(self.categories) else f"class {number}"

    def make_workers(self, count: int) -> list[Worker]:
        """The present workers and new ones, or some of the present ones, `count` in all.

        New workers are compiled here, which takes a while; call this outside the thread of the event loop, and give the
        result to `batcher.scale` in it. They take turns among the devices.
        """
        devices = jax.local_devices()
        workers = self.batcher.workers[:count]
        while len(workers) < count:
            device = devices[len(workers) % len(devices)]
            run = Executables(self.function, device, self.signatures)
            self._rehearse(run)
            self._limits = {signature: run.limit(signature) for signature in self.signatures}
            workers.append(Worker(run, name=f"{self.name}-{len(workers)}", platform=device.platform))
        return workers

    def _rehearse(self, run: Executables) -> None:
        """Answers for an image, so that the first request finds all modules imported.

        Raises:
            ValueError: the preparation that the file describes does not work.
        """
        if self._pictures is None:
            return
        try:
            prepared, size = self._pictures.prepare(small_image())
            self._pictures.finish(self._first_row(run([one[None] for one in prepared.inputs])), prepared, size)
        except (LookupError, TypeError, ValueError, ServeError) as error:
            raise ValueError(
                f"{self.function.name} cannot be served, its file describes a preparation of images that fails: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _first_row(self, results: list[np.ndarray]) -> dict[str, np.ndarray]:
        return {name: result[0] for name, result in zip(self.outputs, results, strict=True)}

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Counts a request in the metrics, with the time that the context lasts and the status of the answer."""
        begin, status = time.monotonic(), 500
        try:
            yield
            status = 200
        except ServeError as error:
            status = error.status
            raise
        except asyncio.CancelledError:
            status = 499
            raise
        finally:
            self._metrics.request(status, time.monotonic() - begin)

    def deadline(self) -> float:
        """When a request that begins now gives up, on the clock of `time.monotonic`."""
        return time.monotonic() + self.settings.timeout

    async def predict(self, data: bytes, *, deadline: float | None = None, counted: bool = False) -> Prediction:
        """What the model says about an image.

        Args:
            data: the bytes of an image file.
            deadline: when the request gives up, on the clock of `time.monotonic`; by default after the timeout of the
                settings.
            counted: whether the caller counts the request in the metrics.

        Raises:
            ServeError: the image is refused, the queue is full, or the deadline passed.
        """
        if not counted:
            with self.counted():
                return await self.predict(data, deadline=deadline, counted=True)
        pictures = self._pictures
        if pictures is None:
            raise ServeError(400, f"the model takes tensors, not images: use /v2/models/{self.name}/infer")
        deadline = self.deadline() if deadline is None else deadline
        with self._place() as place:
            prepared, size = await self.in_thread(lambda: pictures.prepare(data), deadline=deadline)
            rows = [one[None] for one in prepared.inputs]
            signature = self.signature_of(rows)
            results = await self.batcher.submit(place, rows, limit=self._limits[signature], deadline=deadline)
            named = self._first_row(results)
            if self.task == "classification":  # which takes less time than to wake a thread
                return pictures.finish(named, prepared, size)
            return await self.in_thread(lambda: pictures.finish(named, prepared, size), deadline=deadline)

    async def infer(
        self, read: Callable[[], Inference], *, deadline: float
    ) -> tuple[Inference, dict[str, np.ndarray]]:
        """A request for inference, and the model's own results for its inputs, by name. The caller counts the request.

        Args:
            read: reads the request, in a thread. Its inputs have any number of rows.
            deadline: as in `predict`.

        Raises:
            ServeError: 400 for inputs of other shapes; the queue is full, or the deadline passed.
        """
        with self._place() as place:
            asked = await self.in_thread(read, deadline=deadline)
            results = await self._in_parts(place, asked.inputs, deadline=deadline)
        return asked, dict(zip(self.outputs, results, strict=True))

    async def _in_parts(self, place: Place, inputs: list[np.ndarray], *, deadline: float) -> list[np.ndarray]:
        """The results for any number of rows, a batch at a time.

        Two batches for each worker wait or are computed at the same time, so that no worker has to wait, and other
        requests come between them.
        """
        limit = self._limits[self.signature_of(inputs)]
        starts = iter(range(0, len(inputs[0]), limit))
        found: dict[int, list[np.ndarray]] = {}

        async def compute() -> None:
            for start in starts:
                rows = [one[start : start + limit] for one in inputs]
                found[start] = await self.batcher.submit(place, rows, limit=limit, deadline=deadline)

        tasks = [asyncio.ensure_future(compute()) for _ in range(2 * max(1, len(self.batcher.workers)))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return [np.concatenate(parts) for parts in zip(*(found[start] for start in sorted(found)), strict=True)]

    def signature_of(self, rows: list[np.ndarray]) -> Signature:
        """The signature that inputs [n, ...] have.

        Raises:
            ServeError: 400; they have none.
        """
        shapes = tuple(one.shape[1:] for one in rows)
        for signature in self.signatures:
            if signature.shapes == shapes:
                return signature
        choices = " or ".join(", ".join(map(str, signature.shapes)) for signature in self.signatures)
        raise ServeError(400, f"the model takes rows of shape {choices}; got {', '.join(map(str, shapes))}")

    @contextlib.contextmanager
    def _place(self) -> Iterator[Place]:
        """A place in the queue, whose length metrics show."""
        try:
            with self.batcher.place() as place:
                self._metrics.queue(self.batcher.requests)
                yield place
        finally:
            self._metrics.queue(self.batcher.requests)

    async def in_thread(self, function: Callable[[], T], *, deadline: float) -> T:
        """The result of a function that runs in one of the threads that prepare images.

        Raises:
            ServeError: 504; the deadline passed.
        """
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await asyncio.get_running_loop().run_in_executor(self._decoding, function)
        except TimeoutError:
            raise ServeError(504, "the answer was not there in time", retry_after=1) from None


def _categories(function: LoadedFunction, task: str, outputs: dict[str, Output]) -> tuple[str, ...]:
    """The names of the classes. One that occurs more than once gets its number.

    Raises:
        ValueError: the file does not name as many classes as the classifier has results.
    """
    names = function.categories or ()
    if task == "classification":
        (output,) = outputs.values()
        names = names or tuple(f"class {index}" for index in range(output.shape[-1]))
        if len(names) != output.shape[-1]:
            raise ValueError(f"{function.name} has {output.shape[-1]} results, and its file names {len(names)} classes")
    return tuple(name if names.count(name) == 1 else f"{name} ({index})" for index, name in enumerate(names))
