"""Recurrent layers called with sequences of different lengths."""

from collections.abc import Callable
from typing import Any

from .utils.rnn import PackedSequence, packed_like, pad_packed_sequence

__all__ = ["called_packed"]

_STEP = 16  # lengths are padded to a multiple of this, so that few of them are compiled


def called_packed(
    forward: Callable[..., tuple[Any, Any]], sequence: PackedSequence, hx: Any, batch_first: bool
) -> tuple[PackedSequence, Any]:
    """(packed outputs, final states) of a recurrent layer.

    Args:
        forward: the layer, a function of padded sequences, initial states and lengths.
        sequence: the packed sequences.
        hx: the initial states, in the order of the sequences before they were sorted; or None.
        batch_first: whether the layer takes the batch first.
    """
    longest = len(sequence.batch_sizes)
    padded, lengths = pad_packed_sequence(sequence, batch_first, total_length=-(-longest // _STEP) * _STEP)
    output, final = forward(padded, hx, lengths)
    return packed_like(sequence, output, batch_first), final
