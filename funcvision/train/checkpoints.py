"""Checkpoints of a run: written in the background, complete or absent, and readable on another number of devices."""

import contextlib
import errno
import logging
import math
import os
import pathlib
import re
from types import TracebackType
from typing import Any, Literal

import jax
import numpy as np

from .state import TrainState

__all__ = ["Checkpoints"]


class Checkpoints:
    """The checkpoints in a folder, one folder a step. It needs `pip install "funcvision[train]"`.

    A checkpoint holds the whole `TrainState`, with the average and the random key, and a position that says which batch
    comes next. It is written to a temporary folder and renamed when it is complete. So a run that is killed while it
    saves leaves the checkpoints before. All processes of a run must call the same methods in the same order.

    Args:
        folder: where the checkpoints are; it is made if it does not exist.
        last: how many of the newest checkpoints are kept, 1 or more.
        best: how many of the best ones are kept besides, by `metric`. Those saved without this metric do not count.
        metric: the name of a metric that is given to `save`.
        mode: whether the "max" or the "min" of the metric is best.
        read_only: leave the folder as it is, so that another process may save into it at the same time. Otherwise
            checkpoints that a killed run has not completed are removed.

    Raises:
        ImportError: orbax-checkpoint is not installed.
        FileNotFoundError: `read_only` is set and there is no such folder.
        ValueError: an option is out of range.
    """

    def __init__(
        self, folder: str | pathlib.Path, *, last: int = 3, best: int = 1, metric: str = "accuracy",
        mode: Literal["max", "min"] = "max", read_only: bool = False,
    ):
        if last < 1 or best < 0 or mode not in ("max", "min"):
            raise ValueError(f"last={last} must be 1 or more, best={best} 0 or more, and mode={mode!r} 'max' or 'min'")
        self.folder, self.metric, self.mode = pathlib.Path(folder).absolute(), metric, mode
        if read_only and not self.folder.is_dir():
            raise FileNotFoundError(f"there is no folder {self.folder}, so no checkpoint either")
        self.read_only = read_only
        training = _orbax().training
        policies = training.preservation_policies
        kept: list[Any] = [policies.LatestN(last)]
        if best:
            kept.append(_Best(best, metric, mode))
        self._checkpointer = training.Checkpointer(
            self.folder, preservation_policy=policies.AnyPreservationPolicy(kept),
            cleanup_tmp_directories=not read_only,
        )
        self._pending: Any = None
        self._failed = False
        logging.getLogger("absl").addFilter(_is_not_raised)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an error in a run of several processes orbax might wait for another one, which waits for this one.
        if error is None or jax.process_count() == 1:
            self.close()

    @property
    def steps(self) -> list[int]:
        """The steps of all complete checkpoints, in increasing order."""
        return [checkpoint.step for checkpoint in self._checkpointer.checkpoints]

    @property
    def latest(self) -> int | None:
        """The step of the newest complete checkpoint, or None."""
        return max(self.steps, default=None)

    @property
    def best(self) -> int | None:
        """The step of the best complete checkpoint by `metric`, or None; of equal ones the newest."""
        valued = [c for c in self._checkpointer.checkpoints if _has(c.metrics, self.metric)]
        sign = 1 if self.mode == "max" else -1
        return max(valued, key=lambda c: (_rank(sign * float(c.metrics[self.metric])), c.step)).step if valued else None

    def save(
        self, state: TrainState, *, position: Any = None, metrics: dict[str, float] | None = None
    ) -> None:
        """Starts to save; the state may be donated as soon as this returns. A step that is there already is skipped.

        Args:
            state: the state after the step whose number is the name of the checkpoint.
            position: anything that JSON can hold, such as `loader.state_dict()`.
            metrics: figures of an evaluation, by which the best checkpoints are chosen.

        Raises:
            OSError: this save could not start, or the previous one failed, as on a full disk. The message names the
                checkpoint that is missing, and the newest one that is complete.
            ValueError: the checkpoints are `read_only`.
        """
        if self.read_only:
            raise ValueError(f"the checkpoints in {self.folder} were opened with read_only=True")
        self.wait()
        step = int(state.step)
        if step in self.steps:
            return
        try:
            pending = self._checkpointer.save_checkpointables_async(
                step, _parts(state), custom_metadata={"position": position}, metrics=metrics, force=True
            )
        except OSError as error:
            raise self._not_written(step, error) from error
        self._pending = step, pending

    def restore(self, state: TrainState, *, step: int | None = None) -> tuple[TrainState, Any]:
        """A state and the position that was saved with it.

        Args:
            state: a state of the same model and optimiser, such as the one of `create`. Its arrays say where the
                restored ones shall live: on any number of devices.
            step: which checkpoint; the newest one by default.

        Raises:
            FileNotFoundError: there is no such checkpoint.
            ValueError: the arrays of the checkpoint are not those of `state`.
        """
        step, wanted, position = self._described(state, step)
        return _state(state, self._checkpointer.load_checkpointables(step, wanted)), position

    def position(self, state: TrainState, *, step: int | None = None) -> Any:
        """The position that `restore` would return, without its arrays: tells early whether a run can continue.

        The arguments and errors are those of `restore`.
        """
        return self._described(state, step)[2]

    def _described(self, state: TrainState, step: int | None) -> tuple[int, Any, Any]:
        """The number of a checkpoint that fits a state, the description of its arrays, and its position."""
        self.wait()
        step = self.latest if step is None else step
        if step is None or step not in self.steps:
            there = f": there are {', '.join(map(str, self.steps))}" if self.steps else ""
            raise FileNotFoundError(f"{self.folder} has no checkpoint{'' if step is None else f' {step}'}{there}")
        wanted = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), _parts(state)
        )
        saved = self._checkpointer.checkpointables_metadata(step)
        if faults := _differences(saved.metadata, wanted):
            more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
            raise ValueError(f"checkpoint {step} is of another model, optimiser or average: "
                             f"{', '.join(faults[:3])}{more}")
        return step, wanted, saved.custom_metadata["position"]

    def wait(self) -> None:
        """Returns when what `save` started is on the disk.

        Raises:
            OSError: it could not be written.
        """
        if self._pending is not None:
            (step, pending), self._pending = self._pending, None
            try:
                pending.result()
            except (OSError, ValueError) as error:  # tensorstore raises ValueError for a full disk
                self._failed = True
                raise self._not_written(step, error) from error

    def _not_written(self, step: int, error: Exception) -> OSError:
        """The error that says which checkpoint could not be written, and which one there is."""
        found = re.search(r"os_error_code='(\d+)'", str(error))
        code = int(found[1]) if found else getattr(error, "errno", None) or errno.EIO
        left = f"checkpoint {self.latest} is complete" if self.steps else "there is no checkpoint before it"
        return OSError(code, f"{os.strerror(code)}: checkpoint {step} could not be written, {left}", str(self.folder))

    def close(self) -> None:
        """Waits, and ends the threads that write."""
        try:
            self.wait()
        finally:
            raised = (OSError, ValueError) if self._failed else ()  # orbax raises the same error once more
            with contextlib.suppress(*raised):
                self._checkpointer.close()
            logging.getLogger("absl").removeFilter(_is_not_raised)


def _is_not_raised(record: logging.LogRecord) -> bool:
    """Whether a log record is of no error of orbax' threads: `Checkpoints.wait` raises those.

    orbax logs each such error about a dozen times, each time with a traceback.
    """
    return record.exc_info is None or f"{os.sep}orbax{os.sep}" not in record.pathname


class _Best:
    """A policy of orbax: keeps the best checkpoints among those with the metric.

    orbax' own `BestN` raises an error for metrics that lack the one to compare.
    """

    def __init__(self, count: int, metric: str, mode: str):
        self.count, self.metric, self.sign = count, metric, 1 if mode == "max" else -1

    def should_preserve(self, checkpoints: Any, *, context: Any) -> list[bool]:
        """For each checkpoint, whether it is kept."""
        valued = [
            (_rank(self.sign * float(checkpoint.metrics[self.metric])), number)
            for number, checkpoint in enumerate(checkpoints) if _has(checkpoint.metrics, self.metric)
        ]
        kept = {number for _, number in sorted(valued)[-self.count :]}
        return [number in kept for number in range(len(checkpoints))]


def _rank(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _has(metrics: Any, name: str) -> bool:
    return isinstance(metrics, dict) and name in metrics


def _parts(state: TrainState) -> dict[str, Any]:
    """The state as the parts that a checkpoint holds, so that the model can be read without the optimiser."""
    parts: dict[str, Any] = {
        "model": {"params": state.params, "state": state.state}, "run": {"step": state.step, "key": state.key},
    }
    if state.ema is not None:
        parts["ema"] = {"params": state.ema.params, "state": state.ema.state, "count": state.ema.count}
    leaves = jax.tree.leaves(state.opt_state)
    if leaves:  # a list of leaves does not depend on how the optimiser is composed in Python
        parts["optimizer"] = {f"{number:05}": leaf for number, leaf in enumerate(leaves)}
    return parts


def _state(like: TrainState, parts: dict[str, Any]) -> TrainState:
    """The inverse of `_parts`, with the structure of another state."""
    average = None
    if like.ema is not None:
        average = type(like.ema)(**parts["ema"])
    key = parts["run"]["key"]
    if key.is_fully_addressable:  # on a mesh of one device, orbax gives the key the sharding of an array with an axis
        key = jax.device_put(key, like.key.sharding)
    leaves = [parts["optimizer"][name] for name in sorted(parts.get("optimizer", ()))]
    opt_state = jax.tree.unflatten(jax.tree.structure(like.opt_state), leaves)
    return TrainState(
        parts["model"]["params"], parts["model"]["state"], opt_state, average, parts["run"]["step"], key
    )


def _differences(saved: Any, wanted: Any) -> list[str]:
    """Where the arrays of a checkpoint and those that are wanted differ, in words."""
    def described(parts: Any) -> dict[str, str]:
        leaves, _ = jax.tree.flatten_with_path({name: part for name, part in parts.items() if name != "run"})
        return {
            "/".join(str(key.key) for key in path): f"{np.dtype(leaf.dtype)}{list(leaf.shape)}" for path, leaf in leaves
        }

    there, here = described(saved), described(wanted)
    return [
        f"{name} is {there.get(name, 'missing')} there and {here.get(name, 'missing')} here"
        for name in sorted(there.keys() | here.keys()) if there.get(name) != here.get(name)
    ]


def _orbax() -> Any:
    try:
        from orbax.checkpoint import v1
    except ImportError as error:
        raise ImportError('checkpoints need orbax-checkpoint: pip install "funcvision[train]"') from error
    return v1
