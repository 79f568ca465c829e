"""Video classifiers and convolutions over three axes: inference, training steps and gradients, against torch and `lax`.

    python -m benchmarks video

One model of each family, batch 1: the ResNets with clips of 16x112x112, the others of 16x224x224. torch runs with both
memory formats, and the geometric means take the faster one. The convolutions are those of these models, in smaller
clips where `lax` would take seconds.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .conv_sweep import answer, summary
from .harness import Contender, Prepared, Workers, compare

NAMES = ("r3d_18", "mc3_18", "r2plus1d_18", "s3d", "mvit_v2_s", "swin3d_t")


class Case(NamedTuple):
    """A convolution of clips.

    Attributes:
        clip: frames, height, width and channels.
        kernel: frames, height and width.
        out: output channels.
        stride: in time, height and width.
        groups: number of groups.
    """

    clip: tuple[int, int, int, int]
    kernel: tuple[int, int, int]
    out: int
    stride: tuple[int, int, int] = (1, 1, 1)
    groups: int = 1

    @property
    def padding(self) -> tuple[int, ...]:
        return tuple(k // 2 if k > s or k == 1 else 0 for k, s in zip(self.kernel, self.stride, strict=True))

    def __str__(self) -> str:
        clip, kernel, stride = ("x".join(map(str, sides)) for sides in (self.clip, self.kernel, self.stride))
        groups = f", {self.groups} groups" if self.groups > 1 else ""
        return f"{clip}, {kernel}/{stride} to {self.out}{groups}"


CASES = (
    Case((4, 56, 56, 3), (3, 7, 7), 64, (1, 2, 2)), Case((8, 28, 28, 64), (3, 3, 3), 64),
    Case((8, 28, 28, 64), (3, 3, 3), 128, (2, 2, 2)), Case((4, 14, 14, 256), (3, 3, 3), 256),
    Case((2, 7, 7, 512), (3, 3, 3), 512), Case((8, 28, 28, 64), (1, 3, 3), 144),
    Case((8, 28, 28, 64), (1, 3, 3), 230, (1, 2, 2)), Case((16, 28, 28, 144), (3, 1, 1), 64),
    Case((16, 14, 14, 230), (3, 1, 1), 128, (2, 1, 1)), Case((8, 56, 56, 3), (3, 7, 7), 96, (2, 4, 4)),
    Case((8, 56, 56, 3), (2, 4, 4), 96, (2, 4, 4)), Case((8, 28, 28, 96), (3, 3, 3), 96, groups=96),
    Case((8, 28, 28, 96), (3, 3, 3), 96, (1, 2, 2), 96),
)


def arrays(case: Case) -> tuple[np.ndarray, ...]:
    """A clip, the weight and the gradient with respect to the output, channels last."""
    rng = np.random.default_rng(0)
    sides = zip(case.clip, case.kernel, case.stride, case.padding, strict=False)
    out = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in sides)
    shapes = (1, *case.clip), (*case.kernel, case.clip[-1] // case.groups, case.out), (1, *out, case.out)
    return tuple(rng.standard_normal(shape, np.float32) for shape in shapes)


def with_jax(case: Case, gradients: bool, plain: bool) -> Prepared:
    """By funcvision, or by `lax` if `plain` is set."""
    import jax

    from funcvision import functional as F

    def convolve(x: Any, w: Any) -> Any:
        if not plain:
            return F.conv3d(x, w, None, case.stride, case.padding, 1, case.groups)
        return jax.lax.conv_general_dilated(
            x, w, case.stride, [(p, p) for p in case.padding], feature_group_count=case.groups,
            dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
        )

    @jax.jit
    def work(x: Any, w: Any, cotangent: Any) -> Any:
        if not gradients:
            return (convolve(x, w),)
        y, pullback = jax.vjp(convolve, x, w)
        return (y, *pullback(cotangent))

    held = jax.tree.map(jax.numpy.asarray, arrays(case))
    return lambda: jax.block_until_ready(work(*held)), answer(*map(np.asarray, work(*held)))


def with_torch(case: Case, gradients: bool) -> Prepared:
    """By torch, with channels-last memory."""
    import os

    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    x, w, cotangent = map(torch.from_numpy, arrays(case))
    x, w, cotangent = (
        t.permute(order).contiguous(memory_format=torch.channels_last_3d).requires_grad_(gradients)
        for t, order in ((x, (0, 4, 1, 2, 3)), (w, (4, 3, 0, 1, 2)), (cotangent, (0, 4, 1, 2, 3)))
    )

    def work() -> tuple[torch.Tensor, ...]:
        y = torch.nn.functional.conv3d(x, w, None, case.stride, case.padding, 1, case.groups)
        return (y, *torch.autograd.grad(y, (x, w), cotangent)) if gradients else (y,)

    orders = ((0, 2, 3, 4, 1), (0, 2, 3, 4, 1), (2, 3, 4, 1, 0))
    return work, answer(*(t.detach().permute(order).numpy() for t, order in zip(work(), orders, strict=False)))


def convolutions(cases: Sequence[Case] = CASES, rounds: int = 3) -> None:
    """The convolutions, forward and with both gradients, against `lax` and torch."""
    for gradients in (False, True):
        rows = []
        with Workers() as workers:
            for case in cases:
                shared = {"case": case, "gradients": gradients}
                rows.append(compare(f"{case}{', with gradients' if gradients else ''}", [
                    Contender("funcvision", __name__, "with_jax", shared | {"plain": False}),
                    Contender("lax", __name__, "with_jax", shared | {"plain": True}),
                    Contender("torch", __name__, "with_torch", shared),
                ], rounds=rounds, workers=workers).ratios)
        for peer in ("lax", "torch"):
            what = f"convolutions{' with gradients' if gradients else ''}, to {peer}"
            print(summary(what, [row[peer] for row in rows]))


def classifiers(names: Sequence[str] = NAMES, size: int = 1, rounds: int = 3) -> None:
    """Inference and a training step of each model, against torch with either memory format."""
    for task in ("infer", "train"):
        ratios = []
        for name in names:
            shared = {"name": name, "task": task, "size": size}
            result = compare(f"{name}, batch {size}, {task}", [
                Contender("funcvision", "benchmarks._models", "ours", shared),
                Contender("torch", "benchmarks._models", "theirs", shared | {"channels_last": False}),
                Contender("torch channels-last", "benchmarks._models", "theirs", shared),
            ], rounds=rounds, rtol=5e-3)
            ratios.append(max(result.ratios.values()))
        print(summary(f"{task}, batch {size}, to the faster torch", ratios))


def main() -> None:
    convolutions()
    classifiers()
