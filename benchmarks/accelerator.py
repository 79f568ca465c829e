"""Whole models on a GPU: funcvision against the same model on plain `lax` convolutions, and against torch.

    python -m benchmarks accelerator

On an accelerator the convolutions of `functional` lower to what `lax.conv_general_dilated` lowers to, so the ratio to
`lax` should be 1. torch runs channels-last, in eager mode. Inference is in float32 (both libraries use TF32 for
convolutions and matrix products), the training step computes in bfloat16 with parameters in float32 (torch: autocast).
"""

import functools
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _models
from .harness import Contender, Prepared, Workers, compare

CASES = (
    ("resnet50", "infer", 128), ("resnet50", "train", 128), ("mobilenet_v2", "train", 128),
    ("convnext_tiny", "train", 64), ("vit_b_16", "infer", 128),
)
MEMORY = "0.25"  # share of the GPU's memory for each process of JAX


def main(rounds: int = 15) -> None:
    os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"] = MEMORY
    with Workers() as workers:
        for name, task, size in CASES:
            shared = {"name": name, "task": task, "size": size}
            compare(f"{name}, batch {size}, {task}", [
                Contender("funcvision", __name__, "ours", shared | {"plain": False}),
                Contender("lax", __name__, "ours", shared | {"plain": True}),
                Contender("torch eager", __name__, "torchs", shared),
            ], rounds=rounds, rtol=5e-2, workers=workers)


def ours(name: str, task: str, size: int, plain: bool) -> Prepared:
    import jax
    import jax.numpy as jnp
    import optax

    from funcvision import functional as F
    from funcvision import nn
    from funcvision.vision import convert, models, ops

    if jax.default_backend() == "cpu":
        raise RuntimeError("this benchmark is for an accelerator, and JAX finds none")
    nn.Dropout.forward = ops.StochasticDepth.forward = lambda self, x: x  # pyright: ignore[reportAttributeAccessIssue]
    if plain:
        nn.Conv2d.forward = _lax_conv2d  # pyright: ignore[reportAttributeAccessIssue]
    images, labels = jax.tree.map(jnp.asarray, _models.batch(name, size))
    model = models.get_model(name)
    tensors = {key: tensor.numpy() for key, tensor in _models.torch_model(name, task == "infer").state_dict().items()}
    params, state = convert.from_torch(model, tensors)
    if task == "infer":
        infer = jax.jit(lambda p, s, x: model.apply(p, s, x)[0])
        return _models.prepared(lambda: infer(params, state, images).block_until_ready())

    def apply(p: Any, s: Any, x: Any) -> Any:
        logits, s = model.apply(p, s, x.astype(jnp.bfloat16), train=True)
        return logits.astype(jnp.float32), s

    return _models.jax_training(
        apply, params, state, images, lambda logits: F.cross_entropy(logits, labels),
        optax.sgd(_models.RATE, _models.MOMENTUM),
    )


def _lax_conv2d(self: Any, x: Any) -> Any:
    """`nn.Conv2d.forward` on `lax.conv_general_dilated`, for numeric padding."""
    import jax

    pair = functools.partial(np.broadcast_to, shape=2)
    y = jax.lax.conv_general_dilated(
        x, self.weight.astype(x.dtype), tuple(map(int, pair(self.stride))),
        [(int(p), int(p)) for p in pair(self.padding)], rhs_dilation=tuple(map(int, pair(self.dilation))),
        feature_group_count=self.groups, dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y if self.bias is None else y + self.bias.astype(y.dtype)[None, None, None]


def torchs(name: str, task: str, size: int) -> Prepared:
    import torch

    torch.backends.cuda.matmul.allow_tf32 = True
    images, labels = _models.batch(name, size)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).cuda().contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy(labels).cuda()
    model = _models.torch_model(name, task == "infer").cuda().to(memory_format=torch.channels_last)
    if task == "train":
        return _models.prepared(torch_training(model, x, y), _models.COMPARED)
    model.eval()

    def infer() -> Any:
        with torch.inference_mode():
            logits = model(x)
        torch.cuda.synchronize()
        return logits

    start = time.perf_counter()
    logits = infer()
    return infer, logits.cpu().numpy()[None], time.perf_counter() - start


def torch_training(model: Any, x: Any, y: Any) -> Callable[[], float]:
    """A step with SGD under autocast to bfloat16."""
    import torch

    optimizer = torch.optim.SGD(model.parameters(), lr=_models.RATE, momentum=_models.MOMENTUM)

    def step() -> float:
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(model(x).float(), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
