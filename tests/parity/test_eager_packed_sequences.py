"""Sequences of different lengths against `torch.nn.utils.rnn`: padding, packing, and gradients through both."""

import numpy as np
import pytest
import torch

from funcvision import eager
from funcvision.eager import nn
from funcvision.eager.nn.utils import rnn

from .reference import assert_close, random

R = torch.nn.utils.rnn
LENGTHS = (2, 5, 1, 5)


def numbers(tensor):
    return np.asarray(tensor.detach().tolist(), np.float32)


def sequences(module, lengths=LENGTHS):
    return [module.tensor(random(i, length, 3), requires_grad=True) for i, length in enumerate(lengths)]


def assert_same_gradients(ours, theirs, result, wanted):
    weights = random(50, *wanted.shape)
    (result * eager.tensor(weights)).sum().backward()
    (wanted * torch.tensor(weights)).sum().backward()
    for our, their in zip(ours, theirs, strict=True):
        assert_close(numbers(our.grad), their.grad)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("side", ["right", "left"])
def test_pad_sequence(batch_first, side):
    ours, theirs = sequences(eager), sequences(torch)
    result = rnn.pad_sequence(ours, batch_first, -1.5, side)
    wanted = R.pad_sequence(theirs, batch_first, -1.5, side)
    assert_close(numbers(result), wanted)
    assert_same_gradients(ours, theirs, result, wanted)
    with pytest.raises(RuntimeError, match="padding_side"):
        rnn.pad_sequence(ours, padding_side="middle")


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("is_sorted", [True, False])
def test_packing_and_back(batch_first, is_sorted):
    lengths = sorted(LENGTHS, reverse=True) if is_sorted else LENGTHS
    shape = (4, 6, 2) if batch_first else (6, 4, 2)
    ours, theirs = (module.tensor(random(1, *shape), requires_grad=True) for module in (eager, torch))
    packed = rnn.pack_padded_sequence(ours, eager.tensor(lengths), batch_first, is_sorted)
    wanted = R.pack_padded_sequence(theirs, torch.tensor(lengths), batch_first, is_sorted)
    assert_close(numbers(packed.data), wanted.data)
    assert packed.batch_sizes.tolist() == wanted.batch_sizes.tolist()
    for name in ("sorted_indices", "unsorted_indices"):
        one, other = getattr(packed, name), getattr(wanted, name)
        assert (one is None) == (other is None)
        assert one is None or one.tolist() == other.tolist()
    for options in ({}, {"padding_value": 2.0, "total_length": 7}):
        (padded, sizes), (wanted_padded, wanted_sizes) = (
            module.pad_packed_sequence(sequence, batch_first, **options)
            for module, sequence in ((rnn, packed), (R, wanted))
        )
        assert_close(numbers(padded), wanted_padded)
        assert sizes.tolist() == wanted_sizes.tolist()
    assert_same_gradients([ours], [theirs], padded, wanted_padded)
    for one, other in zip(rnn.unpad_sequence(padded, sizes, batch_first), rnn.unpack_sequence(packed), strict=True):
        assert one.equal(other)


def test_pack_sequence():
    ours, theirs = sequences(eager), sequences(torch)
    packed, wanted = rnn.pack_sequence(ours, enforce_sorted=False), R.pack_sequence(theirs, enforce_sorted=False)
    assert_close(numbers(packed.data), wanted.data)
    assert_same_gradients(ours, theirs, packed.data * 2, wanted.data * 2)
    for one, other in zip(rnn.unpack_sequence(packed), ours, strict=True):
        assert one.equal(other)
    changed = rnn.PackedSequence(packed.data + 1, *packed[1:])
    assert changed.batch_sizes is packed.batch_sizes
    assert isinstance(packed.to("cpu"), rnn.PackedSequence)
    assert rnn.PackedSequence(packed.data, packed.batch_sizes).sorted_indices is None


@pytest.mark.parametrize(("lengths", "options", "error", "message"), [
    ([1, 2], {}, RuntimeError, "decreasing order"), ([2, 0], {}, RuntimeError, "greater than 0"),
    ([2], {}, RuntimeError, "batch_size"), ([9, 2], {}, RuntimeError, "only 3"),
])  # fmt: skip
def test_refusals(lengths, options, error, message):
    with pytest.raises(error, match=message):
        rnn.pack_padded_sequence(eager.ones(3, 2, 1), lengths, **options)
    with pytest.raises(ValueError, match="total_length"):
        rnn.pad_packed_sequence(rnn.pack_sequence([eager.ones(3, 1)]), total_length=2)


LAYERS = {
    "lstm": ("LSTM", {"num_layers": 2, "bidirectional": True}), "projected": ("LSTM", {"proj_size": 2}),
    "gru": ("GRU", {"bidirectional": True, "batch_first": True}), "rnn": ("RNN", {"nonlinearity": "relu"}),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_recurrent_layers(name):
    kind, options = LAYERS[name]
    batch_first = options.get("batch_first", False)
    ours, theirs = getattr(nn, kind)(3, 4, **options), getattr(torch.nn, kind)(3, 4, **options)
    ours.load_state_dict({key: tensor.numpy() for key, tensor in theirs.state_dict().items()})
    x, y = sequences(eager), sequences(torch)
    packed, wanted = rnn.pack_sequence(x, enforce_sorted=False), R.pack_sequence(y, enforce_sorted=False)
    _, start = theirs(wanted)
    start = tuple(s.detach() for s in start) if kind == "LSTM" else start.detach()
    hx = tuple(eager.tensor(s.numpy()) for s in start) if kind == "LSTM" else eager.tensor(start.numpy())
    for given, given_torch in (((), ()), ((hx,), (start,))):
        (output, final), (wanted_output, wanted_final) = ours(packed, *given), theirs(wanted, *given_torch)
        assert_close(numbers(output.data), wanted_output.data)
        assert output.batch_sizes.tolist() == wanted_output.batch_sizes.tolist()
        pairs = zip(final, wanted_final, strict=True) if kind == "LSTM" else [(final, wanted_final)]
        for state, wanted_state in pairs:
            assert_close(numbers(state), wanted_state)
    last, wanted_last = (state[0] if kind == "LSTM" else state for state in (final, wanted_final))
    assert_same_gradients(x, y, last, wanted_last)
    padded, _ = rnn.pad_packed_sequence(output, batch_first)
    assert_close(numbers(padded), R.pad_packed_sequence(wanted_output, batch_first)[0])
