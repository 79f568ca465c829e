"""Sixty convolutions of known models, forward and with both gradients, against plain `lax` and torch channels-last.

    python -m benchmarks conv_sweep

With images of 224 and of 32 pixels, and batches of 1, 8 and 64. The ratio to `lax` shows what the choice of a lowering
gains over `lax.conv_general_dilated`. Prints a table of all cases and the geometric means at the end. It takes about
fifteen minutes.
"""

import itertools
import math
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .harness import Contender, Prepared, Workers, compare


class Case(NamedTuple):
    """A convolution of square images with a square kernel.

    The padding is `dilation * (kernel // 2)` pixels, or none where the kernel is as large as the stride.
    """

    images: int
    size: int
    channels: int
    out: int
    kernel: int
    stride: int = 1
    groups: int = 1
    dilation: int = 1

    @property
    def padding(self) -> int:
        return 0 if self.kernel == self.stride else self.dilation * (self.kernel // 2)

    def __str__(self) -> str:
        stride = f"/{self.stride}" if self.stride > 1 else ""
        dilation = f" dilated {self.dilation}" if self.dilation > 1 else ""
        groups = "" if self.groups == 1 else " depthwise" if self.groups == self.channels else f", {self.groups} groups"
        images, kernel = f"{self.images}x{self.size}x{self.size}x{self.channels}", f"{self.kernel}x{self.kernel}"
        return f"{images}, {kernel}{stride}{dilation} to {self.out}{groups}"


CASES = {
    "ResNet-50": [
        Case(8, 224, 3, 64, 7, 2), Case(1, 56, 64, 64, 3), Case(8, 56, 64, 64, 3), Case(8, 56, 64, 256, 1),
        Case(8, 56, 256, 64, 1), Case(8, 56, 128, 128, 3, 2), Case(8, 56, 256, 512, 1, 2), Case(8, 28, 128, 128, 3),
        Case(1, 14, 256, 256, 3), Case(8, 14, 256, 256, 3), Case(8, 14, 1024, 256, 1), Case(1, 7, 512, 512, 3),
        Case(8, 7, 512, 512, 3), Case(8, 7, 512, 2048, 1),
    ],
    "ResNet at 32 pixels": [
        Case(64, 32, 64, 64, 3), Case(64, 16, 128, 128, 3), Case(64, 16, 128, 256, 3, 2), Case(64, 4, 512, 512, 3),
        Case(64, 8, 64, 64, 3), Case(64, 2, 256, 256, 3), Case(8, 2, 512, 512, 3), Case(64, 1, 512, 512, 3),
    ],
    "VGG-16": [
        Case(1, 224, 3, 64, 3), Case(1, 224, 64, 64, 3), Case(1, 112, 128, 128, 3), Case(8, 56, 256, 256, 3),
        Case(8, 28, 512, 512, 3), Case(8, 14, 512, 512, 3), Case(64, 32, 3, 64, 3), Case(64, 2, 512, 512, 3),
    ],
    "MobileNetV2 and V3": [
        Case(8, 224, 3, 32, 3, 2), Case(8, 112, 32, 32, 3, 1, 32), Case(8, 112, 96, 96, 3, 2, 96),
        Case(8, 56, 144, 144, 3, 1, 144), Case(8, 14, 384, 384, 3, 1, 384), Case(1, 7, 960, 960, 5, 1, 960),
        Case(8, 56, 24, 144, 1), Case(64, 16, 96, 96, 3, 1, 96), Case(64, 2, 960, 960, 3, 1, 960),
    ],
    "EfficientNet-B0": [
        Case(8, 56, 144, 144, 5, 2, 144), Case(8, 28, 240, 240, 3, 2, 240), Case(8, 14, 480, 480, 5, 1, 480),
        Case(8, 7, 1152, 320, 1),
    ],
    "ConvNeXt-T": [
        Case(8, 224, 3, 96, 4, 4), Case(8, 56, 96, 96, 7, 1, 96), Case(8, 14, 384, 384, 7, 1, 384),
        Case(8, 56, 96, 192, 2, 2), Case(64, 8, 96, 96, 7, 1, 96),
    ],
    "ResNeXt-50 and RegNetY": [
        Case(8, 56, 128, 128, 3, 1, 32), Case(8, 28, 256, 256, 3, 1, 32), Case(8, 14, 512, 512, 3, 1, 32),
        Case(1, 7, 1024, 1024, 3, 1, 32), Case(8, 28, 192, 192, 3, 1, 8), Case(8, 28, 440, 440, 3, 2, 55),
        Case(64, 4, 512, 512, 3, 1, 32),
    ],
    "ShuffleNetV2 and DeepLab": [
        Case(8, 28, 58, 58, 3, 1, 58), Case(8, 28, 116, 116, 1), Case(1, 28, 512, 512, 3, 1, 1, 2),
        Case(1, 28, 2048, 256, 3, 1, 1, 12), Case(1, 33, 2048, 256, 1),
    ],
}


def arrays(case: Case) -> tuple[np.ndarray, ...]:
    """Images, weight and the gradient with respect to the output, channels last."""
    rng = np.random.default_rng(0)
    out = (case.size + 2 * case.padding - case.dilation * (case.kernel - 1) - 1) // case.stride + 1
    shapes = (
        (case.images, case.size, case.size, case.channels),
        (case.kernel, case.kernel, case.channels // case.groups, case.out),
        (case.images, out, out, case.out),
    )
    return tuple(rng.standard_normal(shape, np.float32) for shape in shapes)


def with_jax(case: Case, gradients: bool, plain: bool) -> Prepared:
    """By funcvision, or by `lax` if `plain` is set."""
    import jax

    from funcvision import functional as F

    def convolve(x: Any, w: Any) -> Any:
        if not plain:
            return F.conv2d(x, w, None, case.stride, case.padding, case.dilation, case.groups)
        return jax.lax.conv_general_dilated(
            x, w, (case.stride,) * 2, [(case.padding, case.padding)] * 2, rhs_dilation=(case.dilation,) * 2,
            feature_group_count=case.groups, dimension_numbers=("NHWC", "HWIO", "NHWC"),
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
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    x, w, cotangent = map(torch.from_numpy, arrays(case))
    x, w, cotangent = (
        t.permute(order).contiguous(memory_format=torch.channels_last).requires_grad_(gradients)
        for t, order in ((x, (0, 3, 1, 2)), (w, (3, 2, 0, 1)), (cotangent, (0, 3, 1, 2)))
    )

    def work() -> tuple[torch.Tensor, ...]:
        y = torch.nn.functional.conv2d(x, w, None, case.stride, case.padding, case.dilation, case.groups)
        return (y, *torch.autograd.grad(y, (x, w), cotangent)) if gradients else (y,)

    orders = ((0, 2, 3, 1), (0, 2, 3, 1), (2, 3, 1, 0))
    return work, answer(*(t.detach().permute(order).numpy() for t, order in zip(work(), orders, strict=False)))


def answer(y: np.ndarray, *gradients: np.ndarray) -> np.ndarray:
    """What contenders must agree on, each array divided by its largest absolute value.

    The last image of the output and of the input's gradient, and the whole of the weight's gradient.
    """
    parts = [y[-1], *(g[-1] for g in gradients[:1]), *gradients[1:]]
    return np.concatenate([np.ravel(part) / np.abs(part).max() for part in parts])


def summary(what: str, ratios: Sequence[float]) -> str:
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return f"{what:34} geometric mean {mean:.2f}, from {min(ratios):.2f} to {max(ratios):.2f}"


def main(rounds: int = 7) -> None:
    table: dict[bool, list[tuple[str, dict[str, float]]]] = {False: [], True: []}
    named = [(f"{title}: {case}", case) for title, cases in CASES.items() for case in cases]
    with Workers() as workers:
        for (name, case), gradients in itertools.product(named, (False, True)):
            shared = {"case": case, "gradients": gradients}
            ratios = compare(f"{name}{', with gradients' if gradients else ''}", [
                Contender("funcvision", __name__, "with_jax", shared | {"plain": False}),
                Contender("lax", __name__, "with_jax", shared | {"plain": True}),
                Contender("torch", __name__, "with_torch", shared),
            ], rounds=rounds, workers=workers).ratios
            table[gradients].append((name, ratios))
    print(f"\n{'funcvision / it':72} {'forward':^13} {'with gradients':^15}")
    print(f"{'':72} {'lax':>6} {'torch':>6} {'lax':>8} {'torch':>6}")
    for (what, forward), (_, both) in zip(table[False], table[True], strict=True):
        print(f"{what:72} {forward['lax']:6.2f} {forward['torch']:6.2f} {both['lax']:8.2f} {both['torch']:6.2f}")
    for gradients, rows in table.items():
        for peer in ("lax", "torch"):
            print(summary(f"{'with gradients' if gradients else 'forward'}, to {peer}", [r[peer] for _, r in rows]))
