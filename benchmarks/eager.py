"""The eager face against torch: steps of scripts, the overhead of operations, and shapes never seen before.

Limits: an addition of two 64x64 Tensors that require a gradient takes at most 1.3 times that of `jax.numpy.add`. An
episode of a length that was never seen before takes at most 5 times that of torch, with an empty compilation cache. A
training step of a script takes at most 1.2 times that of torch under `eager.compile`, and at most 2 times uncompiled; a
compiled one of ResNet-18 takes at most 1.05 times that of the pure model in one jitted function.

`python -m benchmarks.eager PART ...` runs some parts only: overhead, new_lengths, cnn, vae, lstm, transformer,
resnet18.
"""

import functools
import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._eager_scripts import DROPOUT, SCRIPTS, face, pictures, set_dropout
from .harness import Contender, Prepared, compare

REPEATS = 300  # operations in one turn
LENGTHS = range(20, 320)  # of episodes; each occurs once
EPISODES = 3  # in one turn
RATE = 0.01


def _torch(name: str) -> Any:
    """torch, or the eager face in its place."""
    if name == "torch":
        import torch

        return torch
    import jax

    from funcvision import eager

    jax.config.update("jax_enable_compilation_cache", False)
    return eager


# Overhead


def _pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 64, 64)).astype(np.float32)
    return first, second


def _chain(x: Any, y: Any) -> Any:
    """A loss of twenty elementwise operations."""
    z = x
    for _ in range(10):
        z = (z + y) * y
    return z.sum()


def _repeated(function: Callable[[], Any], times: int) -> Callable[[], Any]:
    def run() -> None:
        result: Any = None
        for _ in range(times):
            result = function()
        getattr(result, "array", result)[0, 0].item()

    return run


def addition(name: str) -> Prepared:
    """REPEATS additions of two 64x64 arrays, which require a gradient unless they are jax's."""
    first, second = _pair()
    if name == "jax.numpy":
        import jax.numpy as jnp

        x, y = jnp.asarray(first), jnp.asarray(second)
        add: Callable[[], Any] = functools.partial(jnp.add, x, y)
    else:
        torch = _torch(name)
        x, y = torch.tensor(first, requires_grad=True), torch.tensor(second, requires_grad=True)
        add = lambda: x + y  # noqa: E731
    result: Any = add()
    answer = np.asarray(result if name == "jax.numpy" else result.detach())
    run = _repeated(add, REPEATS)
    run()  # the calls after which the eager face compiles
    return run, answer


def creation(name: str) -> Prepared:
    """REPEATS Tensors of a numpy array."""
    torch, (first, _) = _torch(name), _pair()
    run = _repeated(lambda: torch.tensor(first), REPEATS)
    run()
    return run, torch.tensor(first).numpy()


def chain(name: str, backward: bool) -> Prepared:
    """Twenty elementwise operations on 64x64 arrays, and the backward pass through them."""
    torch, (first, second) = _torch(name), _pair()
    x: Any = torch.tensor(first, requires_grad=True)
    y = torch.tensor(second)

    def run() -> None:
        loss: Any = None
        for _ in range(20):
            loss = _chain(x, y)
            if backward:
                x.grad = None
                loss.backward()
        result: Any = x.grad if backward else loss
        result.sum().item()

    for _ in range(10):
        run()
    return run, (x.grad if backward else _chain(x, y).detach()).numpy()


def training_step(name: str) -> Prepared:
    """Steps of SGD with momentum of a small multilayer perceptron, on a batch of 32."""
    torch, rng = _torch(name), np.random.default_rng(0)
    sizes = [16, 32, 32, 4]
    weights = [
        torch.tensor((0.3 * rng.standard_normal(shape)).astype(np.float32), requires_grad=True)
        for shape in itertools.pairwise(sizes)
    ]
    inputs = torch.tensor(rng.standard_normal((32, 16)).astype(np.float32))
    targets = torch.tensor(rng.standard_normal((32, 4)).astype(np.float32))
    if name == "torch":
        from torch import optim
    else:
        from funcvision.eager import optim
    optimizer = optim.SGD(weights, lr=RATE, momentum=0.9)

    def step() -> Any:
        x = inputs
        for weight in weights[:-1]:
            x = (x @ weight).relu()
        loss = ((x @ weights[-1] - targets) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    answer = np.array([step() for _ in range(10)])

    def run() -> None:
        for _ in range(10):
            step()

    for _ in range(12):
        run()
    return run, answer


# Shapes never seen before


def episodes(name: str) -> Prepared:
    """REINFORCE with a policy of two layers. Each turn has EPISODES episodes of new lengths."""
    torch, rng = _torch(name), np.random.default_rng(0)
    first = torch.tensor((0.1 * rng.standard_normal((4, 128))).astype(np.float32), requires_grad=True)
    second = torch.tensor((0.1 * rng.standard_normal((128, 2))).astype(np.float32), requires_grad=True)
    lengths = iter(rng.permutation(LENGTHS).tolist())

    def episode() -> float:
        chosen, rewards = [], []
        for _ in range(next(lengths)):
            state = torch.tensor(rng.standard_normal((1, 4)).astype(np.float32))
            scores = ((state @ first).relu() @ second).log_softmax(1)
            action = int(rng.random() > scores.detach().exp().numpy()[0, 0])
            chosen.append(scores[0, action])
            rewards.append(float(state[0, 0].item() > 0) + action)
        returns: list[float] = []
        for reward in reversed(rewards):
            returns.append(reward + 0.99 * (returns[-1] if returns else 0))
        gains = torch.tensor(returns[::-1])
        gains = (gains - gains.mean()) / (gains.std() + 1e-6)
        losses = [-log_probability * gain for log_probability, gain in zip(chosen, gains, strict=True)]
        loss = torch.stack(losses).sum()
        loss.backward()
        with torch.no_grad():
            for weights in (first, second):
                weights -= RATE * weights.grad
                weights.grad = None
        return loss.item()

    def run() -> None:
        for _ in range(EPISODES):
            episode()

    return run, np.array([episode() for _ in range(5)])


def _against(title: str, function: str, others: tuple[str, ...], rounds: int, **options: Any) -> None:
    contenders = [
        Contender(name, __name__, function, {"name": name, **options}) for name in ("eager face", *others)
    ]
    compare(title, contenders, rounds=rounds, rtol=1e-3)


def overhead() -> None:
    """The time of small operations when they are compiled."""
    _against(f"{REPEATS} additions, 64x64, requires_grad", "addition", ("jax.numpy", "torch"), 31)
    _against(f"{REPEATS} Tensors of a numpy array, 64x64", "creation", ("torch",), 31)
    _against("20 x 20 elementwise operations, 64x64", "chain", ("torch",), 31, backward=False)
    _against("20 x 20 elementwise operations and backward", "chain", ("torch",), 31, backward=True)
    _against("10 steps of a small perceptron", "training_step", ("torch",), 31)


def new_lengths() -> None:
    """The time of shapes that were never seen before."""
    _against(f"{EPISODES} episodes of new lengths, empty compilation cache", "episodes", ("torch",), 21)


# Scripts


def script(name: str, part: str, compiled: bool = False, **options: Any) -> Prepared:
    """Training steps of a script on one batch. The answer holds the first losses, which are taken without dropout."""
    model, objective, after = SCRIPTS[part](name, **options)
    call = face(name)[0].compile(model) if compiled else model

    def step() -> float:
        model.zero_grad()
        loss = objective(call)
        loss.backward()
        after()
        return loss.item()

    set_dropout(model, 0.0)
    answer = np.array([step() for _ in range(3)])
    set_dropout(model, DROPOUT.get(part, 0.0))
    for _ in range(2):
        step()
    return step, answer


def pure_resnet18(batch: int, side: int) -> Prepared:
    """The steps of the script of ResNet-18 with the pure model, in one jitted function."""
    import jax.numpy as jnp
    import optax

    from funcvision import functional as F
    from funcvision.vision import convert, models

    from ._models import jax_training

    images, labels = pictures(batch, side)
    images, labels = jnp.asarray(images.transpose(0, 2, 3, 1)), jnp.asarray(labels)
    module, model = SCRIPTS["resnet18"]("eager face").model, models.resnet18()
    params, state = convert.from_torch(model, {name: t.numpy(force=True) for name, t in module.state_dict().items()})
    run, answer, *_ = jax_training(
        lambda p, s, x: model.apply(p, s, x, train=True), params, state, images,
        lambda logits: F.cross_entropy(logits, labels), optax.sgd(0.01, 0.9),
    )
    return run, np.array([*np.asarray(answer), run()])


def _script(part: str, title: str, rounds: int, **options: Any) -> None:
    names = {"eager face, compiled": True, "eager face, uncompiled": False, "torch": False}
    contenders = [
        Contender(name, __name__, "script", {"name": name, "part": part, "compiled": compiled, **options})
        for name, compiled in names.items()
    ]
    if part == "resnet18":
        contenders.insert(1, Contender("pure, jitted", __name__, "pure_resnet18", options))
    compare(title, contenders, rounds=rounds, rtol=1e-3)


def cnn() -> None:
    """The classifier of digits."""
    _script("cnn", "Digits, two convolutions, batch of 64", 21)


def vae() -> None:
    """The variational autoencoder."""
    _script("vae", "Variational autoencoder of digits, batch of 128", 31)


def lstm() -> None:
    """The language model with LSTMs."""
    for words in (5000, 33278):
        _script("lstm", f"Two LSTMs, {words} words, 35 x 20", 15, words=words)


def transformer() -> None:
    """The language model with a Transformer."""
    _script("transformer", "Transformer of two layers, 5000 words, 35 x 20", 15)


def resnet18() -> None:
    """ResNet-18 in torch's style."""
    _script("resnet18", "ResNet-18, 8 images of 96 x 96", 15, batch=8, side=96)


PARTS = {
    part.__name__: part for part in (overhead, new_lengths, cnn, vae, lstm, transformer, resnet18)
}  # fmt: skip


def main(parts: Sequence[str] = tuple(PARTS)) -> None:
    for part in parts:
        PARTS[part]()


if __name__ == "__main__":
    main(sys.argv[1:] or tuple(PARTS))
