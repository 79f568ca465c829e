"""A function that loads one batch, and the threads and processes that run it ahead of use.

What a `Pool` runs is a callable with a method `start(worker, count)`, which is called once in each worker and returns
the callable for that worker. It raises `LoadError` from the error of a dataset.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import pickle
import queue
import reprlib
import signal
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection
from typing import Any

import jax
import numpy as np

from .collate import default_collate
from .dataset import Dataset

__all__ = [
    "Fetch", "LoadError", "Pool", "WorkerInfo", "enter_sample", "enter_worker", "get_worker_info", "sample_random",
]  # fmt: skip

GRACE = 2.0
"""Seconds that a worker has to end by itself once its batches are not needed any more."""

_current = threading.local()


class LoadError(RuntimeError):
    """A batch could not be loaded. The cause is the error of the dataset, the transform or the collate function."""


@dataclasses.dataclass
class WorkerInfo:
    """Which worker of a loader runs the code that asks.

    Attributes:
        id: the number of the worker, from 0.
        num_workers: the number of workers.
        seed: a number that differs between workers.
        dataset: the dataset that this worker reads.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


def get_worker_info() -> WorkerInfo | None:
    """The worker that calls this function; None outside of workers.

    A dataset that is a stream asks for it, so that each of several workers reads a part of its own.
    """
    return getattr(_current, "info", None)


def enter_worker(info: WorkerInfo | None) -> None:
    """Says which worker the current thread is from now on."""
    _current.info = info



def enter_sample(random: Callable[[], np.random.Generator] | None) -> None:
    """Says what gives the random numbers for the sample that the current thread reads from now on; None for nothing."""
    _current.random = random


def sample_random() -> np.random.Generator | None:
    """The random numbers for the sample that is being read, where a loader has said what gives them; else None."""
    random = getattr(_current, "random", None)
    return None if random is None else random()


@dataclasses.dataclass(frozen=True)
class Fetch:
    """Loads one batch, with the same result in the caller, in a thread, and (pickled) in a process.

    Attributes:
        dataset: the dataset.
        transform: called on every sample with `key=`, or None.
        collate_fn: makes the batch from a list of samples.
        seed: what the keys are derived from.
        worker_init: called with a `WorkerInfo` at the start of every worker, or None.
    """

    dataset: Dataset
    transform: Callable[..., Any] | None
    collate_fn: Callable[[list[Any]], Any]
    seed: int
    worker_init: Callable[[WorkerInfo], Any] | None = None

    def start(self, worker: int, count: int) -> "Fetch":
        """Prepares a worker."""
        info = WorkerInfo(worker, count, self.seed + worker, self.dataset)
        enter_worker(info)
        try:
            if self.worker_init is not None:
                self.worker_init(info)
        except Exception as error:
            raise LoadError(f"worker_init failed in worker {worker}: {_describe(error)}") from error
        return self

    def __call__(
        self, epoch: int, indices: np.ndarray, draws: np.ndarray, stopped: Callable[[], bool] = lambda: False
    ) -> Any:
        """Loads a batch.

        Args:
            epoch: the number of the epoch.
            indices: the numbers of the samples.
            draws: for each sample, how often it was drawn before in this epoch.
            stopped: whether the batch is not needed any more; it is asked before every sample.

        Returns:
            The batch, or None if `stopped` said so.

        Raises:
            LoadError: the dataset, the transform or the collate function raised; that error is the cause.
        """
        read = getattr(self.dataset, "load_sample", None)
        whole = (
            self.transform is None and self.collate_fn is default_collate
            and read is None and hasattr(self.dataset, "load_batch")
        )  # fmt: skip
        batch = what = f"the batch of samples {reprlib.repr(indices.tolist())}"
        try:
            if whole:
                return self.dataset.load_batch(indices)  # type: ignore[attr-defined]
            samples = []
            for index, draw in zip(indices.tolist(), draws.tolist(), strict=True):
                if stopped():
                    return None
                what = f"sample {index}"
                samples.append(self._sample(read, epoch, index, draw))
            what = batch
            return self.collate_fn(samples)
        except Exception as error:
            name = type(self.dataset).__name__
            raise LoadError(f"{what} of {name} could not be loaded: {_describe(error)}") from error

    def _sample(self, read: Callable[..., Any] | None, epoch: int, index: int, draw: int) -> Any:
        """One sample, transformed. `read` is the dataset's `load_sample`, if it has one."""
        sample = self.dataset[index] if read is None else read(index, key=self._key(epoch, index, draw, 0))
        return sample if self.transform is None else self.transform(sample, key=self._key(epoch, index, draw))

    def _key(self, *where: int) -> np.random.Generator:
        """A generator for one use of one sample; uses with another `where` are independent of it."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=where))


class Pool:
    """Threads that load batches, each in the order of `submit`.

    The threads are daemons, and `close` waits for a bounded time, so a dataset that hangs does not keep Python from
    ending.

    Args:
        fetch: loads one batch; see the top of this file.
        count: how many threads.
        processes: whether each thread hands its work to a process of its own.
        choose: whether `submit` chooses the worker. By default a task goes to the worker that is free first.
    """

    def __init__(self, fetch: Any, count: int, *, processes: bool, choose: bool = False):
        payload = _pickled(fetch) if processes else b""
        workers = [_Process(payload, worker, count) for worker in range(count)] if processes else []
        stop = threading.Event()
        tasks = [queue.SimpleQueue() for _ in range(count)] if choose else [queue.SimpleQueue()] * count
        threads = [
            threading.Thread(target=_work, args=(load, i, count, tasks[i], stop), name=f"DataLoader-{i}", daemon=True)
            for i, load in enumerate(workers or [fetch] * count)
        ]
        self._tasks = tasks
        # Runs once: when called, when the pool is collected as garbage, or when Python ends. The threads hold no
        # reference to the pool, so the workers of an iterator that is dropped end with it.
        self.close = weakref.finalize(self, _close, tasks, stop, threads, workers)
        for thread in threads:
            thread.start()

    def submit(self, *task: Any, worker: int = 0) -> Future:
        """A future of the batch `fetch(*task)`. `worker` has a meaning only if tasks are for chosen workers."""
        future: Future = Future()
        self._tasks[worker].put((future, task))
        return future


def _work(load: Any, worker: int, count: int, tasks: queue.SimpleQueue, stop: threading.Event) -> None:
    """What a thread runs. An exception is stored in the future, so that it is raised where the batch is asked for."""
    started = None
    while (item := tasks.get()) is not None and not stop.is_set():
        future, task = item
        try:
            started = load.start(worker, count) if started is None else started
            future.set_result(started(*task, stopped=stop.is_set))
        except BaseException as error:
            future.set_exception(error)
        del future, item  # an idle thread keeps no batch alive


def _close(
    tasks: list[queue.SimpleQueue], stop: threading.Event, threads: list[threading.Thread], workers: "list[_Process]"
) -> None:
    """Ends the threads and processes. A thread that is still busy with one sample after GRACE seconds is left alone."""
    stop.set()
    for one in tasks:
        one.put(None)
    deadline = time.monotonic() + GRACE
    for worker in workers:
        worker.process.terminate()  # also wakes the thread that waits for it
    for worker in workers:
        worker.process.join(max(0, deadline - time.monotonic()))
        worker.process.kill()
    for thread in threads:
        if thread is not threading.current_thread():  # garbage may be collected in any thread
            thread.join(max(0, deadline - time.monotonic()))


class _Process:
    """A process that holds the dataset and loads batches on request. It ends when the connection to its owner closes.

    Each process has a pipe of its own. The processes of a ProcessPoolExecutor share one pipe: if one of them is killed
    while it writes a batch, the reader waits for the rest for ever.
    """

    def __init__(self, payload: bytes, worker: int, count: int):
        context = multiprocessing.get_context("spawn")  # to fork after jax has started can hang
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, worker, count), name="DataLoader", daemon=True)
        self.process.start()
        theirs.close()  # this side's copy; now the pipe ends when the process dies
        self.payload: bytes | None = payload

    def start(self, worker: int, count: int) -> "_Process":
        """Itself; the process has started already."""
        return self

    def __call__(self, *task: Any, stopped: Callable[[], bool]) -> Any:
        try:
            if self.payload is not None:
                self.connection.send_bytes(self.payload)
            self.connection.send(task)
            batch, message, cause = self.connection.recv()
        except (EOFError, OSError) as broken:
            raise LoadError(self._how_it_ended()) from broken
        self.payload = None
        if message is not None:
            raise LoadError(message) from cause
        return batch

    def _how_it_ended(self) -> str:
        """The message of an error about the death of the process."""
        self.process.join(GRACE)
        code = self.process.exitcode
        how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"
        if how.endswith("SIGKILL"):
            how += " (often the sign that the machine ran out of memory)"
        if self.payload is not None:
            how += (
                " before its first batch; what it printed says why. A script that uses worker processes must do its "
                'work under `if __name__ == "__main__":`, because they import it'
            )
        return f"a worker process of the DataLoader {how}"


def _serve(connection: Connection, worker: int, count: int) -> None:
    """What a worker process runs. It receives the pickled Fetch, then tasks; it sends batches, or errors."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of the group; the owner ends this one
    os.environ["JAX_PLATFORMS"] = "cpu"
    jax.config.update("jax_platforms", "cpu")  # only the owner uses the accelerator
    with contextlib.suppress(EOFError, OSError):  # raised when the owner is gone
        payload, fetch = connection.recv_bytes(), None
        while True:
            task = connection.recv()
            try:
                if fetch is None:
                    fetch = _unpickled(payload).start(worker, count)
                    payload = b""  # frees the pickled copy of the dataset
                connection.send((fetch(*task), None, None))
            except Exception as error:
                connection.send((None, *_report(error)))


def _pickled(fetch: Any) -> bytes:
    """The pickle of a Fetch; TypeError if something in it cannot be pickled."""
    try:
        return pickle.dumps(fetch)
    except Exception as error:
        raise TypeError(
            f"{type(fetch.dataset).__name__} cannot be sent to worker processes, because it, the transform or the "
            f"collate_fn cannot be pickled ({_describe(error)}); load in threads, or define them at the top of a "
            f"module and open files in __getitem__"
        ) from error


def _unpickled(payload: bytes) -> Any:
    """The Fetch in a pickle; RuntimeError if something in it cannot be rebuilt."""
    try:
        return pickle.loads(payload)
    except Exception as error:
        raise RuntimeError(
            f"the dataset, the transform or the collate_fn could not be rebuilt in a worker process: "
            f"{_describe(error)}; define them in a module that can be imported, or load in threads"
        ) from error


def _report(error: Exception) -> tuple[str, BaseException]:
    """The message and the cause of an error, both of which can be pickled. A note of the cause holds the traceback."""
    message = str(error) if error.__cause__ else f"a batch could not be sent by a worker process: {_describe(error)}"
    cause = error.__cause__ or error
    note = "In the worker process:\n" + "".join(traceback.format_exception(cause))
    try:
        cause = pickle.loads(pickle.dumps(cause))
    except Exception:  # some exceptions cannot be rebuilt from a pickle; their type and text are kept
        cause = RuntimeError(_describe(cause))
    cause.add_note(note)
    return message, cause


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
