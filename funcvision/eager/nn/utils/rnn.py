"""Sequences of different lengths: padded, and packed for recurrent layers."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..._base import as_array
from ..._lift import lift
from ...creation import cat
from ...tensor import Tensor

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence",
    "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class _Fields(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_Fields):
    """Sequences of different lengths without padding, all first elements first, then all second ones, and so on.

    Make one by `pack_padded_sequence` or `pack_sequence`.

    Attributes:
        data: the elements [sum of lengths, *features].
        batch_sizes: for each time step, how many sequences are that long.
        sorted_indices: the places, in the batch, of the sequences in order of decreasing length; or None.
        unsorted_indices: the inverse permutation; or None.
    """

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> "PackedSequence":
        if batch_sizes is None:
            data, batch_sizes = data
        if unsorted_indices is None and sorted_indices is not None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """The same with `data` moved or cast."""
        return type(self)(self.data.to(*args, **kwargs), *self[1:])

    def _with(self, method: str) -> "PackedSequence":
        return type(self)(getattr(self.data, method)(), *self[1:])

    def cpu(self) -> "PackedSequence":
        """The same on the CPU."""
        return self._with("cpu")

    def cuda(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """The same on a GPU."""
        return self.to("cuda")

    def double(self) -> "PackedSequence":
        """The same in float64."""
        return self._with("double")

    def float(self) -> "PackedSequence":
        """The same in float32."""
        return self._with("float")

    def half(self) -> "PackedSequence":
        """The same in float16."""
        return self._with("half")

    def long(self) -> "PackedSequence":
        """The same in int64."""
        return self._with("long")

    def int(self) -> "PackedSequence":
        """The same in int32."""
        return self._with("int")

    def pin_memory(self) -> "PackedSequence":
        """The same: arrays of jax are not pinned."""
        return self


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The inverse of a permutation."""
    if permutation is None:
        return None
    return Tensor.of(jnp.argsort(as_array(permutation)))


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs padded sequences.

    Args:
        input: the sequences [length, batch, *features].
        lengths: the length of each sequence, at least 1.
        batch_first: the sequences are [batch, length, *features].
        enforce_sorted: whether the lengths must not increase. Otherwise the sequences are sorted.

    Raises:
        RuntimeError: a length is less than 1, the lengths increase though `enforce_sorted` is set, or their number is
            not that of the sequences.
    """
    sizes = _on_host(lengths)
    batch, longest = input.shape[:2] if batch_first else input.shape[1::-1]
    if sizes.shape != (batch,):
        raise RuntimeError(f"Expected `len(lengths)` to be equal to batch_size: got {sizes.shape} lengths for {batch}")
    if batch == 0 or sizes.min() < 1:
        raise RuntimeError(
            f"Length of all samples has to be greater than 0: got lengths {sizes.tolist()}. Leave empty sequences out"
        )
    if sizes.max() > longest:
        raise RuntimeError(f"the longest sequence has {sizes.max()} elements, but the input has only {longest}")
    order = None
    if not enforce_sorted:
        order = np.argsort(-sizes, kind="stable")
        sizes = sizes[order]
    elif (np.diff(sizes) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            f"`enforce_sorted=False` to have the sequences sorted. The lengths are {sizes.tolist()}"
        )
    times, places = _packed_places(sizes)
    rows = places if order is None else order[places]
    data = input[rows, times] if batch_first else input[times, rows]
    counts = _batch_sizes(sizes)
    if order is None:
        return PackedSequence(data, Tensor.of(counts))
    return PackedSequence(data, Tensor.of(counts), Tensor.of(order), Tensor.of(np.argsort(order)))


def packed_like(sequence: PackedSequence, padded: Tensor, batch_first: bool) -> PackedSequence:
    """Other padded sequences of the same lengths, packed in the same order."""
    times, places = _packed_places(_lengths(_on_host(sequence.batch_sizes)))
    rows = places if sequence.sorted_indices is None else _on_host(sequence.sorted_indices)[places]
    return PackedSequence(padded[rows, times] if batch_first else padded[times, rows], *sequence[1:])


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """(padded sequences, their lengths) from packed ones.

    Args:
        sequence: the packed sequences.
        batch_first: make [batch, length, *features] in place of [length, batch, *features].
        padding_value: what stands behind the ends of the sequences.
        total_length: the length of the result, if it shall be longer than the longest sequence.

    Raises:
        ValueError: `total_length` is less than the length of the longest sequence.
    """
    counts = _on_host(sequence.batch_sizes)
    longest = len(counts) if total_length is None else total_length
    if longest < len(counts):
        raise ValueError(
            f"Expected total_length to be at least the length of the longest sequence in input, but got {total_length} "
            f"and {len(counts)}"
        )
    sizes = _lengths(counts)
    begins = np.concatenate([[0], np.cumsum(counts)[:-1], np.zeros(longest - len(counts), counts.dtype)])
    order = np.arange(len(sizes)) if sequence.unsorted_indices is None else _on_host(sequence.unsorted_indices)
    is_inside = np.arange(longest)[:, None] < sizes[order]
    places = np.where(is_inside, begins[:, None] + order, 0)
    if batch_first:
        is_inside, places = is_inside.T, places.T
    return _filled(sequence.data, places, is_inside, float(padding_value)), Tensor.of(sizes[order])


def pad_sequence(
    sequences: Tensor | Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0,
    padding_side: Literal["right", "left"] = "right",
) -> Tensor:
    """Puts sequences [length, *features] of different lengths into one Tensor [longest, batch, *features].

    Args:
        sequences: the sequences.
        batch_first: make [batch, longest, *features].
        padding_value: what stands behind the ends of the sequences.
        padding_side: where the padding is.
    """
    if padding_side not in ("right", "left"):
        raise RuntimeError(f'padding_side must be "right" or "left"; got {padding_side!r}')
    parts = list(sequences)
    sizes = np.array([part.shape[0] for part in parts])
    longest = int(sizes.max())
    steps = np.arange(longest)
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    shift = (longest - sizes) if padding_side == "left" else np.zeros_like(sizes)
    within = steps - shift[:, None]
    is_inside = (within >= 0) & (within < sizes[:, None])
    places = np.where(is_inside, begins[:, None] + within, 0)
    if not batch_first:
        places, is_inside = places.T, is_inside.T
    return _filled(cat(parts), places, is_inside, padding_value)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False
) -> list[Tensor]:
    """The sequences without their padding, as a list."""
    sequences = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [sequences[number, :length] for number, length in enumerate(_on_host(lengths).tolist())]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs sequences [length, *features] of different lengths."""
    lengths = [sequence.shape[0] for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences in a packed one, as a list."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)


def _on_host(numbers: Tensor | Iterable[int]) -> np.ndarray:
    return np.asarray(as_array(numbers) if isinstance(numbers, Tensor) else list(numbers)).astype(np.int64)


def _batch_sizes(lengths: np.ndarray) -> np.ndarray:
    """For each time step, how many sequences are that long."""
    return (np.arange(lengths.max())[:, None] < lengths).sum(1)


def _lengths(batch_sizes: np.ndarray) -> np.ndarray:
    """The inverse of `_batch_sizes`, for lengths that do not increase."""
    return (np.arange(batch_sizes[0])[:, None] < batch_sizes).sum(1)


def _packed_places(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(time step, sequence) of each element of packed sequences, for lengths that do not increase."""
    times, places = np.nonzero(np.arange(lengths.max())[:, None] < lengths)
    return times, places


@lift
def _filled(data: Any, places: Any, is_inside: Any, padding: float) -> Any:
    """The elements of `data` at these places, and the padding outside."""
    taken = data[places]
    mask = is_inside.reshape(*is_inside.shape, *(1,) * (taken.ndim - is_inside.ndim))
    return jnp.where(mask, taken, jnp.asarray(padding).astype(data.dtype))
