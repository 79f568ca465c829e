"""Which results are views in torch: a write through one of them raises here, and a copy can be changed."""

import numpy as np
import pytest
import torch

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
def test_a_write_raises_if_torch_shows_it_in_the_base(base, result):
    array = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)
    if (base, result) in NOT_HERE:
        pytest.skip("torch takes numbers without axes, and empty ones, where jax does not")
    theirs, ours = torch.from_numpy(array.copy()), eager.tensor(array)
    their_base = BASES[base](theirs)
    try:
        their_result = RESULTS[result](their_base)
    except (RuntimeError, IndexError, TypeError):
        pytest.skip("torch refuses this of this shape")
    our_base = BASES[base](ours)
    our_result = RESULTS[result](our_base)
    assert our_result.shape == tuple(their_result.shape)
    same_memory = their_result.untyped_storage().data_ptr() == theirs.untyped_storage().data_ptr()
    is_view = our_result._sharing is not None and bool(our_result._sharing.living())
    if not theirs.numel() or not their_result.numel():
        return
    assert is_view == (same_memory and our_result is not ours)
    if is_view:
        ones = [axis for axis, size in enumerate(our_result.shape) if size == 1]  # their strides mean nothing
        pairs = [*enumerate(zip(our_result.strides, their_result.stride(), strict=True))]
        assert all(our == their for axis, (our, their) in pairs if axis not in ones)
        with pytest.raises(RuntimeError, match="view of another one in torch"):
            our_result.fill_(7.0)
        np.testing.assert_array_equal(our_result.numpy(), their_result.numpy())
        return
    our_result.fill_(7.0)
    their_result.fill_(7.0)
    np.testing.assert_array_equal(our_result.numpy(), their_result.numpy())
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("write", [
    lambda x: x[0].add_(1), lambda x: x.view(-1).mul_(2), lambda x: x[0].__setitem__(1, 5.0),
    lambda x: x.view(-1).__setitem__(0, 5.0), lambda x: [row.fill_(1) for row in x], lambda x: x.t().zero_(),
    lambda x: x.split(1)[0].clamp_(0, 1), lambda x: x[:, 0].copy_(1), lambda x: x.T[0][0].sub_(1),
    lambda x: x[0].masked_fill_(x[0] > 0, 1), lambda x: x.flatten().pow_(2), lambda x: x[None].div_(2),
])  # fmt: skip
def test_writes_that_would_be_lost(write):
    ours = eager.ones(2, 2)
    with pytest.raises(RuntimeError, match=r"view of another one.*view\.clone\(\)"):
        write(ours)
    assert ours.tolist() == [[1, 1], [1, 1]]


def test_augmented_assignments_to_items():
    def change(x):
        x[0] += 1
        x[:, 1] *= 3
        x[0, 1] -= 5
        x[..., ::2] /= 4
        x[0] **= 2
        return x

    np.testing.assert_array_equal(change(eager.ones(2, 3)).numpy(), change(torch.ones(2, 3)).numpy())


@pytest.mark.parametrize("use", [
    lambda x: x + 1, lambda x: x.sum(), lambda x: x.numpy(), lambda x: x.tolist(), lambda x: repr(x), lambda x: x[0],
    lambda x: x.data, lambda x: x.detach(), lambda x: x.add_(1), lambda x: float(x[0, 0]), lambda x: x == 1,
])  # fmt: skip
def test_an_augmented_assignment_to_a_view_with_a_name(use):
    x = eager.ones(2, 2)
    row = x[0]
    row += 1
    assert row.tolist() == [2, 2]
    with pytest.raises(RuntimeError, match=r"augmented assignment.*view\.clone\(\)"):
        use(x)
    x[0] = row
    assert x.tolist() == [[2, 2], [1, 1]]


def test_a_view_whose_base_has_changed():
    for change in (
        lambda x: x.add_(1), lambda x: x.__setitem__(0, 5.0), lambda x: x.__iadd__(1),
        lambda x: setattr(x, "data", x + 1),
    ):  # fmt: skip
        x = eager.ones(2, 2)
        row, column, copy = x[0], x[:, 0][1:], x[0].clone()
        change(x)
        for view in (row, column):
            with pytest.raises(RuntimeError, match="what it is a view of was changed after it was made"):
                view.sum()
        assert copy.tolist() == [1, 1]
        assert x[1].shape == (2,)


def test_views_of_what_no_longer_exists_can_be_changed():
    def change(x):
        y = (x * 2).reshape(-1)
        y.add_(1)
        a, b = (x * 3).chunk(2)
        a.mul_(b)
        x = x.view(-1)[1:]
        return y, a, b

    x = np.arange(4.0, dtype=np.float32).reshape(2, 2)
    for ours, theirs in zip(change(eager.tensor(x)), change(torch.from_numpy(x)), strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    y = eager.ones(4).reshape(2, 2)
    y[0] = 3.0
    y += 1
    assert y.tolist() == [[4, 4], [2, 2]]
    z = eager.ones(2, 2)[0]
    z += 1
    assert z.tolist() == [2, 2]


def test_parameters_and_their_views():
    w = eager.ones(2, 2, requires_grad=True)
    view = w.t()
    (view * 2).sum().backward()
    eager.optim.SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match="was changed after it was made"):
        view.sum()
    with eager.no_grad():
        w[0] += 1
        w -= 0.1
    np.testing.assert_allclose(w.detach().numpy(), [[1.7, 1.7], [0.7, 0.7]], rtol=1e-6)
    with pytest.raises(RuntimeError, match="leaf that requires a gradient"):
        w[0] += 1
    assert w.sum().item() == pytest.approx(4.8)
