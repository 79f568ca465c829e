"""Functions that read and write at indices, rearrange, join and split, of the eager face against torch's."""

import numpy as np
import pytest
import torch

from funcvision import eager

from .eager_rows import assert_row, floats, integers
from .test_eager_functions_elementwise import by, method

X, Y = floats(4, 3, 5), floats(4, 3, 5, seed=1)
N = integers(-4, 4, 4, 3, 5)
I1, I2 = integers(0, 4, 2, 3, 5), integers(0, 3, 4, 6, 2)
S1, S2 = floats(2, 3, 5, seed=3), floats(4, 6, 2, seed=3)
ROW = np.array([2, 0, 2, 1, 2])
Z = np.where(np.abs(X) > 0.9, 0, X).astype(np.float32)
ZS = np.where(np.abs(S1) > 0.9, 0, S1).astype(np.float32)
T, TS = (2 * X).round() / 2, (2 * S1).round() / 2  # with equal elements


def at(name, *options, **more):
    """A function of (array, index, source) along the first axis."""
    return lambda t, x, i, s: getattr(t, name)(x, 0, i, s, *options, **more)


REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")
ROWS = {
    "gather": (lambda t, x, i: t.gather(x, 0, i), X, I1),
    "gather wide": (lambda t, x, i: x.gather(1, i), X, I2[..., :5]),
    "gather number": (lambda t, x, i: t.gather(x, 0, i), floats(), integers(0, 1)),
    "take_along_dim": (lambda t, x, i: t.take_along_dim(x, i, 1), X, integers(-3, 3, 1, 2, 1)),
    "take_along_dim flat": (lambda t, x, i: t.take_along_dim(x, i), X, integers(0, 60, 7)),
    "scatter": (lambda t, x, i, s: t.scatter(x, 0, i, s), X, np.argsort(floats(4, 3, 5, seed=8), 0)[:2], S1),
    "scatter number": (lambda t, x, i: x.scatter(1, i, 2.5), X, I2[:, :3]),
    "scatter value": (lambda t, x, i: x.scatter(1, i, value=2), N, I2[:, :3]),
    "scatter add": (lambda t, x, i, s: t.scatter(x, 0, i, s, reduce="add"), N, I1, integers(0, 9, 2, 3, 5)),
    "scatter multiply": (lambda t, x, i, s: t.scatter(x, 0, i, s, reduce="multiply"), N, I1, integers(0, 9, 2, 3, 5)),
    "scatter_add": (at("scatter_add"), X, I1, S1),
    "scatter_add larger": (lambda t, x, i, s: t.scatter_add(x, 0, i, s.detach()), X, I1[:1], S1),
    **{f"scatter_reduce {r}": (at("scatter_reduce", r), X, I1, S1) for r in REDUCTIONS},
    **{f"scatter_reduce {r} others": (at("scatter_reduce", r, include_self=False), X, I1, S1) for r in REDUCTIONS},
    **{f"scatter_reduce {r} ties": (at("scatter_reduce", r), T, I1, TS) for r in REDUCTIONS[2:]},
    "scatter_reduce prod 0": (at("scatter_reduce", "prod"), Z, I1, ZS),
    "scatter_reduce integers": (at("scatter_reduce", "mean"), N, I1, integers(0, 9, 2, 3, 5)),
    "index_select": (lambda t, x, i: t.index_select(x, 1, i), X, ROW),
    "index_select method": (lambda t, x, i: x.index_select(-1, i), X, ROW),
    "index_add": (at("index_add"), X, ROW, floats(5, 3, 5)),
    "index_add alpha": (at("index_add", alpha=2), X, ROW, floats(5, 3, 5)),
    "index_copy": (at("index_copy"), X, np.array([3, 0]), S1),
    "index_fill": (lambda t, x, i: x.index_fill(1, i, 7.0), X, np.array([2, 0])),
    **{f"index_reduce {r}": (at("index_reduce", r), X, ROW, floats(5, 3, 5)) for r in REDUCTIONS[1:]},
    "index_reduce others": (at("index_reduce", "amax", include_self=False), X, ROW, floats(5, 3, 5)),
    "take": (by("take"), X, integers(-60, 60, 2, 3)), "put": (method("put"), X, np.array([3, -1, 7]), floats(3)),
    "put add": (lambda t, x, i, s: x.put(i, s, True), X, np.array([3, 3, 7]), floats(3)),
    "index_put": (
        lambda t, x, i, j, v: t.index_put(x, (i, j), v), X, np.array([0, 3]), np.array([1, -1]), floats(2, 5)
    ),
    "index_put add": (
        lambda t, x, i, v: t.index_put(x, (i,), v, accumulate=True), X, np.array([0, 0, 1]), floats(3, 1, 5)
    ),
    "index_put mask": (lambda t, x, m, v: x.index_put((m,), v), X, X > 0.5, floats(1)),
    "masked_scatter": (by("masked_scatter"), X, X > 0, floats(60)),
    "masked_scatter wide": (by("masked_scatter"), X, X[0] > 0, floats(60)),
    "select_scatter": (lambda t, x, s: t.select_scatter(x, s, 1, -2), X, floats(4, 5)),
    "slice_scatter": (lambda t, x, s: t.slice_scatter(x, s, 2, 1, 5, 2), X, floats(4, 3, 2)),
    "diagonal_scatter": (lambda t, x, s: t.diagonal_scatter(x, s, 1), X[..., 0], floats(2)),
    "diagonal_scatter axes": (lambda t, x, s: t.diagonal_scatter(x, s, -1, 0, 2), X, floats(3, 3)),
    "argwhere": (by("argwhere"), Z), "nonzero": (by("nonzero"), N), "nonzero tuple": (by("nonzero", as_tuple=True), N),
    "nonzero of a number": (by("nonzero"), floats()), "nonzero_static": (by("nonzero_static", size=70), Z),
    "repeat_interleave": (by("repeat_interleave", 2), X), "repeat_interleave dim": (by("repeat_interleave", 3, 1), X),
    "repeat_interleave each": (lambda t, x, r: x.repeat_interleave(r, dim=0), X, np.array([2, 0, 1, 3])),
    "repeat_interleave of repeats": (by("repeat_interleave"), np.array([2, 0, 3])),
    # rearranging
    "diagonal": (by("diagonal"), X), "diagonal offset": (by("diagonal", -1, 0, 2), X),
    "narrow": (by("narrow", 2, 1, 3), X), "narrow end": (by("narrow", 0, -2, 2), X),
    "select": (by("select", 1, -1), X), "swapaxes": (by("swapaxes", 0, 2), X), "swapdims": (by("swapdims", 0, -1), X),
    "moveaxis": (by("moveaxis", (0, 1), (2, 0)), X), "ravel": (by("ravel"), X),
    "unfold": (method("unfold", 2, 3, 1), X), "unfold step": (method("unfold", 0, 2, 2), X),
    "unfold number": (method("unfold", 0, 1, 1), floats()), "broadcast_to": (by("broadcast_to", (2, 4, 3, 5)), X),
    "tensor_split": (by("tensor_split", 3, -1), X), "tensor_split at": (by("tensor_split", (1, 3), 2), X),
    "tensor_split tensor": (lambda t, x, i: t.tensor_split(x, i, 0), X, np.array([1, 9])),
    "hsplit": (by("hsplit", [1]), X), "vsplit": (by("vsplit", 2), X), "dsplit": (by("dsplit", (1, 2)), X),
    "split_with_sizes": (method("split_with_sizes", [1, 3], 0), X), "tile": (by("tile", (2, 1)), X),
    "rot90": (by("rot90"), X), "rot90 back": (by("rot90", -1, [1, 2]), X), "fliplr": (by("fliplr"), X),
    "flipud": (by("flipud"), X), "diag": (by("diag", 1), X[0]), "diag of a vector": (by("diag", -2), X[0, 0]),
    "diagflat": (by("diagflat", 1), X[0]), "diag_embed": (by("diag_embed"), X),
    "diag_embed axes": (by("diag_embed", 1, 0, 2), X), "trace": (by("trace"), X[0]),
    "trace of integers": (by("trace"), N[0]), "sum_to_size": (method("sum_to_size", 1, 5), X),
    "broadcast_tensors": (lambda t, x, y: t.broadcast_tensors(x, y), X, X[0, :1]),
    "atleast_1d": (lambda t, x, y: t.atleast_1d(x, y), floats(), X), "atleast_2d": (by("atleast_2d"), floats(3)),
    "atleast_3d": (lambda t, x, y: t.atleast_3d((x, y)), floats(3), X[0]),
    "block_diag": (lambda t, x, y, z: t.block_diag(x, y, z), X[0], X[0, 0], floats()),
    "meshgrid": (lambda t, x, y: t.meshgrid(x, y, indexing="xy"), X[0, 0], X[0, 1, :2]),
    "meshgrid ij": (lambda t, x, y: t.meshgrid([x, y], indexing="ij"), X[0, 0], X[0, 1, :2]),
    "unravel_index": (lambda t, i: t.unravel_index(i, (3, 5)), integers(0, 15, 2, 3)),
    **{
        f"{name}_copy": (lambda t, x, name=name, args=args: getattr(t, f"{name}_copy")(x, *args), X)
        for name, args in {
            "alias": (), "diagonal": (1,), "expand": ((2, 4, 3, 5),), "narrow": (0, 1, 2), "permute": ((2, 0, 1),),
            "select": (0, 1), "slice": (1, 0, 2), "split": (2,), "split_with_sizes": ([1, 3],), "squeeze": (),
            "transpose": (0, 1), "unbind": (1,), "unfold": (2, 3, 1), "unsqueeze": (1,), "view": ((12, 5),),
        }.items()
    },
    **{
        f"{name} {x.ndim}": (lambda t, x, y, name=name: getattr(t, name)((x, y)), x, x + 1)
        for name in ("hstack", "vstack", "dstack", "column_stack") for x in (X[0], X[0, 0])
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_selection(name):
    assert_row(*ROWS[name])


@pytest.mark.parametrize("call", [
    lambda t, x: t.gather(x, 0, t.tensor([[9]])), lambda t, x: x.index_select(0, t.tensor([5])),
    lambda t, x: x.index_select(4, t.tensor([0])), lambda t, x: t.take(x, t.tensor([99])),
    lambda t, x: x.narrow(0, 1, 9), lambda t, x: x.narrow(0, 9, 1), lambda t, x: x.select(0, 7),
    lambda t, x: x.unfold(0, 9, 1), lambda t, x: x.diagonal(0, 1, 1), lambda t, x: t.trace(x[0]),
    lambda t, x: t.vsplit(x, 5), lambda t, x: x.scatter_add(0, t.tensor([[0]]), x.double() if t is torch else x.half()),
    lambda t, x: x.repeat_interleave(t.tensor([1, 2, 3]), 0), lambda t, x: t.kthvalue(x, 9),
    lambda t, x: t.quantile(x.long(), 0.5), lambda t, x: t.median(x[:0], 0), lambda t, x: t.einsum("ij,kj->il", x, x),
    lambda t, x: t.mm(x, x), lambda t, x: t.mv(x, x), lambda t, x: t.dot(x, x), lambda t, x: t.linalg.inv(x),
    lambda t, x: t.linalg.inv(t.zeros(2, 2)), lambda t, x: t.linalg.cholesky(-t.eye(2)),
    lambda t, x: t.isclose(x, x.long()),
    lambda t, x: t.bincount(-t.ones(3, dtype=t.int64)), lambda t, x: t.complex(x, x.long()),
    lambda t, x: t.view_as_complex(x[:, :1]), lambda t, x: t.imag(x), lambda t, x: t.addmm(x, x, x),
    lambda t, x: t.cov(x[None]), lambda t, x: t.searchsorted(x, x[:1]),
])  # fmt: skip
def test_errors_are_of_torchs_class(call):
    array = floats(2, 3)
    with pytest.raises(Exception) as expected:  # noqa: PT011
        call(torch, torch.tensor(array))
    with pytest.raises(expected.type.__mro__[-4] if "LinAlgError" in expected.type.__name__ else expected.type):
        call(eager, eager.tensor(array))
