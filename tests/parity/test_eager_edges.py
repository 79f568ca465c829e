"""Tensor's functions and their derivatives at the edges of their domains: at 0, equal values, infinities and NaN.

The same expression runs on Tensors and in torch. Every element of the value and of the gradients is compared.
"""

import contextlib
import itertools

import jax
import numpy as np
import pytest
import torch

from funcvision import eager

INF, NAN = float("inf"), float("nan")
TOLERANCE = {"float32": (2e-5, 1e-6), "float64": (1e-10, 1e-13)}
"""The relative and the absolute error that is allowed at each element. NaN and infinities must be equal."""


def points(dtype="float32"):
    """Zero, ordinary numbers, infinities, NaN, and the ends of a dtype. XLA on a CPU takes denormal numbers for 0."""
    info = np.finfo(dtype)
    positive = [0.25, 0.5, 1.0, 1.5, 2.5, 3.0, 40.0, 1e10, 1e-10, info.max, info.tiny * 4, info.eps, INF]
    return np.array([0.0, -0.0, *positive, *(-x for x in positive), NAN], dtype)


def rows(dtype="float32"):
    """All rows of three of these numbers: zeros, equal values, ties, infinities of both signs, NaN."""
    return np.array(list(itertools.product([0.0, 1.0, -1.0, 2.5, INF, -INF, NAN], repeat=3)), dtype)


def differences(function, *arrays):
    """Where value or gradient differ from torch's, one line for each element. The cotangent is 1 everywhere."""
    dtype = arrays[0].dtype.name
    with jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext():
        ours = [eager.tensor(array, requires_grad=array.dtype.kind == "f") for array in arrays]
        theirs = [torch.tensor(array, requires_grad=array.dtype.kind == "f") for array in arrays]
        result, expected = function(*ours), function(*theirs)
        found = _unequal("value", result, expected, arrays)
        assert result.requires_grad == expected.requires_grad
        if expected.requires_grad:
            result.backward(np.ones(expected.shape, dtype))
            expected.backward(torch.ones_like(expected))
        for i, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            if their.grad is not None:
                found += _unequal(f"gradient {i}", our.grad, their.grad, arrays)
            else:
                assert our.grad is None or not our.grad.numpy().any()
    return found


def _unequal(what, ours, theirs, arrays):
    ours, theirs = np.asarray(ours.detach()), theirs.detach().numpy()
    assert (ours.shape, ours.dtype) == (theirs.shape, jax.dtypes.canonicalize_dtype(theirs.dtype)), what
    rtol, atol = TOLERANCE.get(theirs.dtype.name, (0, 0))
    with np.errstate(all="ignore"):
        wrong = ~np.isclose(ours, theirs, rtol, atol, equal_nan=True)
    found = []
    for index in map(tuple, np.argwhere(wrong)):
        place = ", ".join(_at(array, index) for array in arrays)
        found.append(f"{what} at {place} {index}: {ours[index]}, torch has {theirs[index]}")
    return found


def _at(array, index):
    """The element at an index, or the row of a matrix."""
    return str(array[index[0]].tolist() if array.ndim == 2 else array[index]) if index and array.ndim else "..."


def assert_same(function, *arrays):
    found = differences(function, *arrays)
    assert not found, "\n".join(found[:40])


UNARY = {
    "neg": lambda x: -x, "abs": lambda x: x.abs(), "sign": lambda x: x.sign(), "square": lambda x: x.square(),
    "reciprocal": lambda x: x.reciprocal(), "exp": lambda x: x.exp(), "expm1": lambda x: x.expm1(),
    "log": lambda x: x.log(), "log1p": lambda x: x.log1p(), "log2": lambda x: x.log2(), "sqrt": lambda x: x.sqrt(),
    "rsqrt": lambda x: x.rsqrt(), "erf": lambda x: x.erf(), "tanh": lambda x: x.tanh(),
    "sigmoid": lambda x: x.sigmoid(), "floor": lambda x: x.floor(),
    "ceil": lambda x: x.ceil(), "round": lambda x: x.round(), "trunc": lambda x: x.trunc(),
    "isnan": lambda x: x.isnan(), "isinf": lambda x: x.isinf(), "isfinite": lambda x: x.isfinite(),
    "logical_not": lambda x: x.logical_not(), "clamp": lambda x: x.clamp(-1.5, 2.5),
    "clamp above": lambda x: x.clamp(min=1.0), "clamp below": lambda x: x.clamp(max=-1.0),
    "clamp crossed": lambda x: x.clamp(1.0, -1.0), "clamp nan": lambda x: x.clamp(min=NAN),
    "clamp infinite": lambda x: x.clamp(-INF, INF),
    "pow 0": lambda x: x**0, "pow 1": lambda x: x**1, "pow 2": lambda x: x**2, "pow 3": lambda x: x**3,
    "pow -1": lambda x: x**-1, "pow -2": lambda x: x**-2, "pow 0.0": lambda x: x**0.0, "pow 0.5": lambda x: x**0.5,
    "pow -0.5": lambda x: x**-0.5, "pow 2.0": lambda x: x**2.0, "pow 1.5": lambda x: x**1.5,
    "pow inf": lambda x: x**INF, "pow -inf": lambda x: x**-INF, "pow nan": lambda x: x**NAN,
    "0 to": lambda x: 0**x, "1 to": lambda x: 1**x, "2 to": lambda x: 2**x, "0.5 to": lambda x: 0.5**x,
    "add": lambda x: x + INF, "sub": lambda x: x - x, "mul": lambda x: x * 0, "over 0": lambda x: x / 0,
    "0 over": lambda x: 0 / x.detach(), "over itself": lambda x: x / x, "over inf": lambda x: x / INF,
    "floor_divide": lambda x: x.detach() // 0.7, "floor_divide 0": lambda x: x.detach() // 0,
    "floor_divide inf": lambda x: x.detach() // INF,
    "floor_divide by": lambda x: 1 // x.detach(), "floor_divide -inf": lambda x: x.detach() // -INF,
    "trunc_divide": lambda x: x.div(-0.7, rounding_mode="trunc"), "remainder": lambda x: x.clamp(-1e6, 1e6) % 0.75,
    "trunc_divide 0": lambda x: x.div(0, rounding_mode="trunc"),
    "remainder 0": lambda x: x % 0, "remainder -": lambda x: x.clamp(-1e6, 1e6) % -0.75,
    "remainder inf": lambda x: x % INF,
    "remainder -inf": lambda x: x % -INF, "remainder by": lambda x: 1 % x.detach(),
    "masked_fill": lambda x: x.masked_fill(x > 0, NAN), "where": lambda x: x.where(x > 0, -x),
    "sin": lambda x: x.clamp(-50, 50).sin(), "cos": lambda x: x.clamp(-50, 50).cos(),
    "tan": lambda x: x.clamp(-50, 50).tan(), "infinite angle": lambda x: (x / 0).sin() + (x / 0).cos() + (x / 0).tan(),
    "cast": lambda x: x.half().float(), "equal": lambda x: x == x, "less": lambda x: (x < 1) | (x >= INF),
    "bool": lambda x: x.bool(),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number(name, dtype):
    assert_same(UNARY[name], points(dtype))


BINARY = {
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "div": lambda x, y: x / y,
    "pow": lambda x, y: x**y,
    "floor_divide": lambda x, y: x.detach() // y.detach(),
    "trunc_divide": lambda x, y: x.div(y, rounding_mode="trunc"), "maximum": lambda x, y: x.maximum(y),
    "minimum": lambda x, y: x.minimum(y), "clamp above": lambda x, y: x.clamp(min=y),
    "clamp below": lambda x, y: x.clamp(max=y), "where": lambda x, y: x.where(x > y, y),
    "comparisons": lambda x, y: (x == y) | (x < y), "comparisons or equal": lambda x, y: (x >= y) & (x != y),
    "logical_and": lambda x, y: x.logical_and(y), "logical_or": lambda x, y: x.logical_or(y),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_numbers(name, dtype):
    first = second = points(dtype)
    if name == "div":  # XLA takes the reciprocal of the largest number, which is denormal, for 0
        second = second[np.abs(second) != np.finfo(dtype).max]
    assert_same(BINARY[name], *(array.ravel() for array in np.meshgrid(first, second, indexing="ij")))


LIMITS = {
    "clamp": lambda x, y, z: x.clamp(y, z), "where": lambda x, y, z: x.where(y > z, z) + y,
    "safe root": lambda x, y, z: x.maximum(0 * y.abs()).sqrt() + y.clamp(0 * z.abs()).sqrt() + z.clamp(min=0).sqrt(),
    "std of equal ones": lambda x, y, z: (x.std() + 0 * y + z).sqrt(),
    "remainder": lambda x, y, z: x % y,
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LIMITS)
def test_functions_of_three_numbers(name, dtype):
    """Their remainders have quotients that are not large: for those torch has NaN or a rounding error."""
    numbers = np.array([0.0, 0.5, 1.0, -1.0, 7.25, INF, -INF, NAN], dtype)
    assert_same(LIMITS[name], *(array.ravel() for array in np.meshgrid(numbers, numbers, numbers, indexing="ij")))


REDUCTIONS = {
    "sum": lambda x: x.sum(1), "mean": lambda x: x.mean(1), "prod": lambda x: x.prod(1),
    "cumsum": lambda x: x.cumsum(1), "var": lambda x: x.var(1), "std": lambda x: x.std(1),
    "population var": lambda x: x.var(1, False), "population std": lambda x: x.std(1, unbiased=False),
    "var of one": lambda x: x[:, :1].var(1), "std of one": lambda x: x[:, :1].std(1),
    "std of one, population": lambda x: x[:, :1].std(1, unbiased=False),
    "too large a correction": lambda x: x.var(1, correction=5), "std, correction": lambda x: x.std(1, correction=3),
    "logsumexp": lambda x: x.logsumexp(1), "logsumexp of two axes": lambda x: x[:, None].logsumexp((1, 2)),
    "softmax": lambda x: x.softmax(1), "log_softmax": lambda x: x.log_softmax(1),
    "max": lambda x: x.max(1)[0], "min": lambda x: x.min(1)[0], "amax": lambda x: x.amax(1),
    "amin": lambda x: x.amin(1), "argmax": lambda x: x.argmax(1), "argmin": lambda x: x.argmin(1),
    "max indices": lambda x: x.max(1)[1],
    "min indices": lambda x: x.min(1)[1], "sort": lambda x: x.sort(1)[0],
    "sort downwards": lambda x: x.sort(1, descending=True)[0], "topk": lambda x: x.topk(2, 1)[0],
    "topk downwards": lambda x: x.topk(2, 1, largest=False)[0], "all": lambda x: x.all(1), "any": lambda x: x.any(1),
    "max of all": lambda x: x.max(), "min of all": lambda x: x.min(), "norm of all": lambda x: x.norm(),
    "matmul": lambda x: x @ x.mT,
    "norm": lambda x: x.norm(dim=1),
    **{f"norm {p}": lambda x, p=p: x.norm(p, 1) for p in (0, 0.5, 1, 1.5, 2, 2.5, 3, INF, -INF, -1, -2, -0.5)},
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore:(std|var).*degrees of freedom:UserWarning")  # torch warns, and has NaN as ours
@pytest.mark.parametrize("name", REDUCTIONS)
def test_functions_of_a_row(name, dtype):
    assert_same(REDUCTIONS[name], rows(dtype))


@pytest.mark.parametrize("dim", [None, (0, 1), (2, 0)])
def test_the_nuclear_norm(dim):
    x = np.random.default_rng(0).standard_normal((4, 3) if dim is None else (4, 3, 2)).astype(np.float32)
    assert_same(lambda x: x.norm("nuc", dim), x)
    assert_same(lambda x: x.norm("nuc", dim, keepdim=True), x)
    assert_same(lambda x: x.norm("fro", dim), x)


def test_norms_that_are_not_defined():
    for use in (
        lambda x: x.norm("nuc"), lambda x: x.norm("nuc", 0), lambda x: x.norm("two"), lambda x: x[:0].norm(INF, 0),
        lambda x: x[:0].norm(-1), lambda x: x[:0].norm(-INF),
    ):  # fmt: skip
        with pytest.raises(RuntimeError):
            use(torch.ones(2))
        with pytest.raises(RuntimeError, match="norm"):
            use(eager.ones(2))
    for p in (0, 1, 2, "fro", None):
        assert eager.ones(2)[:0].norm(p).item() == torch.ones(2)[:0].norm(p).item() == 0


I, B, U = np.array([-2, -1, 0, 1, 2]), np.array([True, False]), np.array([0, 1, 255], np.uint8)
OF_INTEGERS = {
    "powers": lambda i: (i**0, i**1, i**2, i**3, i**True, i**2.0, i**-1.0, i.square()),
    "power of Tensors": lambda i: (i**i, i ** (i * 0 - 1), i ** (i * 0 - 2), i ** (i[0] + 5)),
    "to a power": lambda i: (2**i, (-1) ** i, 1**i, 0**i, 2.0**i),
    "quotients": lambda i: (i / 2, i / 0, i // 2, i // -2, i // 0.7, i.div(2, rounding_mode="trunc"), i.float() // 0),
    "remainders": lambda i: (i % 3, i % -3, i % 0.7, 5 % (i + 5), 5 // (i - 5), -5 % (i + 5)),
    "shifts": lambda i: (i << 1, i >> 1, 1 << i, i << 33, i << 64, i << -1, i >> -1, i >> 70, i << i, i >> i.abs()),
    "bits": lambda i: (i & 3, i | 1, i ^ 5, ~i, i ^ (i > 0), 1 & i),
    "functions": lambda i: (i.reciprocal(), i.rsqrt(), i.sqrt(), i.exp(), i.sigmoid(), i.relu(), i.abs(), i.sign()),
    "rounding": lambda i: (i.floor(), i.ceil(), i.round(), i.trunc(), i.isnan(), i.isinf(), i.isfinite(), -i),
    "limits": lambda i: (i.clamp(0.5), i.clamp(min=0, max=1.5), i.clamp(0, 1), i.maximum(-i), i.amax(), i.max(0)[1]),
    "filling": lambda i: (i.masked_fill(i > 0, 2.5), i.where(i > 0, 2.5), i.clone().fill_(2.5)),
    "reductions": lambda i: (i.sum(), i.prod(), i.cumsum(0), i.logsumexp(0), i @ i, (i > 0).all(), i.any()),
    "alpha": lambda i: (i.add(i, alpha=3), i.sub(1, alpha=2), i.add(i.float(), alpha=0.5)),
}  # fmt: skip
OF_BOOLS = {
    "powers": lambda b: (b**1, b**0, b**2, b**True, b**False, b**2.0, 2**b, b ** b.int(), b.square()),
    "sums": lambda b: (b + b, b + 1, b + True, b * b, b * 2, b + 0.5, b.add(b, alpha=2), b.sum(), b.cumsum(0)),
    "quotients": lambda b: (b / b, b / 2, b // 1, b % 2, 1 // (b + 1), b.div(2, rounding_mode="floor")),
    "shifts": lambda b: (b << 1, b >> 1, 1 << b),
    "bits": lambda b: (b & b, b | 1, b ^ True, ~b, b & 3),
    "functions": lambda b: (b.exp(), b.sign(), b.clamp(0, 1), b.maximum(~b), b.amax(), b.prod(), b.sort()[0]),
}  # fmt: skip
OF_BYTES = {
    "wrap": lambda u: (u + u, u - 1, u**2, -u, u + 300, u << 1, u * u, u**u),
    "others": lambda u: (u >> 1, u // 2, u % -3, u % 7, u / 2, u.sum(), u.cumsum(0), u.prod(), ~u, u & 3, u.sign()),
}  # fmt: skip


@pytest.mark.parametrize(("array", "name", "function"), [
    (array, name, function)
    for array, table in ((I, OF_INTEGERS), (B, OF_BOOLS), (U, OF_BYTES), (I.astype(np.int8), OF_INTEGERS))
    for name, function in table.items()
])  # fmt: skip
def test_integers_and_bools(array, name, function):
    with jax.enable_x64(True):
        ours, theirs = function(eager.tensor(array)), function(torch.from_numpy(array))
        for number, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            found = _unequal(f"{name} {number}", our, their, [])
            assert not found, found


@pytest.mark.parametrize("use", [
    lambda i, b: i**-1, lambda i, b: b**-1, lambda i, b: b**b, lambda i, b: b - b, lambda i, b: b - True,
    lambda i, b: 1 - b, lambda i, b: i[:2] - b, lambda i, b: -b, lambda i, b: b // b, lambda i, b: b % b,
    lambda i, b: b.div(b, rounding_mode="trunc"), lambda i, b: i // 0, lambda i, b: i % 0, lambda i, b: 5 // i,
    lambda i, b: 5 % i, lambda i, b: i.div(0, rounding_mode="trunc"), lambda i, b: b << b, lambda i, b: i.float() << 1,
    lambda i, b: i.float() & 1, lambda i, b: ~i.float(), lambda i, b: i.add(i, alpha=2.5), lambda i, b: i.norm(),
    lambda i, b: i.var(), lambda i, b: b.mean(),
])  # fmt: skip
def test_what_torch_refuses_of_integers_and_bools(use):
    with pytest.raises((RuntimeError, TypeError, NotImplementedError)):
        use(torch.from_numpy(I), torch.from_numpy(B))
    with pytest.raises((RuntimeError, TypeError)):
        use(eager.tensor(I), eager.tensor(B))
