"""Forms of methods against torch: in place, with `out`, under second names, with arguments by name; and errors."""

import jax
import numpy as np
import pytest
import torch

from funcvision import eager

from .reference import assert_close, random

X, Y = random(0, 3, 3), random(1, 3, 3, low=0.5, high=2.0)
INTEGERS, OTHERS = np.arange(9).reshape(3, 3), np.full((3, 3), 3)
ALONE = (
    "abs", "absolute", "acos", "arccos", "asin", "atan", "ceil", "cos", "cosh", "deg2rad", "digamma", "erf", "erfc",
    "erfinv", "exp", "exp2", "expm1", "fix", "floor", "frac", "i0", "lgamma", "log", "log10", "log1p", "log2", "logit",
    "nan_to_num", "neg", "negative", "rad2deg", "reciprocal", "relu", "round", "rsqrt", "sgn", "sigmoid", "sign", "sin",
    "sinc", "sinh", "sqrt", "square", "tan", "tanh", "tril", "triu", "trunc", "zero",
)  # fmt: skip
WITH_A_TENSOR = (
    "add", "arctan2", "atan2", "copy", "copysign", "div", "divide", "eq", "floor_divide", "fmod", "ge", "greater", "gt",
    "heaviside", "hypot", "le", "less", "less_equal", "lt", "mul", "multiply", "ne", "nextafter", "not_equal", "pow",
    "remainder", "sub", "subtract", "true_divide", "xlogy", "logical_and", "logical_or", "logical_xor",
)  # fmt: skip
WITH_AN_INTEGER = (
    "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "gcd", "lcm", "add", "mul",
)  # fmt: skip
# The arguments besides the Tensor of methods that have a form in place
FLOATING = dict.fromkeys(ALONE, ()) | dict.fromkeys(WITH_A_TENSOR, (Y,))
FLOATING |= {
    "addcdiv": (Y, Y + 1), "addcmul": (Y, X), "lerp": (Y, 0.3), "clamp": (-0.5, 0.5), "clip": (0.1,),
    "clamp_min": (0.2,), "clamp_max": (0.1,), "cumsum": (1,), "cumprod": (0,), "fill": (2.0,), "addmm": (X, Y),
    "masked_fill": (X > 0, 1.5), "renorm": (2, 0, 1.0), "fill_diagonal": (7.0,), "addr": (Y[0], X[0]), "t": (),
    "transpose": (0, 1), "unsqueeze": (1,), "squeeze": (), "swapaxes": (0, 1), "logical_not": (),
    "index_fill": (0, np.array([0, 2]), 3.0), "index_add": (0, np.array([0, 2]), X[:2]),
    "index_copy": (1, np.array([0, 2]), X[:, :2]), "scatter": (0, INTEGERS % 3, 9.0),
    "scatter_add": (1, INTEGERS % 3, Y), "masked_scatter": (X > 0, Y),
}  # fmt: skip
INTEGRAL = dict.fromkeys(WITH_AN_INTEGER, (OTHERS,)) | {"bitwise_not": (), "neg": (), "square": ()}


def both(values):
    return [
        tuple(module.tensor(v) if isinstance(v, np.ndarray) else v for v in values) for module in (eager, torch)
    ]  # fmt: skip


@pytest.mark.parametrize("name", [*FLOATING, *(f"integer {name}" for name in INTEGRAL)])
def test_in_place(name):
    integral = name.startswith("integer ")
    name = name.removeprefix("integer ")
    start = INTEGERS if integral else (Y[:1] if name == "squeeze" else Y if name in ("log", "pow", "digamma") else X)
    ours, theirs = both((INTEGRAL if integral else FLOATING)[name])
    x, y = eager.tensor(start), torch.tensor(start)
    assert getattr(x, f"{name}_")(*ours) is x
    getattr(y, f"{name}_")(*theirs)
    assert_close(x.array, y.to(torch.int32) if integral else y, rtol=2e-5)
    assert x.stride() == y.stride()


def test_functions_in_place():
    for name in ("exp_", "relu_", "sigmoid_", "zero_", "neg_", "clamp_min_", "acos_"):
        x, y = eager.tensor(X), torch.tensor(X)
        arguments = (0.1,) if name == "clamp_min_" else ()
        assert getattr(eager, name)(x, *arguments) is x
        assert_close(x.array, getattr(torch, name)(y, *arguments))


def test_in_place_gradients():
    for change in (
        lambda x: x.exp_(), lambda x: x.mul_(3).add_(1), lambda x: x.sigmoid_(), lambda x: x.clamp_(-0.3, 0.4),
        lambda x: x.unsqueeze_(0).tanh_(), lambda x: x.t_().mul_(2), lambda x: x.cumsum_(1),
        lambda x: x.masked_fill_(x > 0.5, 0.0), lambda x: x.copy_(x[0] * 2), lambda x: x.fill_diagonal_(0.0),
    ):  # fmt: skip
        x, y = eager.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
        for leaf, module in ((x, eager), (y, torch)):
            changed = leaf * 2
            change(changed)
            (changed * module.tensor(Y).reshape(changed.shape)).sum().backward()
        assert_close(x.grad.array, y.grad)


def test_axes_in_place_of_views():
    for module in (eager, torch):
        x = module.tensor(np.arange(6.0, dtype="f").reshape(2, 3))
        row = x[0]
        x.t_()
        x[1, 0] = 50
        assert row.tolist() == [0, 50, 2]
        row.unsqueeze_(0).mul_(2)
        assert x.tolist() == [[0, 3], [100, 4], [4, 5]]


OUT = {
    "exp": lambda t, x, out: t.exp(x, out=out), "add": lambda t, x, out: t.add(x, 1, out=out),
    "sum": lambda t, x, out: t.sum(x, 1, out=out), "mean": lambda t, x, out: t.mean(x, dim=0, out=out),
    "matmul": lambda t, x, out: t.matmul(x, x, out=out), "cat": lambda t, x, out: t.cat([x, x], out=out),
    "stack": lambda t, x, out: t.stack([x, x], out=out), "acos": lambda t, x, out: t.acos(x, out=out),
    "clamp": lambda t, x, out: t.clamp(x, min=0.1, out=out), "mul": lambda t, x, out: t.mul(x, x, out=out),
}  # fmt: skip


@pytest.mark.parametrize("name", OUT)
def test_out(name):
    for shape in ((0,), (3, 3)):
        x, y = eager.zeros(shape), torch.zeros(shape)
        if name in ("exp", "add", "acos", "clamp", "mul", "matmul") or shape == (0,):
            assert OUT[name](eager, eager.tensor(X), x) is x
            OUT[name](torch, torch.tensor(X), y)
            assert_close(x.array, y)


def test_out_of_several_results_and_of_views():
    values, indices = eager.zeros(3), eager.zeros(3, dtype=eager.int64)
    found = eager.max(eager.tensor(X), 1, out=(values, indices))
    assert found.values is values
    assert indices.tolist() == X.argmax(1).tolist()
    for module in (eager, torch):
        x = module.zeros(2, 3)
        module.exp(module.zeros(3), out=x[1])
        assert x.tolist() == [[0, 0, 0], [1, 1, 1]]
        z = module.zeros(3, dtype=module.float64 if module is torch else module.float32)
        module.add(module.ones(3), 1, out=z)
        assert z.tolist() == [2, 2, 2]


NAMED = [
    lambda t, x: t.sum(input=x, dim=1), lambda t, x: t.sum(x, axis=1, keepdims=True), lambda t, x: x.mean(axis=(0, 1)),
    lambda t, x: t.softmax(input=x, dim=0), lambda t, x: x.softmax(dim=-1),
    lambda t, x: t.add(input=x, other=x, alpha=2), lambda t, x: t.clamp(input=x, min=0.0, max=0.3),
    lambda t, x: t.max(x, dim=1)[0], lambda t, x: x.argmax(dim=1, keepdim=True).float(),
    lambda t, x: x.transpose(dim0=0, dim1=1), lambda t, x: x.permute(dims=(1, 0)),
    lambda t, x: t.flatten(input=x, start_dim=0), lambda t, x: t.unsqueeze(input=x, dim=0),
    lambda t, x: t.squeeze(x[None], dim=0), lambda t, x: x.split(split_size=2, dim=1)[0],
    lambda t, x: x.chunk(chunks=2, dim=1)[1], lambda t, x: t.pow(input=x, exponent=2), lambda t, x: t.pow(2, x),
    lambda t, x: t.matmul(input=x, other=x), lambda t, x: t.mm(x, mat2=x), lambda t, x: t.roll(x, shifts=1, dims=0),
    lambda t, x: t.flip(x, dims=(0,)), lambda t, x: t.flip(x, [0, 1]), lambda t, x: x.flip((0,)),
    lambda t, x: t.topk(x, k=2, dim=1)[0], lambda t, x: t.sort(x, dim=0, descending=True)[0],
    lambda t, x: t.sort(x, stable=True)[0], lambda t, x: t.argsort(x, dim=1, stable=True).float(),
    lambda t, x: x.norm(p=1, dim=1), lambda t, x: t.norm(x), lambda t, x: t.var(x, dim=1, unbiased=False),
    lambda t, x: x.std(dim=1, correction=0), lambda t, x: t.cumsum(x, dim=1, dtype=t.float32),
    lambda t, x: x.sum(dtype=t.float32), lambda t, x: x.mean(dim=0, dtype=t.float32),
    lambda t, x: t.prod(x, dim=0, keepdim=True), lambda t, x: t.logsumexp(x, dim=(0, 1)),
    lambda t, x: t.all(x > -9, dim=1), lambda t, x: t.reshape(input=x, shape=(9,)),
    lambda t, x: x.reshape(shape=(9,)) if t is eager else x.reshape(9), lambda t, x: x.view(size=(9,)),
    lambda t, x: x.expand(size=(2, 3, 3)) if t is eager else x.expand((2, 3, 3)), lambda t, x: t.tril(x, diagonal=1),
    lambda t, x: t.triu(x, -1), lambda t, x: t.gather(input=x, dim=1, index=t.tensor([[0], [1], [2]])),
    lambda t, x: t.index_select(x, 0, t.tensor([0, 2])), lambda t, x: t.masked_select(x, x > 0),
    lambda t, x: t.where(x > 0, x, t.zeros(1)), lambda t, x: t.where(condition=x > 0, input=x, other=0.0),
    lambda t, x: t.div(x, 2, rounding_mode="floor"), lambda t, x: t.true_divide(x, 2), lambda t, x: t.rsub(x, 1),
    lambda t, x: t.round(x, decimals=1), lambda t, x: t.unbind(x, dim=1)[0], lambda t, x: t.movedim(x, 0, 1),
    lambda t, x: t.swapaxes(x, 0, 1), lambda t, x: t.swapdims(x, 0, 1), lambda t, x: t.amax(x, dim=(0, 1)),
    lambda t, x: t.log_softmax(x, dim=1), lambda t, x: t.log_softmax(x, 1, dtype=t.float32),
    lambda t, x: x.repeat(2, 1), lambda t, x: x.repeat(repeats=(2, 1)), lambda t, x: x.unflatten(dim=0, sizes=(3, 1)),
    lambda t, x: t.squeeze(x[None, None], (0, 1)), lambda t, x: x.new_tensor([1.0, 2.0]), lambda t, x: x.reshape_as(x),
    lambda t, x: x.type_as(x.half()).float(), lambda t, x: x.clone(memory_format=t.preserve_format),
    lambda t, x: t.clone(x), lambda t, x: t.detach(x), lambda t, x: x.masked_fill(mask=x > 0, value=1.0),
    lambda t, x: t.eq(x, x).float(), lambda t, x: x.T, lambda t, x: x.mT, lambda t, x: t.min(x, 0).values,
    lambda t, x: t.std(x, (0, 1)), lambda t, x: x.resize_(2, 2), lambda t, x: x.clone().resize_as_(t.zeros(1, 3)),
    lambda t, x: x.clone().apply_(lambda v: v * 2), lambda t, x: t.tensor(2.0) in t.tensor([2.0]),
    lambda t, x: t.equal(x, x), lambda t, x: t.allclose(x, x, rtol=1e-3, equal_nan=True),
    lambda t, x: t.is_same_size(x, x) if t is eager else True, lambda t, x: t.numel(x), lambda t, x: x.set_(t.ones(2)),
    lambda t, x: t.broadcast_shapes((2, 1), (3,)), lambda t, x: t.bitwise_not(x > 0).float(), lambda t, x: t.relu(x),
    lambda t, x: t.sigmoid(x), lambda t, x: x.sum(()), lambda t, x: x.item() if x.numel() == 1 else x[0, 0].item(),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(NAMED)))
def test_arguments_by_name(number):
    ours, theirs = NAMED[number](eager, eager.tensor(X)), NAMED[number](torch, torch.tensor(X))
    if isinstance(theirs, torch.Tensor):
        assert_close(ours.array, theirs, rtol=2e-5)
    else:
        assert ours == theirs


ERRORS = [
    lambda t, x: x[1.5], lambda t, x: x[::-1], lambda t, x: x[t.ones(4).bool()], lambda t, x: x[[0, 3]],
    lambda t, x: len(x[0, 0]), lambda t, x: iter(x[0, 0]), lambda t, x: x.int() // 0, lambda t, x: x @ x.int(),
    lambda t, x: x.clamp(), lambda t, x: x.int() ** -1, lambda t, x: x.where(x, 0), lambda t, x: x.split([1, 1]),
    lambda t, x: x.topk(9), lambda t, x: x.split(0), lambda t, x: x.squeeze(5), lambda t, x: x.sum(7),
    lambda t, x: x.transpose(0, 5), lambda t, x: x.reshape(4), lambda t, x: x.view(2, -1),
    lambda t, x: x.permute(0, 0), lambda t, x: x.expand(2, 3), lambda t, x: t.cat([x, t.ones(2)]),
    lambda t, x: t.stack([x, t.ones(2)]), lambda t, x: x @ t.ones(2), lambda t, x: x.unsqueeze(5),
    lambda t, x: x.flatten(0, 5), lambda t, x: t.cat([]), lambda t, x: x.add("a"), lambda t, x: x.bool() - x.bool(),
    lambda t, x: -x.bool(), lambda t, x: x.int().add(1, alpha=0.5), lambda t, x: t.ones(0).max(),
    lambda t, x: t.ones(0, 3).max(0), lambda t, x: x.chunk(0), lambda t, x: x.to("foo"),
    lambda t, x: t.zeros(2).fill_(t.zeros(2)), lambda t, x: x.repeat(2), lambda t, x: x.unflatten(0, (2, 2)),
    lambda t, x: x.movedim(0, 5), lambda t, x: x.flip(5), lambda t, x: x.roll(1, 5), lambda t, x: x.argmax(3),
    lambda t, x: x.index_select(0, t.tensor([5])), lambda t, x: x.masked_fill(x, 1), lambda t, x: x.softmax(5),
    lambda t, x: x.int().mean(), lambda t, x: x[None].t(), lambda t, x: x.gather(1, t.tensor([[4]])),
    lambda t, x: x + t.ones(2), lambda t, x: x.cumsum(4), lambda t, x: x.add_(t.ones(2, 3, 3)),
    lambda t, x: x.exp(unknown=1), lambda t, x: x.unbind(4), lambda t, x: x.norm(dim=4), lambda t, x: x.all(4),
    lambda t, x: x.size(5), lambda t, x: x.detach().requires_grad_().add_(1), lambda t, x: x.int().requires_grad_(),
    lambda t, x: x.int().exp_(),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors_are_of_torchs_class(number):
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        ERRORS[number](torch, torch.tensor(X))
    with pytest.raises(Exception) as ours:  # noqa: PT011
        ERRORS[number](eager, eager.tensor(X))
    assert issubclass(theirs.type, ours.type) and ours.type is not Exception, f"{ours.value!r} for {theirs.value!r}"  # noqa: PT018


STRIDED = [((2, 2), (1, 2), 0), ((2, 2), (3, 1), 1), ((3,), (2,), None), ((2, 3), (0, 1), 2), ((), (), 4)]


@pytest.mark.parametrize(("size", "stride", "offset"), STRIDED)
def test_as_strided(size, stride, offset):
    x, y = eager.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    ours, theirs = ((z if offset is not None else z[1:]).as_strided(size, stride, offset) for z in (x, y))
    assert_close(ours.array, theirs)
    assert ours.stride() == theirs.stride()
    (ours * 2).sum().backward()
    (theirs * 2).sum().backward()
    assert_close(x.grad.array, y.grad)


def test_writes_to_strided_views():
    for module in (eager, torch):
        x = module.zeros(3, 3)
        x.as_strided((3,), (4,)).fill_(1)
        x[1].as_strided((2,), (1,)).mul_(5).add_(2)
        assert x.tolist() == [[1, 0, 0], [2, 7, 0], [0, 0, 1]]
        z = module.as_strided_scatter(module.zeros(4), module.ones(2), (2,), (2,), 1)
        assert z.tolist() == [0, 1, 0, 1]
    with pytest.raises(RuntimeError, match="element 9 of 9"):
        eager.zeros(3, 3).as_strided((10,), (1,))


def test_settings_are_accepted():
    for module in (eager, torch):
        threads = module.get_num_threads()
        module.set_num_threads(threads)
        module.use_deterministic_algorithms(True, warn_only=True)
        assert module.are_deterministic_algorithms_enabled()
        module.use_deterministic_algorithms(False)
        before = module.get_float32_matmul_precision()
        module.set_float32_matmul_precision("high")
        assert module.get_float32_matmul_precision() == "high"
        module.set_float32_matmul_precision(before)
    jax.config.update("jax_default_matmul_precision", None)
    eager.set_default_tensor_type("torch.FloatTensor")
    assert eager.get_default_dtype() == eager.float32
    with pytest.raises(TypeError, match="no type of Tensors"):
        eager.set_default_tensor_type("torch.Whatever")
    with pytest.raises(RuntimeError, match="precision='low'"):
        eager.set_float32_matmul_precision("low")


def test_functions_of_whole_tensors():
    for ask in (
        lambda t: [x.tolist() for x in t.unravel_index(t.tensor([5, 1]), (2, 3))], lambda t: t.get_device(t.ones(1)),
        lambda t: t.is_inference(t.ones(1)), lambda t: t.typename(t.ones(1)), lambda t: t.ones(2).is_shared(),
        lambda t: t.tensor([1.0, 2.0]).map_(t.tensor([3.0, 4.0]), lambda a, b: a + b).tolist(),
        lambda t: t.dropout(t.ones(2), 0.5, False).tolist(),
        lambda t: t.conv1d(t.ones(1, 1, 3), t.ones(1, 1, 2)).tolist(), lambda t: t.zeros(2, 3).set_().shape[0],
        lambda t: t.ones(4).resize_(2, 3).tolist()[0], lambda t: complex(t.tensor(2j)), lambda t: 2.0 in t.ones(2),
        lambda t: t.zeros(1).is_nonzero(), lambda t: t.ones(2).is_set_to(t.ones(2)),
        lambda t: t.from_dlpack(t.ones(2)).tolist(),
    ):  # fmt: skip
        assert ask(eager) == ask(torch)
