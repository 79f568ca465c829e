"""ResNet-50, inference and a training step with SGD, against torch eager and compiled, and flax."""

from typing import Any

from ._models import MOMENTUM, RATE, batch, jax_training, prepared, torch_model
from .harness import Contender, Prepared, compare


def flax(name: str, task: str, size: int) -> Prepared:
    import jax
    import optax

    from funcvision.vision import convert, models

    from ._flax_resnet import ResNet50, from_flat

    images, labels = jax.tree.map(jax.numpy.asarray, batch(name, size))
    tensors = {k: v.numpy() for k, v in torch_model(name).state_dict().items()}
    params, state = from_flat(*convert.from_torch(models.resnet50(), tensors))
    if task == "infer":
        infer = jax.jit(lambda p, s, x: ResNet50().apply({"params": p, "batch_stats": s}, x, train=False))
        return prepared(lambda: infer(params, state, images).block_until_ready())

    def apply(p: Any, s: Any, x: Any) -> Any:
        logits, new = ResNet50().apply({"params": p, "batch_stats": s}, x, train=True, mutable=["batch_stats"])
        return logits, new["batch_stats"]

    def loss(logits: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    return jax_training(apply, params, state, images, loss, optax.sgd(RATE, MOMENTUM))


def main(size: int = 8) -> None:
    for task, rounds in (("infer", 15), ("train", 7)):
        shared = {"name": "resnet50", "task": task, "size": size}
        compare(f"ResNet-50, batch {size}, 224x224, {task}", [
            Contender("funcvision", "benchmarks._models", "ours", shared),
            Contender("torch eager", "benchmarks._models", "theirs", shared),
            Contender("torch.compile", "benchmarks._models", "theirs", shared | {"compiled": True}),
            Contender("flax.linen", __name__, "flax", shared),
        ], rounds=rounds, rtol=2e-3)
