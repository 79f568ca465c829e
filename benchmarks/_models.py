"""Contenders: a model in funcvision and in torch, for inference or for a training step with SGD.

Both sides have the same weights and the same images. The weights are torch's initial ones or, with `randomised`,
those of the parity tests. torch runs channels-last, which is faster. Dropout and stochastic depth are switched off on
both sides, because their random numbers differ. The loss is the sum over the outputs; GoogLeNet and Inception v3 have
several in training.
"""

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .harness import Prepared

RATE, MOMENTUM = 1e-4, 0.9  # with 0.01, amplified rounding errors make torch's eager and compiled losses differ by 1%
COMPARED = 2  # losses: the first checks the forward pass; the second, 4% lower, checks gradients and the update


PIXELS = {"inception_v3": 299, "swin_v2_t": 256}  # the other models take 224
CLIPS: dict[str, tuple[int, int, int]] = {  # frames, height and width
    **dict.fromkeys(("r3d_18", "mc3_18", "r2plus1d_18"), (16, 112, 112)),
    **dict.fromkeys(("s3d", "mvit_v1_b", "mvit_v2_s", "swin3d_t"), (16, 224, 224)),
}


def torch_model(name: str, randomised: bool = False) -> Any:
    import torch
    import torchvision

    torch.manual_seed(0)
    torch.nn.Dropout.forward = torchvision.ops.StochasticDepth.forward = lambda self, x: x
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model = torchvision.models.get_model(name, **options)
    if randomised:
        from tests.parity.layers import randomise

        randomise(model)
    return model


def batch(name: str, size: int, pixels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    pixels = pixels or PIXELS.get(name, 224)
    sides = CLIPS.get(name, (pixels, pixels))
    return rng.standard_normal((size, *sides, 3), np.float32), rng.integers(0, 400 if name in CLIPS else 1000, size)


def prepared(run: Callable[[], Any], calls: int = 1) -> Prepared:
    """Runs the first `calls`: their results are compared, and the time of the first is reported."""
    start = time.perf_counter()
    first = run()
    seconds = time.perf_counter() - start
    return run, np.asarray([first, *(run() for _ in range(calls - 1))]), seconds


def ours(name: str, task: str, size: int, randomised: bool = False) -> Prepared:
    import jax
    import optax

    from funcvision import functional as F
    from funcvision import nn
    from funcvision.vision import convert, models, ops

    nn.Dropout.forward = ops.StochasticDepth.forward = lambda self, x: x  # pyright: ignore[reportAttributeAccessIssue]
    images, labels = jax.tree.map(jax.numpy.asarray, batch(name, size))
    model = models.get_model(name)
    tensors = {name: tensor.numpy() for name, tensor in torch_model(name, randomised).state_dict().items()}
    params, state = convert.from_torch(model, tensors)
    del tensors

    if task == "infer":
        infer = jax.jit(lambda p, s, x: model.apply(p, s, x)[0])
        return prepared(lambda: infer(params, state, images).block_until_ready())

    return jax_training(
        lambda p, s, x: model.apply(p, s, x, train=True), params, state, images,
        lambda output: sum(F.cross_entropy(logits, labels) for logits in jax.tree.leaves(output)),
        optax.sgd(RATE, MOMENTUM),
    )


def jax_training(apply: Any, params: Any, state: Any, images: Any, loss_of: Any, optimizer: Any) -> Prepared:
    import jax
    import optax

    @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(params: Any, state: Any, moments: Any) -> Any:
        def objective(params: Any) -> Any:
            logits, new_state = apply(params, state, images)
            return loss_of(logits), new_state

        (loss, state), gradients = jax.value_and_grad(objective, has_aux=True)(params)
        updates, moments = optimizer.update(gradients, moments, params)
        return optax.apply_updates(params, updates), state, moments, loss

    held = [params, state, optimizer.init(params), 0.0]

    def run() -> float:
        held[:] = step(*held[:3])
        jax.block_until_ready(held)
        return float(held[3])

    return prepared(run, COMPARED)


def theirs(
    name: str, task: str, size: int, compiled: bool = False, randomised: bool = False, channels_last: bool = True
) -> Prepared:
    import os

    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    images, labels = batch(name, size)
    layout = torch.channels_last_3d if images.ndim == 5 else torch.channels_last
    chosen = layout if channels_last else torch.contiguous_format
    x = torch.from_numpy(images).movedim(-1, 1).contiguous(memory_format=chosen)
    y = torch.from_numpy(labels)
    model = torch_model(name, randomised)
    if channels_last:
        model = model.to(memory_format=layout)
    call = torch.compile(model) if compiled else model

    if task == "infer":
        model.eval()

        def infer() -> Any:
            with torch.inference_mode():
                return call(x)

        return prepared(infer)

    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)

    def step() -> float:
        optimizer.zero_grad()
        output = call(x)
        outputs = [output] if isinstance(output, torch.Tensor) else output
        loss = sum(torch.nn.functional.cross_entropy(logits, y) for logits in outputs)
        loss.backward()
        optimizer.step()
        return loss.item()

    return prepared(step, COMPARED)

