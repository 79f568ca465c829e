"""ResNet-50, inference and a training step with SGD, against torch eager and compiled, and flax.

All sides hold the same weights (torch's initial ones) and see the same images. torch runs channels-last, as its users
would for speed.
"""

import functools
from typing import Any

import numpy as np

from .harness import Contender, Prepared, compare

RATE, MOMENTUM = 1e-4, 0.9  # at 0.01 torch's own two modes differ by 1% in the second loss: rounding, amplified
COMPARED = 2  # losses: one tells of the forward pass, the other, 4% lower, of gradients and update


def torch_model(name: str = "resnet50") -> Any:
    import torch
    import torchvision

    torch.manual_seed(0)
    return torchvision.models.get_model(name)


def batch(size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((size, 224, 224, 3), np.float32), rng.integers(0, 1000, size)


def ours(task: str, size: int, name: str = "resnet50") -> Prepared:
    import jax
    import optax

    from funcvision import functional as F
    from funcvision.vision import convert, models

    images, labels = jax.tree.map(jax.numpy.asarray, batch(size))
    model = models.get_model(name)
    params, state = convert.from_torch(model, {k: v.numpy() for k, v in torch_model(name).state_dict().items()})

    if task == "infer":
        infer = jax.jit(lambda p, s, x: model.apply(p, s, x)[0])
        return lambda: infer(params, state, images).block_until_ready(), infer(params, state, images)

    return _jax_training(
        lambda p, s, x: model.apply(p, s, x, train=True, key=jax.random.key(0)), params, state, images,
        lambda logits: F.cross_entropy(logits, labels), optax.sgd(RATE, MOMENTUM),
    )


def _jax_training(apply: Any, params: Any, state: Any, images: Any, loss_of: Any, optimizer: Any) -> Prepared:
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

    def run() -> None:
        held[:] = step(*held[:3])
        jax.block_until_ready(held)

    losses = []
    for _ in range(COMPARED):
        run()
        losses.append(float(held[3]))
    return run, np.asarray(losses)


def theirs(task: str, size: int, compiled: bool, name: str = "resnet50") -> Prepared:
    import os

    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    images, labels = batch(size)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy(labels)
    model = torch_model(name).to(memory_format=torch.channels_last)
    call = torch.compile(model) if compiled else model

    if task == "infer":
        model.eval()

        def infer() -> Any:
            with torch.inference_mode():
                return call(x)

        return infer, infer().numpy()

    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)
    losses: list[float] = []

    def step() -> None:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(call(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    for _ in range(COMPARED):
        step()
    return step, np.asarray(losses[:COMPARED])


def flax(task: str, size: int) -> Prepared:
    import jax
    import optax

    from funcvision.vision import convert, models

    from ._flax_resnet import ResNet50, from_flat

    images, labels = jax.tree.map(jax.numpy.asarray, batch(size))
    tensors = {k: v.numpy() for k, v in torch_model().state_dict().items()}
    params, state = from_flat(*convert.from_torch(models.resnet50(), tensors))
    if task == "infer":
        infer = jax.jit(lambda p, s, x: ResNet50().apply({"params": p, "batch_stats": s}, x, train=False))
        return lambda: infer(params, state, images).block_until_ready(), infer(params, state, images)

    def apply(p: Any, s: Any, x: Any) -> Any:
        logits, new = ResNet50().apply({"params": p, "batch_stats": s}, x, train=True, mutable=["batch_stats"])
        return logits, new["batch_stats"]

    def loss(logits: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    return _jax_training(apply, params, state, images, loss, optax.sgd(RATE, MOMENTUM))


def main(size: int = 8) -> None:
    for task, rounds in (("infer", 15), ("train", 7)):
        shared = {"task": task, "size": size}
        compare(f"ResNet-50, batch {size}, 224x224, {task}", [
            Contender("funcvision", __name__, "ours", shared),
            Contender("torch eager", __name__, "theirs", shared | {"compiled": False}),
            Contender("torch.compile", __name__, "theirs", shared | {"compiled": True}),
            Contender("flax.linen", __name__, "flax", shared),
        ], rounds=rounds, rtol=2e-3)
