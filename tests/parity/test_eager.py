"""Tensor's methods, operators, indexing and dtypes against torch's: the same expression is run on both."""

import itertools

import jax
import numpy as np
import pytest
import torch

from funcvision import eager, nn
from funcvision import functional as pure
from funcvision.eager.nn import functional as F

from .reference import assert_close, nchw, random

X = random(0, 3, 4, 5)
POSITIVE = random(1, 3, 4, 5, low=0.3, high=2.0)
TIES = np.round(random(2, 3, 4, 5))
ROW = random(3, 5, low=0.5, high=1.5)
SQUARE = random(4, 4, 4)

UNARY = {
    "neg": lambda x: -x,
    "abs": lambda x: abs(x) + x.abs(),
    "exp": lambda x: x.exp() + x.expm1(),
    "log": lambda x: x.log() + x.log1p() + x.log2(),
    "sqrt": lambda x: x.sqrt() + x.rsqrt() + x.square() + x.reciprocal(),
    "sin": lambda x: x.sin() + x.cos() + x.tan() + x.erf() + x.tanh() + x.sigmoid(),
    "round": lambda x: x.round() + x.floor() + x.ceil() + x.trunc() + x.sign() + 0 * x,
    "relu": lambda x: x.relu(),
    "pow": lambda x: x**2 + x**-1 + x**0.5 + 2**x + x.pow(3),
    "numbers": lambda x: 1 - x / 2 + 3 / x * 2 - (x - 1) + x % 0.7,
    "alpha": lambda x: x.add(x, alpha=3).sub(x, alpha=0.5),
    "clamp": lambda x: x.clamp(-0.5, 0.5) + x.clamp(min=0.1) + x.clamp(max=0.2),
    "softmax": lambda x: x.softmax(1) + x.log_softmax(-1),
    "masked_fill": lambda x: x.masked_fill(x > 0.2, -1.0) * x,
    "where": lambda x: x.where(x > 0.2, x * 3),
    "cumsum": lambda x: x.cumsum(1),
    "clone": lambda x: x.clone() * x.detach(),
    "reshape": lambda x: x.reshape(4, -1) * x.view((4, 15)),
    "flatten": lambda x: x.flatten(1).unflatten(1, (2, 10)),
    "permute": lambda x: x.permute(2, 0, 1).transpose(0, -1).movedim(0, 1),
    "T": lambda x: x[0].T @ x[0].mT.t(),
    "squeeze": lambda x: x.unsqueeze(1).squeeze(1).unsqueeze(-1).squeeze().squeeze(0),
    "expand": lambda x: x[:, :1].expand(-1, 6, -1) * x[:1, :1].expand(3, 6, 5),
    "repeat": lambda x: x.repeat(2, 1, 3),
    "flip": lambda x: x.flip(0, 2).roll(1, 0).roll((1, 2), (0, 1)),
    "split": lambda x: x.split(2, 1)[1] * x.split([1, 2, 1], 1)[1] + x.chunk(3, -1)[0].sum(),
    "unbind": lambda x: x.unbind(1)[2] + sum(row for row in x)[1],
    "tril": lambda x: x.tril() + x.triu(1),
    "sum": lambda x: x.sum(1) * x.sum((0, 1)) + x.sum() + x.sum(-1, keepdim=True)[0, 0],
    "mean": lambda x: x.mean(1, True) * x.mean() + x.mean([0, 2], keepdim=True),
    "var": lambda x: x.var(1) + x.var() + x.var(1, False) + x.var(1, unbiased=False) + x.var(1, correction=2),
    "std": lambda x: x.std(2) + x.std() + x.std((1, 2), keepdim=True)[0],
    "norm": lambda x: x.norm() + x.norm(1, dim=1) + x.norm(3, dim=1) + x.norm(dim=1) + x.norm(float("inf"), 1),
    "prod": lambda x: x.prod(1) + x.prod(),
    "logsumexp": lambda x: x.logsumexp(1) + x.logsumexp((1, 2), True)[0],
    "max": lambda x: x.max() * x.max(1)[0] + x.max(1, keepdim=True).values[:, 0] + x.max(-x).sum(1),
    "min": lambda x: x.min() * x.min(1)[0] + x.min(-x).sum(1),
    "amax": lambda x: x.amax((0, 1)) + x.amin(0) + x.amax(),
    "sort": lambda x: x.sort(1)[0] + x.sort(-1, descending=True).values,
    "topk": lambda x: x.topk(2, 1)[0] + x.topk(2, 1, largest=False).values,
    "ints": lambda x: x[1, -2],
    "slices": lambda x: x[1:, ::2, -3:-1],
    "ellipsis": lambda x: x[..., 1] * x[:, None, :, 2:3].squeeze(-1).squeeze(1),
    "empty": lambda x: x[2:1].sum() + x[:, 1:4:7].sum(),
    "arrays": lambda x: x[[0, 2]] * x[:, [1, 1, 0, -1]][:2],
    "two arrays": lambda x: x[[0, 2], [1, 3]] * x[[0, 2], :, [1, 3]].sum(1, keepdim=True),
    "number and array": lambda x: x[0, :, [1, 3]],
    "mask": lambda x: x[x > 0.3] ** 2,
    "mask of axes": lambda x: x[:, (x.detach() > 0.3).any(2).any(0)] * 2,
    "assign": lambda x: assigned(x),
    "in place": lambda x: changed(x),
}  # fmt: skip


def assigned(x):
    y = x * 2
    y[0] = x[1] ** 2
    y[:, 1:3, ::2] *= 3
    y[1, :, [0, 4]] = 7.0
    y[y > 4] = 0.5
    y[2, 2] = ROW if isinstance(x, eager.Tensor) else torch.from_numpy(ROW)
    return y


def changed(x):
    y = x.clone()
    y += x
    y.mul_(x)
    y /= 2
    y.sub_(1).clamp_(-0.7, 0.7)
    z = y.clone()
    z.fill_(2.0)
    w = x.clone().zero_()
    w.copy_(x[0])
    return y * z + w


BINARY = {
    "arithmetic": lambda x, y: x + y - x * y / (y + 3) + x % y,
    "pow": lambda x, y: y**x + y.pow(y),
    "extremes": lambda x, y: x.maximum(y) + x.minimum(y) * y,
    "clamp": lambda x, y: x.clamp(-y, y),
    "cat": lambda x, y: cat(x)([x, (x * y)[:, :2]], 1) ** 2,
    "stack": lambda x, y: stack(x)([x, x * y], -2),
    "matmul": lambda x, y: (x @ x.mT) @ (x.matmul(y)).unsqueeze(-1) + y @ y,
    "expand_as": lambda x, y: y.expand_as(x) * x.view_as(x),
}  # fmt: skip


def cat(x):
    return eager.cat if isinstance(x, eager.Tensor) else torch.cat


def stack(x):
    return eager.stack if isinstance(x, eager.Tensor) else torch.stack


def compare(function, *arrays, rtol=None):
    ours = [eager.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    result, expected = function(*ours), function(*theirs)
    assert_close(result.array, expected, rtol=rtol)
    cotangent = random(99, *expected.shape)
    result.backward(cotangent)
    expected.backward(torch.from_numpy(cotangent))
    for our, their in zip(ours, theirs, strict=True):
        assert (our.grad is None) == (their.grad is None)
        if their.grad is not None:
            assert_close(our.grad.array, their.grad, rtol=rtol)


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    positive = name in ("log", "sqrt", "pow", "numbers", "norm", "prod")
    compare(UNARY[name], POSITIVE if positive else X)


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    compare(BINARY[name], X, ROW)


@pytest.mark.parametrize("name", ["abs", "relu", "max", "min", "amax", "clamp", "norm", "sort", "extremes"])
def test_derivatives_where_values_are_equal_or_zero(name):
    if name == "extremes":
        compare(BINARY[name], TIES, np.ones(5, np.float32))
    elif name == "norm":
        compare(lambda x: x.norm(dim=1) + x.norm(1, 1) + x.norm(), TIES * (TIES > 1))
        compare(lambda x: x.norm(), 0 * TIES)
    elif name == "clamp":
        compare(lambda x: x.clamp(-1, 1), TIES)
    else:
        compare(UNARY[name], TIES)


def test_gather_and_scatter():
    index = np.array([[[0, 2, 1, 0], [3, 1, -1, 0]]]) % 4
    compare(lambda x: x.gather(1, lift(x, index)) ** 2, X)
    compare(lambda x: x.gather(2, lift(x, index)), X)
    compare(lambda x: x.scatter(1, lift(x, np.array([[[3, 0, 1, 2]]])), x[:1, :1, :4] * 2) * x, X)
    compare(lambda x: x.scatter(2, lift(x, index), 4.0) * x, X)
    compare(lambda x: x.index_select(1, lift(x, np.array([3, 0, 3]))), X)
    compare(lambda x: x.masked_select(x.detach() > 0), X)


def lift(x, array):
    return eager.tensor(array) if isinstance(x, eager.Tensor) else torch.from_numpy(array)


WHOLE = {
    "argmax": lambda x: x.argmax(), "argmax dim": lambda x: x.argmax(1, keepdim=True), "argmin": lambda x: x.argmin(-1),
    "argsort": lambda x: x.argsort(-1, descending=True), "topk": lambda x: x.topk(3, 0).indices,
    "max": lambda x: x.max(1).indices, "comparison": lambda x: (x > 0) & (x <= 1) | ~(x != 0.5) ^ (x >= 3) | (x < -2),
    "eq": lambda x: x == x, "all": lambda x: (x > -9).all(), "any": lambda x: (x > 1).any(1),
    "nonzero": lambda x: (x > 1).nonzero(), "logical": lambda x: (x > 0).logical_and(x < 1).logical_or(x == 2),
    "isnan": lambda x: (x / 0).isnan() | (x / 0).isinf() & ~x.isfinite(), "not": lambda x: x.round().logical_not(),
    "long": lambda x: x.long(), "bool": lambda x: x.round().bool(), "int": lambda x: (3 * x).int() // 2 % 3,
    "count": lambda x: (x > 0).sum(1), "int8": lambda x: (x > 0).to(dtype(x, "int8")).cumsum(0),
    "double": lambda x: x.double() / 3, "half": lambda x: x.half() + 1, "type_as": lambda x: (x > 0).type_as(x),
    "trunc": lambda x: (10 * x).int().div(-3, rounding_mode="trunc"), "prod": lambda x: (x > -9).prod(),
    "floor": lambda x: x.div(0.3, rounding_mode="floor") + x // 0.7 + 1 // x + x // x[0],
    "remainder": lambda x: 5 % x + (3 * x).int() % 2, "sort": lambda x: x.sort(0).indices,
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_values_without_derivative(name):
    with jax.enable_x64(True):
        assert_close(WHOLE[name](eager.tensor(X)).array, WHOLE[name](torch.from_numpy(X)))


def dtype(x, name):
    return getattr(np if isinstance(x, eager.Tensor) else torch, name)


DTYPES = ["bool", "uint8", "int32", "int64", "float16", "float32", "float64"]
OPERATIONS = {
    "add": lambda x, y: x + y, "mul": lambda x, y: x * y, "div": lambda x, y: x / y, "rsub": lambda x, y: y * 2 - x * 1,
}  # fmt: skip


@pytest.mark.parametrize("first", DTYPES)
def test_dtypes_are_promoted_as_in_torch(first):
    with jax.enable_x64(True):
        for second, shape, name in itertools.product(DTYPES, [(2,), ()], ["add", "div"]):
            arrays = np.ones(2, first), np.ones(shape, second)
            ours = OPERATIONS[name](*map(eager.tensor, arrays))
            theirs = OPERATIONS[name](*(torch.from_numpy(np.array(a)) for a in arrays))
            assert ours.dtype == theirs.numpy().dtype, (name, second, shape)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_are_weak_as_in_torch(dtype):
    array = np.ones(2, dtype)
    with jax.enable_x64(True):
        for number, (name, operation) in itertools.product([True, 2, 2.5], OPERATIONS.items()):
            if name == "rsub" and number is True:
                continue  # torch raises an error
            ours, theirs = operation(eager.tensor(array), number), operation(torch.from_numpy(array), number)
            assert ours.dtype == theirs.numpy().dtype, (name, number)
        assert eager.tensor(2.5).dtype == np.float32
        assert eager.tensor([1]).dtype == np.int64
        assert (eager.tensor(array).exp()).dtype == torch.from_numpy(array).exp().numpy().dtype


def test_creation():
    with jax.enable_x64(True):
        pairs = [
            (eager.arange(5), torch.arange(5)), (eager.arange(1, 2, 0.25), torch.arange(1, 2, 0.25)),
            (eager.linspace(0, 1, 7), torch.linspace(0, 1, 7)), (eager.eye(3, 4), torch.eye(3, 4)),
            (eager.zeros(2, 3), torch.zeros(2, 3)), (eager.ones((2, 3)), torch.ones((2, 3))),
            (eager.full((2,), 3), torch.full((2,), 3)), (eager.tensor([[1, 2]]), torch.tensor([[1, 2]])),
            (eager.full_like(eager.ones(2), 5), torch.full_like(torch.ones(2), 5)),
            (eager.zeros_like(eager.arange(3)), torch.zeros_like(torch.arange(3))),
            (eager.where(eager.eye(2) > 0, 1.5, eager.eye(2)), torch.where(torch.eye(2) > 0, 1.5, torch.eye(2))),
        ]  # fmt: skip
        for ours, theirs in pairs:
            assert_close(ours.array, theirs)


def test_functions_and_losses():
    target = np.array([1, 0, 4])

    def ours(x, w):
        hidden = F.layer_norm(F.gelu(F.linear(x, w.T)), 5)
        return F.cross_entropy(hidden, eager.tensor(target), label_smoothing=0.1, reduction="none")

    def theirs(x, w):
        f = torch.nn.functional
        hidden = f.layer_norm(f.gelu(f.linear(x, w.T)), (5,))
        return f.cross_entropy(hidden, torch.from_numpy(target), label_smoothing=0.1, reduction="none")

    compare(lambda x, w: ours(x, w) if isinstance(x, eager.Tensor) else theirs(x, w), random(5, 3, 4), random(6, 4, 5))


def test_accumulation_shared_nodes_and_branches():
    def run(x, y):
        h = x * y
        a, b = h.split(2, 1)
        for _ in range(3):
            h = h + a.sum() * h.tanh()
        return (h * h.detach()).sum() + (a.mean() * b.max(1)[0]).sum()

    compare(run, X, POSITIVE)


class Small(nn.Module):
    def __init__(self):
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(pure.relu(self.bn(self.conv(x))).mean((-3, -2)))


class TorchSmall(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.bn = torch.nn.BatchNorm2d(4)
        self.fc = torch.nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(torch.relu(self.bn(self.conv(x))).mean((-2, -1)))


def test_a_training_loop_ends_where_torchs_does():
    images, labels = random(7, 6, 9, 7, 3, dtype="float64"), np.arange(6) % 5
    with jax.enable_x64(True):
        theirs = TorchSmall().double()
        ours = eager.Module(Small())
        ours.to(np.float64).load_state_dict(theirs.state_dict())
        our_optimizer = eager.optim.AdamW(ours.parameters(), lr=0.01)
        their_optimizer = torch.optim.AdamW(theirs.parameters(), lr=0.01)
        schedules = [
            module.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=12)
            for module, optimizer in ((eager.optim, our_optimizer), (torch.optim, their_optimizer))
        ]
        for step in range(12):
            if step == 8:
                ours.eval()
                theirs.eval()
            our_loss = F.cross_entropy(ours(images), labels)
            their_loss = torch.nn.functional.cross_entropy(theirs(nchw(images)), torch.from_numpy(labels))
            for loss, optimizer, schedule in zip(
                (our_loss, their_loss), (our_optimizer, their_optimizer), schedules, strict=True
            ):
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
            assert our_loss.item() == pytest.approx(their_loss.item(), rel=1e-9)
        for name, array in ours.state_dict().items():
            expected = theirs.state_dict()[name].numpy()
            np.testing.assert_allclose(array, expected, rtol=1e-7, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("kind", ["torch", "numpy", "Tensor", "jax"])
def test_state_dicts_have_torchs_names_and_axis_orders(kind):
    make = {"torch": lambda t: t, "numpy": lambda t: t.numpy(), "Tensor": lambda t: eager.tensor(t.numpy())}
    make["jax"] = lambda t: eager.tensor(t.numpy()).array
    for ours, theirs, shape in (
        (nn.Linear(3, 3), torch.nn.Linear(3, 3), (2, 3)),
        (nn.Conv2d(4, 4, 4), torch.nn.Conv2d(4, 4, 4), (2, 5, 5, 4)),
        (nn.ConvTranspose2d(2, 2, 2), torch.nn.ConvTranspose2d(2, 2, 2), (1, 2, 2, 2)),
        (nn.Embedding(3, 3), torch.nn.Embedding(3, 3), None),
        (Small(), TorchSmall(), (2, 9, 7, 3)),
    ):  # fmt: skip
        net = eager.Module(ours).eval()
        given = {name: make[kind](tensor) for name, tensor in theirs.state_dict().items()}
        assert net.load_state_dict(given) == ([], [])
        x = np.array([0, 2]) if shape is None else random(0, *shape)
        theirs.eval()
        if len(shape or ()) == 4:
            y = theirs(nchw(x)).detach()
            expected = y.movedim(1, -1) if y.ndim == 4 else y
        else:
            expected = theirs(torch.from_numpy(x)).detach()
        assert_close(net(x).array, expected, rtol=1e-4)
        saved = net.state_dict()
        assert list(saved) == list(theirs.state_dict())
        theirs.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in saved.items()})
        for name, array in saved.items():
            np.testing.assert_array_equal(array, theirs.state_dict()[name].numpy(), err_msg=name)


def test_state_dicts_of_other_dtypes_and_strictness():
    theirs, net = TorchSmall(), eager.Module(Small())
    for dtype in (torch.float64, torch.bfloat16, torch.float16):
        given = theirs.to(dtype).state_dict()
        given["bn.num_batches_tracked"] = torch.tensor([3])  # torch takes one element for a scalar
        theirs.load_state_dict(given)
        net.load_state_dict(given)
        assert int(net.state["bn.num_batches_tracked"]) == 3
        assert net.params["fc.weight"].dtype == np.float32
        assert_close(net.state_dict()["fc.weight"], theirs.float().state_dict()["fc.weight"])
    given = theirs.state_dict()
    given["extra"] = given.pop("fc.bias")
    ours, wanted = net.load_state_dict(given, strict=False), theirs.load_state_dict(given, strict=False)
    assert (ours.missing_keys, ours.unexpected_keys) == (wanted.missing_keys, wanted.unexpected_keys)
    with pytest.raises(RuntimeError, match="Missing key"):
        theirs.load_state_dict(given)
    with pytest.raises(ValueError, match=r"1 missing: fc\.bias; 1 unexpected: extra"):
        net.load_state_dict(given)


def test_a_layer_at_two_paths_has_both_names():
    theirs_layer, ours_layer = torch.nn.Linear(3, 3), nn.Linear(3, 3)
    theirs = torch.nn.Sequential(theirs_layer, torch.nn.ReLU(), theirs_layer)
    net = eager.Module(nn.Sequential(ours_layer, nn.ReLU(), ours_layer))
    assert list(net.state_dict()) == list(theirs.state_dict())
    net.load_state_dict(theirs.state_dict())
    x = random(0, 4, 3)
    assert_close(net(x).array, theirs(torch.from_numpy(x)), rtol=1e-4)
    assert len(list(net.parameters())) == len(list(theirs.parameters())) == 2


def test_manual_descent():
    def descend(module, w, x):
        for _ in range(5):
            loss = ((x * w).sum() - 3) ** 2 + w.norm()
            loss.backward()
            with module.no_grad():
                w -= 0.01 * w.grad
                w.grad.zero_()
        return w

    ours = descend(eager, eager.tensor(ROW, requires_grad=True), eager.tensor(X))
    theirs = descend(torch, torch.tensor(ROW, requires_grad=True), torch.tensor(X))
    assert_close(ours.array, theirs, rtol=1e-4)  # gradient descent amplifies rounding errors
    assert ours.is_leaf
    assert ours.requires_grad
