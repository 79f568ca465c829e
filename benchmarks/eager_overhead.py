"""A training step of ResNet-18 in the eager face against the same step as one pure jitted function.

Limit: 1.1 times. Both sides start with the same arrays. Their parameters after three steps must agree.
"""

from typing import Any

import numpy as np

from .harness import Contender, Prepared, compare

RATE, MOMENTUM = 0.01, 0.9


def batch(size: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((size, side, side, 3), np.float32), rng.integers(0, 10, size)


def _some(params: Any) -> np.ndarray:
    """The first numbers of every parameter."""
    return np.concatenate([np.ravel(params[name])[:100] for name in sorted(params)])


def through_eager(size: int, side: int) -> Prepared:
    import jax

    from funcvision import eager
    from funcvision.eager import optim
    from funcvision.eager.nn import functional as F
    from funcvision.vision import models

    images, labels = map(eager.tensor, batch(size, side))
    net = eager.Module(models.resnet18(num_classes=10), seed=0)
    optimizer = optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)

    def step() -> None:
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        jax.block_until_ready((loss.array, net.params, net.state))

    for _ in range(3):
        step()
    return step, _some(net.params)


def pure(size: int, side: int) -> Prepared:
    import functools

    import jax
    import optax

    from funcvision import functional as F
    from funcvision.vision import models

    images, labels = jax.tree.map(jax.numpy.asarray, batch(size, side))
    model = models.resnet18(num_classes=10)
    optimizer = optax.sgd(RATE, momentum=MOMENTUM)

    @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
    def update(params: Any, state: Any, moments: Any, images: Any, labels: Any) -> Any:
        def objective(params: Any) -> Any:
            logits, new_state = model.apply(params, state, images, train=True)
            return F.cross_entropy(logits, labels), new_state

        (loss, new_state), gradients = jax.value_and_grad(objective, has_aux=True)(params)
        updates, moments = optimizer.update(gradients, moments, params)
        return optax.apply_updates(params, updates), new_state, moments, loss

    params, state = model.init(jax.random.key(0))
    held = [params, state, optimizer.init(params)]

    def step() -> None:
        *held[:], _ = jax.block_until_ready(update(*held, images, labels))

    for _ in range(3):
        step()
    return step, _some(held[0])


def main(size: int = 16, side: int = 64) -> None:
    shared = {"size": size, "side": side}
    compare(f"ResNet-18, batch {size}, {side}x{side}, training step", [
        Contender("eager face", __name__, "through_eager", shared),
        Contender("one pure jitted function", __name__, "pure", shared),
    ], rounds=31, rtol=1e-3)  # fmt: skip


if __name__ == "__main__":
    main()
