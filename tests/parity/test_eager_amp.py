"""autocast and GradScaler against torch on the CPU."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from funcvision import eager
from funcvision.eager import nn
from funcvision.eager.nn import functional as F

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 6), np.float32)
IMAGES = RNG.standard_normal((2, 3, 8, 8), np.float32)
LABELS = np.array([0, 2, 1, 5])


def programs(t, f):
    """Values by name, computed within autocast."""
    x, images, labels = t.tensor(X), t.tensor(IMAGES), t.tensor(LABELS)
    half = (x @ x.T) @ x
    yield "matmul", half
    yield "linear", f.linear(x, x)
    yield "conv2d", f.conv2d(images, images[:, :, :3, :3])
    yield "attention", f.scaled_dot_product_attention(x[None], x[None], x[None])
    yield "softmax", t.softmax(half, 1)
    yield "layer_norm", f.layer_norm(half, (6,), x[0], x[1])
    yield "cross_entropy", f.cross_entropy(half, labels)
    yield "mse_loss", f.mse_loss(half, x)
    yield "sum", half.sum()
    yield "exp", half.exp()
    yield "mixed", half + x
    yield "prod", half.prod()
    yield "gelu of float32", f.gelu(x)


def test_dtypes_and_values():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        theirs = dict(programs(torch, torch.nn.functional))
    with eager.autocast("cpu", dtype=jnp.bfloat16):
        mine = dict(programs(eager, F))
    for name, expected in theirs.items():
        assert str(mine[name].array.dtype) == str(expected.dtype).removeprefix("torch."), name
        np.testing.assert_allclose(
            np.asarray(mine[name].array, np.float32), expected.float().numpy(), rtol=0.06, atol=0.06, err_msg=name
        )


def test_gradients_are_those_of_float32_weights():
    weight = RNG.standard_normal((3, 6)).astype(np.float32)
    results = []
    for t in (torch, eager):
        w = t.tensor(weight, requires_grad=True)
        with t.autocast("cpu", dtype=t.bfloat16 if t is torch else jnp.bfloat16):
            y = (torch.nn.functional if t is torch else F).linear(t.tensor(X), w)
            loss = (y.float() ** 2).mean()
        loss.backward()
        assert w.grad.dtype == w.dtype
        results.append(w.grad.numpy())
    np.testing.assert_allclose(results[1], results[0], rtol=0.03, atol=0.02)


def test_dtypes_of_layers():
    def dtypes(t, layers):
        x, images = t.ones(2, 5, 8), t.ones(2, 3, 8, 8)
        with t.autocast("cpu"):
            maps, rows = layers.Conv2d(3, 4, 3)(images), layers.Linear(8, 4)(x)
            results = [
                maps, rows, layers.GRU(8, 4)(x)[0], layers.RNN(8, 4)(x)[0], layers.LSTM(8, 4)(x)[0],
                layers.MultiheadAttention(8, 2)(x, x, x)[0], layers.BatchNorm2d(4)(maps), layers.GroupNorm(2, 4)(maps),
                layers.PReLU()(rows), layers.Softmax(1)(rows), layers.BCEWithLogitsLoss()(rows, t.ones(2, 5, 4)),
                layers.TransformerEncoderLayer(8, 2, 16)(x), t.cat([rows, x[..., :4]]), rows * x[..., :4],
            ]
        return [str(result.dtype) for result in results]

    assert dtypes(eager, nn) == dtypes(torch, torch.nn)


def test_layers():
    linear, norm = nn.Linear(6, 6), nn.LayerNorm(6)
    with eager.autocast("cpu"):
        y = norm(linear(eager.tensor(X)))
        assert y.array.dtype == jnp.bfloat16
        assert nn.CrossEntropyLoss()(y, eager.tensor(LABELS)).array.dtype == np.float32
        hidden, _ = nn.LSTM(6, 5, batch_first=True)(eager.tensor(X)[None])
        assert hidden.array.dtype == jnp.bfloat16
    y.float().sum().backward()
    assert linear.weight.grad.array.dtype == np.float32


def test_contexts_and_decorators():
    x = eager.tensor(X)

    @eager.autocast("cpu")
    def product():
        return (x @ x.T).array.dtype

    assert product() == jnp.bfloat16
    assert not eager.is_autocast_enabled()
    with eager.amp.autocast("cpu", dtype=jnp.float16):
        assert eager.is_autocast_enabled()
        assert eager.get_autocast_dtype("cpu") == jnp.float16
        assert (x @ x.T).array.dtype == jnp.float16
        with eager.autocast("cpu", enabled=False):
            assert (x @ x.T).array.dtype == np.float32
        assert product() == jnp.bfloat16
    assert (x @ x.T).array.dtype == np.float32
    with pytest.raises(RuntimeError, match="unsupported autocast device_type"):
        eager.autocast("abacus")
    with pytest.warns(UserWarning, match="no such device"):
        context = eager.autocast("mps")
    with context:
        assert (x @ x.T).array.dtype == np.float32
    with pytest.warns(UserWarning, match="bfloat16 or float16"):
        assert not eager.autocast("cpu", dtype=np.float32)._enabled


def test_the_form_of_cuda():
    with pytest.warns(UserWarning, match="no such device"):
        context = eager.cuda.amp.autocast(enabled=True, dtype=jnp.float16)
    assert (context.device, context.fast_dtype, context._enabled) == ("cuda", jnp.float16, False)
    assert not eager.cuda.amp.GradScaler(2.0**10, enabled=False).is_enabled()


def test_weights_are_cast_once():
    w, x = eager.tensor(X, requires_grad=True), eager.tensor(X.T.copy())
    with eager.autocast("cpu"):
        first, second = w @ x, w @ x
        assert first.grad_fn.next_functions[0][0] is second.grad_fn.next_functions[0][0]
        with eager.no_grad():
            w += 1
        third = w @ x
        assert first.grad_fn.next_functions[0][0] is not third.grad_fn.next_functions[0][0]
        np.testing.assert_allclose(np.asarray(third.array, np.float32), (X + 1) @ X.T, rtol=0.03, atol=0.1)


def test_compiled_functions():
    w, x = eager.tensor(X, requires_grad=True), eager.tensor(X.T.copy())

    @eager.compile
    def product(x):
        return w @ x

    assert product(x).array.dtype == np.float32
    with eager.autocast("cpu"):
        for _ in range(2):
            result = product(x)
            assert result.array.dtype == jnp.bfloat16
            assert (w @ x).array.dtype == jnp.bfloat16
    result.float().sum().backward()
    assert w.grad.array.dtype == np.float32
    assert product(x).array.dtype == np.float32


def test_the_scaler_says_that_it_does_nothing():
    eager.amp.GradScaler._has_warned = False
    with pytest.warns(UserWarning, match="scales nothing here"):
        scaler = eager.amp.GradScaler()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = eager.amp.GradScaler("cpu", growth_interval=5)
    w = eager.tensor([1.0, 2.0], requires_grad=True)
    optimizer = eager.optim.SGD([w], lr=0.5)
    loss = (w**2).sum()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert w.tolist() == [0, 0]
    assert scaler.get_scale() == 1
    scaler.load_state_dict(other.state_dict())
    assert scaler.get_growth_interval() == 5
    assert set(scaler.state_dict()) == set(torch.amp.GradScaler("cpu").state_dict())
    disabled = eager.amp.GradScaler(enabled=False)
    assert disabled.state_dict() == {}
    with pytest.raises(RuntimeError, match="empty"):
        scaler.load_state_dict({})


def test_functions_of_ones_own():
    class Product(eager.autograd.Function):
        @staticmethod
        @eager.amp.custom_fwd(device_type="cpu", cast_inputs=np.float32)
        def forward(ctx, x, y):
            seen.append((x.array.dtype, eager.is_autocast_enabled()))
            ctx.save_for_backward(x, y)
            return x @ y

        @staticmethod
        @eager.amp.custom_bwd(device_type="cpu")
        def backward(ctx, gradient):
            x, y = ctx.saved_tensors
            seen.append(eager.is_autocast_enabled())
            return gradient @ y.T, x.T @ gradient

    seen = []
    x = eager.tensor(X, requires_grad=True)
    with eager.autocast("cpu"):
        result = Product.apply(x.bfloat16(), x.detach().T)
        assert result.array.dtype == np.float32
        result.sum().backward()
    assert seen == [(np.float32, False), False]
    assert x.grad.array.dtype == np.float32
