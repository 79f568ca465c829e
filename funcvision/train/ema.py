"""The exponential moving average of a model, by the rule of torchvision's classification reference."""

import dataclasses

import jax
import jax.numpy as jnp

__all__ = ["EMA", "Average"]

Arrays = dict[str, jax.Array]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Average:
    """The averaged arrays of a model.

    Attributes:
        params: the averages of the trained arrays.
        state: the averages of the other arrays.
        count: how many updates were averaged since the last copy, int32; 0 means that the next update copies.
    """

    params: Arrays
    state: Arrays
    count: jax.Array


@dataclasses.dataclass(frozen=True)
class EMA:
    """When and how the average follows the model: `decay * average + (1 - decay) * model`.

    As in torchvision, the buffers are averaged too, the first update copies the model, and during warm-up every update
    copies it. The first update after warm-up copies as well.

    Args:
        decay: the share of the old average, from 0 to 1. `EMA.scaled` derives it as torchvision does.
        every: an update is made after each `every`-th step, beginning with the first of an epoch.
        steps_per_epoch: the count of steps for `every` starts again after so many steps; None means never.
        warmup_steps: for so many steps the average stays a copy.

    Raises:
        ValueError: `decay` is not from 0 to 1, or a number of steps is out of range.
    """

    decay: float
    every: int = 1
    steps_per_epoch: int | None = None
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.decay <= 1:
            raise ValueError(f"decay={self.decay} must be from 0 to 1")
        if self.every < 1 or self.warmup_steps < 0 or (self.steps_per_epoch is not None and self.steps_per_epoch < 1):
            raise ValueError("every and steps_per_epoch must be 1 or more, warmup_steps 0 or more")

    @classmethod
    def scaled(
        cls, decay: float, *, batch_size: int, epochs: int, every: int = 32, steps_per_epoch: int | None = None,
        warmup_steps: int = 0,
    ) -> "EMA":
        """The average with torchvision's scaled decay.

        `1 - decay` is multiplied by `batch_size * every / epochs`, and is 1 at most. So the length of the average
        follows the length of the run.

        Args:
            decay: as torchvision's `--model-ema-decay`, such as 0.99998.
            batch_size: of the global batch, over all processes.
            epochs: of the whole run.
            every: as torchvision's `--model-ema-steps`.
            steps_per_epoch: as for `EMA`.
            warmup_steps: as for `EMA`.

        Raises:
            ValueError: `batch_size` or `epochs` is below 1.

        >>> round(EMA.scaled(0.99998, batch_size=1024, epochs=600).decay, 6)
        0.998908
        """
        if batch_size < 1 or epochs < 1:
            raise ValueError(f"batch_size={batch_size} and epochs={epochs} must be 1 or more")
        share = min(1.0, (1.0 - decay) * batch_size * every / epochs)
        return cls(1.0 - share, every, steps_per_epoch, warmup_steps)

    def init(self, params: Arrays, state: Arrays) -> Average:
        """The average before the first step: a copy."""
        params, state = jax.tree.map(jnp.copy, (params, state))
        return Average(params, state, jnp.zeros((), jnp.int32))

    def update(self, average: Average, params: Arrays, state: Arrays, step: jax.Array) -> Average:
        """The average after a step.

        Args:
            average: the average before.
            params: the model's trained arrays after the step.
            state: the model's other arrays after the step.
            step: the number of the step, which starts at 0.
        """
        position = step if self.steps_per_epoch is None else step % self.steps_per_epoch
        due, copies = position % self.every == 0, average.count == 0

        def mixed(old: jax.Array, new: jax.Array) -> jax.Array:
            # A count of batches is averaged too; as in torch the result is cut off to a whole number.
            dtype = old.dtype if jnp.issubdtype(old.dtype, jnp.floating) else jnp.float32
            value = (self.decay * old.astype(dtype) + (1 - self.decay) * new.astype(dtype)).astype(old.dtype)
            return jnp.where(due, jnp.where(copies, new, value), old)

        params, state = jax.tree.map(mixed, (average.params, average.state), (params, state))
        count = jnp.where(step < self.warmup_steps, 0, average.count + 1)
        return Average(params, state, jnp.where(due, count, average.count).astype(jnp.int32))
