"""First and second derivatives of functions of Tensors against torch."""

import numpy as np
import pytest
import torch

from funcvision import eager
from funcvision.eager.nn import functional

RNG = np.random.default_rng(0)
POSITIVE = RNG.uniform(0.2, 0.9, (3, 4)).astype(np.float32)
MATRIX = RNG.standard_normal((3, 4)).astype(np.float32)
WEIGHT = RNG.standard_normal((5, 4)).astype(np.float32)
IMAGES = RNG.standard_normal((2, 3, 6, 6)).astype(np.float32)
KERNEL = RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)
GRID = np.linspace(-0.9, 0.9, 64, dtype=np.float32).reshape(2, 4, 4, 2)
PLACES = np.array([[0, 2], [1, 1], [3, 0]])

# Each is a function of (torch or eager, nn.functional, a Tensor), and the values of the Tensor. Results that are linear
# in the Tensor are squared, so that they have second derivatives.
CASES = {
    "linear": (lambda t, f, x: f.linear(x, t.tensor(WEIGHT)).tanh(), MATRIX),
    "conv2d": (lambda t, f, x: f.conv2d(x, t.tensor(KERNEL), padding=1).sigmoid(), IMAGES),
    "conv_transpose2d": (
        lambda t, f, x: f.conv_transpose2d(x, t.tensor(KERNEL.transpose(1, 0, 2, 3).copy()), stride=2).tanh(), IMAGES,
    ),
    "max_pool2d": (lambda t, f, x: f.max_pool2d(x, 2) ** 2, IMAGES),
    "avg_pool2d": (lambda t, f, x: f.avg_pool2d(x, 2) ** 2, IMAGES),
    "batch_norm": (lambda t, f, x: f.batch_norm(x, None, None, training=True) ** 2, IMAGES),
    "layer_norm": (lambda t, f, x: f.layer_norm(x, (4,)) ** 2, MATRIX),
    "group_norm": (lambda t, f, x: f.group_norm(x, 3) ** 2, IMAGES),
    "gelu": (lambda t, f, x: f.gelu(x), MATRIX),
    "silu": (lambda t, f, x: f.silu(x), MATRIX),
    "elu": (lambda t, f, x: f.elu(x), MATRIX),
    "softplus": (lambda t, f, x: f.softplus(x), MATRIX),
    "leaky_relu": (lambda t, f, x: f.leaky_relu(x) ** 2, MATRIX),
    "log_softmax": (lambda t, f, x: f.log_softmax(x, 1), MATRIX),
    "cross_entropy": (lambda t, f, x: f.cross_entropy(x, t.tensor(np.array([0, 1, 3]))), MATRIX),
    "bce": (lambda t, f, x: f.binary_cross_entropy_with_logits(x, t.tensor(POSITIVE)), MATRIX),
    "smooth_l1": (lambda t, f, x: f.smooth_l1_loss(x, t.tensor(POSITIVE)), MATRIX),
    "attention": (lambda t, f, x: f.scaled_dot_product_attention(x[None], x[None], x[None]), MATRIX),
    "interpolate": (lambda t, f, x: f.interpolate(x, scale_factor=2, mode="bilinear") ** 2, IMAGES),
    "pad": (lambda t, f, x: f.pad(x, (1, 1, 1, 1), mode="reflect") ** 2, IMAGES),
    "normalize": (lambda t, f, x: f.normalize(x, dim=1), MATRIX),
    "cosine": (lambda t, f, x: f.cosine_similarity(x, t.tensor(POSITIVE), dim=1), MATRIX),
    "embedding": (lambda t, f, x: f.embedding(t.tensor(np.array([0, 2, 2])), x) ** 2, MATRIX),
    "grid_sample": (lambda t, f, x: f.grid_sample(x, t.tensor(GRID), align_corners=False) ** 2, IMAGES),
    "norm": (lambda t, f, x: x.norm(), MATRIX),
    "norm of rows": (lambda t, f, x: x.norm(3, dim=1), MATRIX),
    "var": (lambda t, f, x: x.var(1), MATRIX),
    "std": (lambda t, f, x: x.std(), MATRIX),
    "cumprod": (lambda t, f, x: x.cumprod(1), MATRIX),
    "gather": (lambda t, f, x: x.gather(1, t.tensor(PLACES)) ** 2, MATRIX),
    "index": (lambda t, f, x: x[[0, 2, 2]] ** 3, MATRIX),
    "where": (lambda t, f, x: t.where(x > 0, x**3, x.exp()), MATRIX),
    "clamp": (lambda t, f, x: x.clamp(-0.5, 0.5) ** 2, MATRIX),
    "pow": (lambda t, f, x: x**2.5, POSITIVE),
    "logsumexp": (lambda t, f, x: x.logsumexp(0), MATRIX),
    "topk": (lambda t, f, x: x.topk(2, 1)[0] ** 2, MATRIX),
    "lgamma": (lambda t, f, x: t.lgamma(x), POSITIVE),
    "inv": (lambda t, f, x: t.linalg.inv(x[:, :3] @ x[:, :3].T + 2 * t.eye(3)), MATRIX),
    "slogdet": (lambda t, f, x: t.linalg.slogdet(x[:, :3])[1], MATRIX),
    "cholesky": (lambda t, f, x: t.linalg.cholesky(x @ x.T + t.eye(3)), MATRIX),
    "eigvalsh": (lambda t, f, x: t.linalg.eigvalsh(x @ x.T), MATRIX),
    "einsum": (lambda t, f, x: t.einsum("ij,kj->ik", x, x), MATRIX),
}


def derivatives(t, f, function, values):
    """The gradient of a function of a result, and the gradient of a function of that gradient."""
    x = t.tensor(values, requires_grad=True)
    y = function(t, f, x)
    weights = t.tensor(np.cos(np.arange(y.numel(), dtype=np.float32)).reshape(tuple(y.shape)))
    (first,) = t.autograd.grad((y * weights).sum() + (y * y).sum(), x, create_graph=True)
    weights = t.tensor(np.sin(np.arange(x.numel(), dtype=np.float32)).reshape(tuple(x.shape)))
    (second,) = t.autograd.grad((first * weights).sum() + (first * first).sum(), x)
    return first.detach().numpy(), second.numpy()


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    mine, theirs = derivatives(eager, functional, *CASES[name]), derivatives(torch, torch.nn.functional, *CASES[name])
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-4 * np.abs(other).max())
