"""`fit`: the loop around a training step, with progress, logs, checkpoints and exact resume."""

import collections
import contextlib
import math
import pathlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import jax
import numpy as np

from ._position import Position
from .checkpoints import Checkpoints
from .log import JSONLines, Log
from .progress import Progress, Silent, progress_on_stderr
from .state import TrainState
from .step import Step

__all__ = ["fit"]

AHEAD = 1
"""Steps that are dispatched before the figures of an earlier one are read, so that the device never waits."""

INTERVAL = 0.2
"""Seconds of steps whose figures are read together. After a wait, the caches of the processor hold the data of a step,
so that to dispatch one step then takes as long as to dispatch the next four."""

AT_ONCE = 32
"""The most steps whose figures are read together: jax lets no more of them wait for a device."""


def fit(
    state: TrainState, step: Step, loader: Any, *, epochs: int,
    evaluate: Callable[[TrainState], Mapping[str, float]] | None = None, out: str | pathlib.Path | None = None,
    resume: bool = True, save_every: int | None = None, checkpoints: Checkpoints | None = None,
    logs: Sequence[Log] | None = None, on_nan: Literal["raise", "skip"] = "raise", progress: bool = True,
) -> TrainState:
    """Trains for a number of epochs.

    A run that is killed at any moment and started again with the same arguments ends in the same bits as one that is
    not killed: a checkpoint holds the state, the random key and the position of the loader. At SIGTERM the loop saves
    after the current step and returns. A state that has made steps already continues in its epoch.

    Args:
        state: the state to start from. It is donated, so use the one that is returned.
        step: what `make_step` returns.
        loader: batches `(images, labels)`: a `DataLoader`, or anything with a length that gives the same batches
            whenever it is iterated.
        epochs: passes over the loader in the whole run.
        evaluate: is called with the state after each epoch; returns figures by name. They are logged under their names
            with `val_` before them. The best checkpoint is that of the highest "accuracy", unless `checkpoints` is
            given.
        out: a folder for `metrics.jsonl`, with a line for each step, and for `checkpoints/`. None writes nothing.
        resume: start from the newest checkpoint if there is one.
        save_every: also save after so many steps. By default a checkpoint is saved after each epoch only.
        checkpoints: where to save, in place of those in `out`. They stay open.
        logs: where to log, in place of the file in `out`. They stay open.
        on_nan: "raise" stops at a loss or a gradient that is not finite; "skip" goes on without the update.
        progress: show the progress on stderr: a bar in a terminal or a notebook, a line now and then elsewhere.

    Returns:
        The state at the end. If SIGTERM ended the run, `state.step` is below `epochs * len(loader)`.

    Raises:
        FloatingPointError: a loss or a gradient is not finite; the message names the step. The checkpoints are good.
        ValueError: an option is out of range, or a checkpoint is of another model, optimiser or loader.
        TypeError: the loader has no length.
    """
    if epochs < 0 or (save_every is not None and save_every < 1) or on_nan not in ("raise", "skip"):
        raise ValueError(f"epochs={epochs} must be 0 or more, save_every={save_every} None or 1 or more, and "
                         f"on_nan={on_nan!r} 'raise' or 'skip'")
    with contextlib.ExitStack() as stack:
        if checkpoints is None and out is not None:
            checkpoints = stack.enter_context(Checkpoints(pathlib.Path(out) / "checkpoints"))
        if logs is None:
            logs = [] if out is None else [stack.enter_context(contextlib.closing(JSONLines(_metrics_file(out))))]
        position = Position(loader)
        if resume and checkpoints is not None and checkpoints.latest is not None:
            state, saved = checkpoints.restore(state)
            position.load_state_dict(saved)
        else:
            position.seek(int(state.step))
        for log in logs:
            log.rewind(int(state.step))
        stop = stack.enter_context(_stop_requested())
        shown: Progress = Silent()
        if progress and jax.process_index() == 0:
            shown = progress_on_stderr(epochs * position.steps, int(state.step))
        stack.callback(shown.close)
        figures, processes = _Figures(int(state.step), logs, shown, on_nan), jax.process_count()

        def save(metrics: Mapping[str, float] | None = None) -> None:
            if checkpoints is not None:
                checkpoints.save(
                    state, position=position.state_dict(), metrics=None if metrics is None else dict(metrics)
                )

        while position.epoch < epochs:
            epoch = position.epoch
            figures.begin(epoch)
            for batch in figures.timed(position.batches()):
                state, metrics = step(state, batch)
                figures.add(metrics, processes * jax.tree.leaves(batch)[0].shape[0])
                due = save_every is not None and figures.step % save_every == 0
                stopping = stop(figures.step)
                if position.epoch == epoch and (due or stopping):  # the last step of an epoch is saved below
                    figures.read_all()
                    save()
                    if stopping:
                        return state
            figures.read_all()
            results = None if evaluate is None else evaluate(state)
            figures.finish(results or {})
            save(results)
            if stop(figures.step):
                break
    return state


class _Figures:
    """Reads the metrics of steps some time after they were dispatched, logs them and shows them.

    Args:
        step: how many steps were made.
        logs: where the figures are written.
        progress: shows the figures.
        on_nan: what to do about a loss or gradient that is not finite.
    """

    def __init__(self, step: int, logs: Sequence[Log], progress: Progress, on_nan: str):
        self.step, self._logs, self._progress, self._on_nan = step, logs, progress, on_nan
        self._pending: collections.deque[tuple[int, Any]] = collections.deque()
        self._together = 1  # steps whose figures are read together
        self._epoch = self._skipped = self._samples = 0
        self._waited = self._started = self._last_read = 0.0

    def begin(self, epoch: int) -> None:
        """An epoch begins."""
        self._epoch, self._samples, self._waited = epoch, 0, 0.0
        self._started = self._last_read = time.perf_counter()

    def timed(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The batches; measures the time of waits for them in which the device runs out of steps."""
        while True:
            before = time.perf_counter()
            batch = next(batches, _END)
            if batch is _END:
                return
            if not self._pending or _are_ready(self._pending[-1][1]):
                self._waited += time.perf_counter() - before
            yield batch

    def add(self, metrics: Mapping[str, jax.Array], samples: int) -> None:
        """A step was dispatched."""
        self.step += 1
        self._samples += samples
        self._pending.append((self.step, metrics))
        if len(self._pending) >= self._together + AHEAD:
            self._read(self._together)

    def read_all(self) -> None:
        """Reads the metrics of all steps so far. This waits for them."""
        if self._pending:
            self._read(len(self._pending))

    def finish(self, results: Mapping[str, float]) -> None:
        """An epoch ended; logs its evaluation, its speed, and the share of time in which the device waited for data."""
        seconds = max(self._last_read - self._started, 1e-9)
        values = {f"val_{name}": float(value) for name, value in results.items()}
        speed = {"images_per_second": self._samples / seconds, "data_wait": self._waited / seconds}
        self._log(self.step, values | speed | ({"skipped": self._skipped} if self._skipped else {}))
        if values:
            shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
            self._progress.say(f"epoch {self._epoch + 1}: {shown}")

    def _read(self, count: int) -> None:
        """Reads the metrics of the oldest steps: of so many, 1 or more."""
        values: dict[str, float] = {}
        for _ in range(count):
            step, metrics = self._pending.popleft()
            # An array of a CPU is not copied for np.asarray, which takes a sixth of the time of jax.device_get.
            values = {name: float(np.asarray(value)) for name, value in metrics.items()}
            self._check(step, values)
            self._log(step, values)
        now = time.perf_counter()
        each = max(now - self._last_read, 1e-9) / count
        self._last_read, self._together = now, min(AT_ONCE, max(1, int(INTERVAL / each)))
        speed = self._samples / max(now - self._started, 1e-9)
        shown = ", ".join(f"{name} {values[name]:.4g}" for name in ("loss", "accuracy") if name in values)
        self._progress.show(self.step - len(self._pending), self._epoch + 1, f"{shown}, {speed:.0f} images/s")

    def _check(self, step: int, values: Mapping[str, float]) -> None:
        """Raises or counts if a figure of a step is not finite."""
        for name in ("loss", "gradient_norm"):
            if not math.isfinite(values.get(name, 0.0)):
                if self._on_nan == "raise":
                    raise FloatingPointError(
                        f"the {name.replace('_', ' ')} of step {step} is {values[name]}: lower the learning rate, clip "
                        f"gradients, or pass on_nan='skip'. The state before this step is not damaged"
                    )
                self._skipped += 1
                return

    def _log(self, step: int, values: dict[str, float]) -> None:
        for log in self._logs:
            log.write(step, {"epoch": self._epoch, **values})


_END = object()


def _are_ready(metrics: Mapping[str, Any]) -> bool:
    """Whether the step that makes these figures has ended."""
    arrays: list[Any] = [value for value in metrics.values() if isinstance(value, jax.Array)]
    return all(array.is_ready() for array in arrays)


@contextlib.contextmanager
def _stop_requested() -> Iterator[Callable[[int], bool]]:
    """A function that tells after a step whether SIGTERM arrived: in any process, at the same step in all of them."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        yield multihost_utils.reached_preemption_sync_point
        return
    if threading.current_thread() is not threading.main_thread():
        yield lambda step: False  # only the main thread may handle signals
        return
    received = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.set())
    try:
        yield lambda step: received.is_set()
    finally:
        signal.signal(signal.SIGTERM, before)


def _metrics_file(out: str | pathlib.Path) -> pathlib.Path:
    return pathlib.Path(out) / "metrics.jsonl"
