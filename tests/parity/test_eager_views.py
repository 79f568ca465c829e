"""Views against torch: which results are views, and what a write to a view or to its base changes."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from funcvision import eager

BASES = {
    "contiguous": lambda x: x, "transposed": lambda x: x.transpose(0, 2), "permuted": lambda x: x.permute(1, 2, 0),
    "sliced": lambda x: x[:, ::2], "cut": lambda x: x[1:, 1:3], "expanded": lambda x: x[:1].expand(3, -1, -1),
    "a row": lambda x: x[1], "a column": lambda x: x[:, :, 2], "a number": lambda x: x[1, 2, 3],
    "more axes": lambda x: x[:, None, :, None], "one axis": lambda x: x.reshape(-1), "empty": lambda x: x[2:1],
}  # fmt: skip
RESULTS = {
    "flat": lambda x: x.reshape(-1), "flatten": lambda x: x.flatten(), "flatten the last": lambda x: x.flatten(-2),
    "flatten the first": lambda x: x.flatten(0, 1), "two axes": lambda x: x.reshape(2, -1),
    "six": lambda x: x.reshape(-1, 2, 3), "the same": lambda x: x.reshape(x.shape), "as": lambda x: x.unsqueeze(0)[0],
    "ones": lambda x: x.reshape(1, *x.shape, 1), "last two": lambda x: x.reshape(*x.shape[:-1], 2, -1),
    "unflatten": lambda x: x.unflatten(-1, (-1, 1)), "squeeze": lambda x: x.unsqueeze(0).squeeze(),
    "unsqueeze": lambda x: x.unsqueeze(-1), "permute": lambda x: x.permute(*reversed(range(x.ndim))),
    "transpose": lambda x: x.transpose(0, -1), "T": lambda x: x[..., None, None].mT,
    "t": lambda x: x.reshape(-1, 1).t(),
    "movedim": lambda x: x.movedim(0, -1), "expand": lambda x: x.expand(2, *x.shape), "row": lambda x: x[0],
    "slices": lambda x: x[..., 1:], "none": lambda x: x[None, ..., None], "split": lambda x: x.split(1)[0],
    "chunk": lambda x: x.chunk(2, -1)[0], "unbind": lambda x: x.unbind(-1)[0], "iteration": lambda x: next(iter(x)),
    "clone": lambda x: x.clone(), "sum": lambda x: x + 1, "array": lambda x: x[[0, 0]], "mask": lambda x: x[x > 0],
    "index_select": lambda x: x.index_select(0, whole(x)), "repeat": lambda x: x.repeat(*[2] * x.ndim),
    "flip": lambda x: x.flip(0), "roll": lambda x: x.roll(1), "cast": lambda x: x.half(),
    "no cast": lambda x: x.float(), "tril": lambda x: x[None, None].tril(), "where": lambda x: x.where(x > 0, x),
    "gather": lambda x: x.reshape(-1).gather(0, whole(x)), "contiguous": lambda x: x.contiguous(),
    "no change": lambda x: x.to(x.dtype), "sort": lambda x: x.sort(0)[0],
    "reversed": lambda x: x.reshape(-1, x.shape[0]),
}  # fmt: skip


NOT_HERE = [("a number", name) for name in ("transpose", "movedim", "mask", "index_select", "flip", "sort")]
NOT_HERE += [("empty", "unflatten"), ("empty", "iteration")]


def whole(x):
    return eager.tensor([0]) if isinstance(x, eager.Tensor) else torch.tensor([0])


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("result", RESULTS)
def test_a_write_changes_the_base_as_in_torch(base, result):
    array = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)
    if (base, result) in NOT_HERE:
        pytest.skip("torch takes numbers without axes, and empty ones, where jax does not")
    theirs, ours = torch.from_numpy(array.copy()), eager.tensor(array)
    try:
        their_result = RESULTS[result](BASES[base](theirs))
    except (RuntimeError, IndexError, TypeError):
        pytest.skip("torch refuses this of this shape")
    our_result = RESULTS[result](BASES[base](ours))
    assert our_result.shape == tuple(their_result.shape)
    if not theirs.numel() or not their_result.numel():
        return
    same_memory = their_result.untyped_storage().data_ptr() == theirs.untyped_storage().data_ptr()
    assert (our_result._writes is ours._writes) == same_memory
    ones = [axis for axis, size in enumerate(our_result.shape) if size == 1]  # their strides mean nothing
    if same_memory:
        pairs = enumerate(zip(our_result.strides, their_result.stride(), strict=True))
        assert all(our == their for axis, (our, their) in pairs if axis not in ones)
    if result == "expand" or (base == "expanded" and same_memory):  # ours also refuses single rows
        with pytest.raises(RuntimeError, match="one element in memory"):
            our_result.mul_(7)
        return
    their_result.mul_(7)
    our_result.mul_(7)
    np.testing.assert_array_equal(our_result.numpy(), their_result.numpy())
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    theirs.mul_(3)
    ours.mul_(3)
    np.testing.assert_array_equal(our_result.numpy(), their_result.numpy())


VIEWS = [
    lambda x: x[0], lambda x: x[-1:], lambda x: x[:, 1], lambda x: x[..., ::2], lambda x: x.t(), lambda x: x.view(-1),
    lambda x: x.transpose(0, 1)[1], lambda x: x.reshape(-1)[1:3], lambda x: x.unsqueeze(1), lambda x: x.detach(),
    lambda x: x.split(1)[0], lambda x: x.chunk(2, 1)[1], lambda x: x.unbind(1)[0], lambda x: x.data, lambda x: x,
]  # fmt: skip
WRITES = [
    lambda x: x.add_(1), lambda x: x.mul_(2), lambda x: x.fill_(3), lambda x: x.zero_(), lambda x: x.clamp_(0, 1),
    lambda x: x.__setitem__(0, 5.0), lambda x: x.__setitem__(..., -1.0), lambda x: [row.fill_(1) for row in x],
    lambda x: x.sub_(x.clone()), lambda x: x.copy_(x.flip(0)), lambda x: x.masked_fill_(x > 1, 0.5),
]  # fmt: skip
steps = st.lists(
    st.tuples(st.sampled_from(range(len(VIEWS))), st.sampled_from(range(len(WRITES)))), min_size=1, max_size=5
)


@settings(deadline=None, max_examples=60)
@given(steps=steps, gradients=st.booleans())
def test_programs_of_views_and_writes(steps, gradients):
    """The values, and the gradients, of a random program of views that are kept and written."""

    def program(x):
        y = x * 1.5
        kept = []
        for view, write in steps:
            part = VIEWS[view](y)
            kept.append(part)
            WRITES[write](part)
        return y, kept

    array = np.arange(-4.0, 4.0, dtype=np.float32).reshape(2, 4) / 2
    ours, theirs = eager.tensor(array), torch.from_numpy(array.copy())
    ours.requires_grad_(gradients)
    theirs.requires_grad_(gradients)
    try:
        their_y, their_kept = program(theirs)
        loss = sum((part * part).sum() for part in [their_y, *their_kept])
        if gradients:
            loss.backward()
    except (RuntimeError, IndexError) as error:
        assume("returns multiple views" not in str(error))  # ours allows writes to the parts of a split
        with pytest.raises(type(error)):  # noqa: PT012
            our_y, our_kept = program(ours)
            sum((part * part).sum() for part in [our_y, *our_kept]).backward()
        return
    our_y, our_kept = program(ours)
    for our, their in zip([our_y, *our_kept], [their_y, *their_kept], strict=True):
        np.testing.assert_allclose(our.detach().numpy(), their.detach().numpy(), rtol=1e-6)
    if gradients:
        sum((part * part).sum() for part in [our_y, *our_kept]).backward()
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_augmented_assignments():
    def change(x):
        x[0] += 1
        x[:, 1] *= 3
        x[0, 1] -= 5
        x[..., ::2] /= 4
        x[0] **= 2
        row = x[1]
        row += 1
        x[0] = row
        x.data[0] -= 0.5
        x.data *= 2
        return x

    np.testing.assert_array_equal(change(eager.ones(2, 3)).numpy(), change(torch.ones(2, 3)).numpy())


def test_data_shares_elements_until_it_is_assigned():
    def change(torch):
        x = torch.ones(2)
        row, alias = x[:1], x.data
        alias.add_(1)
        x.data = torch.zeros(3)
        x.add_(5)
        alias.mul_(2)
        return x, row, alias

    for ours, theirs in zip(change(eager), change(torch), strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("write", [
    lambda x, y: y.add_(1), lambda x, y: y[0].zero_(), lambda x, y: y.detach().zero_(), lambda x, y: y.t().mul_(2),
    lambda x, y: y.data.zero_(), lambda x, y: setattr(y, "data", y.data + 1),
])  # fmt: skip
def test_backward_refuses_values_that_were_written(write):
    """A write through `.data` is not counted. Then torch uses the new value, and ours the one of the forward pass."""

    def raises(torch):
        x = torch.ones(2, 2, requires_grad=True)
        y = x * 2
        loss = (y * y).sum()
        write(x, y)
        try:
            loss.backward()
        except RuntimeError:
            return True
        return False

    assert raises(eager) == raises(torch)


def test_parameters_and_their_views():
    w = eager.ones(2, 2, requires_grad=True)
    view = w.t()
    (view * 2).sum().backward()
    eager.optim.SGD([w], lr=0.1).step()
    np.testing.assert_allclose(view.detach().numpy(), np.full((2, 2), 0.8), rtol=1e-6)
    with eager.no_grad():
        w[0] += 1
        w -= 0.1
    np.testing.assert_allclose(w.detach().numpy(), [[1.7, 1.7], [0.7, 0.7]], rtol=1e-6)
    for target in (lambda: w, lambda: w[0], lambda: w.view(-1)):
        with pytest.raises(RuntimeError, match="leaf that requires a gradient"):
            target().add_(1)
    assert w.sum().item() == pytest.approx(4.8)


def test_view_needs_strides_that_fit():
    for module in (eager, torch):
        with pytest.raises(RuntimeError):
            module.ones(2, 3).t().view(-1)
    assert eager.ones(2, 3).t().reshape(-1).shape == (6,)
