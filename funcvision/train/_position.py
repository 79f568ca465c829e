"""Which batch of a run comes next: in an epoch of a `DataLoader` or of any other iterable."""

import itertools
from collections.abc import Iterator
from typing import Any

__all__ = ["Position"]


class Position:
    """The position in a run.

    Args:
        loader: a `DataLoader`; or something with a length that gives the same batches whenever it is iterated, of
            which those before the position are skipped.

    Attributes:
        epoch: the epoch of the next batch.
        batch: its number in the epoch.
        steps: batches in an epoch.

    Raises:
        TypeError: the loader has no length.
        ValueError: the loader is empty.
    """

    def __init__(self, loader: Any):
        self._loader, self.epoch, self.batch = loader, 0, 0
        try:
            self.steps = len(loader)
        except TypeError as error:
            raise TypeError(f"fit needs the length of the loader, and {type(loader).__name__} has none") from error
        if not self.steps:
            raise ValueError("the loader has no batch: the data set is empty, or smaller than a batch with drop_last")
        self._resumes = hasattr(loader, "state_dict") and hasattr(loader, "load_state_dict")

    def seek(self, step: int) -> None:
        """Goes to the batch of a step, counted from the beginning of the run."""
        self.epoch, self.batch = divmod(step, self.steps)
        if self._resumes:
            self._loader.epoch = self.epoch
            if self.batch:
                self._loader.load_state_dict(self._loader.state_dict() | {"batch": self.batch})

    def state_dict(self) -> dict[str, Any]:
        """The position, for `load_state_dict`, as a dict that JSON can hold."""
        loader = self._loader.state_dict() if self._resumes else None
        return {"epoch": self.epoch, "batch": self.batch, "steps": self.steps, "loader": loader}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to a position that was saved.

        The number of processes may be another one than then, if the global batches are of the same size.

        Raises:
            ValueError: it is the position of a loader with other batches.
        """
        if state["steps"] != self.steps:
            raise ValueError(
                f"the checkpoint was saved with {state['steps']} steps in an epoch, and this loader has {self.steps}: "
                f"the batch size or the data set is another"
            )
        if self._resumes and state["loader"] is not None:
            here, saved = self._loader.state_dict(), dict(state["loader"])
            if _global_size(here) == _global_size(saved):
                saved |= {name: here[name] for name in ("batch_size", "shard") if name in here}
            self._loader.load_state_dict(saved)
        self.epoch, self.batch = state["epoch"], state["batch"]

    def batches(self) -> Iterator[Any]:
        """The batches from here to the end of the epoch. The position moves on with each."""
        first = 0 if self._resumes else self.batch
        for batch in itertools.islice(iter(self._loader), first, None):
            self.batch += 1
            if self.batch == self.steps:
                self.epoch, self.batch = self.epoch + 1, 0
            yield batch


def _global_size(state: dict[str, Any]) -> Any:
    """Samples in a batch of all processes together."""
    return state["batch_size"] * state["shard"][1] if "shard" in state else None
