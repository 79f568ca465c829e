"""torchvision's operators, forward and with gradients, against torchvision on the CPU.

    python -m benchmarks ops

Suppression of 1000, 10 000 and 100 000 boxes is called outside `jit`, as torchvision's is: arrays of indices come
back; and within `jit`. RoIAlign pools 1000 boxes of four levels; deformable convolutions have a mask. At the end: the
geometric means. It takes some ten minutes, most of them torchvision's with 100 000 boxes.
"""

import itertools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .harness import Contender, Prepared, Workers, compare

THRESHOLD, CLASSES = 0.5, 80
LEVELS = (200, 100, 50, 25)  # sides of the feature maps of an image of 800 by 800
DEFORMED = ((2, 56, 64, 64), (2, 28, 256, 256), (2, 14, 512, 512))  # images, side, channels in and out


def boxes(count: int, largest: int = 100) -> np.ndarray:
    """xyxy boxes in an image of 800 by 800."""
    rng = np.random.default_rng(0)
    centre, half = rng.uniform(0, 800, (count, 2)), rng.uniform(2.5, largest / 2, (count, 2))
    return np.clip(np.concatenate([centre - half, centre + half], 1), 0, 800).astype(np.float32)


def candidates(count: int) -> tuple[np.ndarray, ...]:
    """Boxes, scores without ties, classes."""
    rng = np.random.default_rng(1)
    return boxes(count), rng.permutation(count).astype(np.float32) / count, rng.integers(0, CLASSES, count, np.int32)


def suppression_here(count: int, batched: bool, jitted: bool) -> Prepared:
    import jax

    from funcvision.vision import ops

    arrays = [jax.numpy.asarray(x) for x in candidates(count)][: 3 if batched else 2]
    function = ops.batched_nms if batched else ops.nms
    if not jitted:
        return lambda: function(*arrays, THRESHOLD).block_until_ready(), np.asarray(function(*arrays, THRESHOLD))
    program = jax.jit(function)
    indices, valid = program(*arrays, THRESHOLD)
    return lambda: jax.block_until_ready(program(*arrays, THRESHOLD)), np.asarray(indices[valid])


def suppression_there(count: int, batched: bool) -> Prepared:
    torch = _torch()
    import torchvision

    arrays = [torch.from_numpy(x) for x in candidates(count)][: 3 if batched else 2]
    function = torchvision.ops.batched_nms if batched else torchvision.ops.nms
    return lambda: function(*arrays, THRESHOLD), function(*arrays, THRESHOLD).numpy()


def regions() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Feature maps of two images, and 500 boxes of each."""
    rng = np.random.default_rng(2)
    return [rng.standard_normal((2, n, n, 256), np.float32) for n in LEVELS], list(boxes(1000, 400).reshape(2, 500, 4))


def regions_here(bins: int, gradients: bool) -> Prepared:
    import jax

    from funcvision.vision import ops

    names = [str(i) for i in range(len(LEVELS))]
    layer = ops.MultiScaleRoIAlign(names, bins, 2)
    maps, each = jax.tree.map(jax.numpy.asarray, regions())
    return _here(lambda *maps: layer.apply({}, {}, maps, each, [(800, 800)] * 2)[0], maps, gradients)


def regions_there(bins: int, gradients: bool) -> Prepared:
    torch = _torch()
    import torchvision

    maps, each = regions()
    names = [str(i) for i in range(len(LEVELS))]
    layer = torchvision.ops.MultiScaleRoIAlign(names, bins, 2)
    tensors = [torch.from_numpy(b) for b in each]
    return _there(
        lambda *maps: layer(dict(zip(names, maps, strict=True)), tensors, [(800, 800)] * 2),
        [_nchw(torch, x) for x in maps], gradients,
    )


def deformed(images: int, side: int, channels: int, out: int) -> list[np.ndarray]:
    """Image, offsets, kernel and mask."""
    rng = np.random.default_rng(3)
    around = (images, side, side)
    shapes = (*around, channels), (*around, 18), (3, 3, channels, out), (*around, 9)
    return [rng.standard_normal(shape, np.float32) for shape in shapes]


def deformed_here(case: tuple[int, ...], gradients: bool) -> Prepared:
    import jax

    from funcvision.vision import ops

    arrays = [jax.numpy.asarray(x) for x in deformed(*case)]
    return _here(lambda x, offset, w, mask: ops.deform_conv2d(x, offset, w, None, 1, 1, 1, mask), arrays, gradients)


def deformed_there(case: tuple[int, ...], gradients: bool) -> Prepared:
    torch = _torch()
    import torchvision

    x, offset, w, mask = deformed(*case)
    tensors = [_nchw(torch, a) for a in (x, offset, mask)]
    tensors.insert(2, torch.from_numpy(w.transpose(3, 2, 0, 1).copy()))
    return _there(
        lambda x, offset, w, mask: torchvision.ops.deform_conv2d(x, offset, w, None, 1, 1, 1, mask), tensors, gradients
    )


def _here(function: Callable[..., Any], arrays: Sequence[Any], gradients: bool) -> Prepared:
    import jax

    @jax.jit
    def work(cotangent: Any, *arrays: Any) -> Any:
        if not gradients:
            return (function(*arrays),)
        y, pullback = jax.vjp(function, *arrays)
        return (y, *pullback(cotangent))

    shape = jax.eval_shape(function, *arrays).shape
    cotangent = jax.numpy.asarray(_cotangent(shape))
    return lambda: jax.block_until_ready(work(cotangent, *arrays)), _answer(work(cotangent, *arrays))


def _there(function: Callable[..., Any], tensors: Sequence[Any], gradients: bool) -> Prepared:
    torch = _torch()
    tensors = [t.requires_grad_(gradients) for t in tensors]
    n, c, h, w = function(*tensors).shape
    cotangent = _nchw(torch, _cotangent((n, h, w, c)))

    def work() -> tuple[Any, ...]:
        y = function(*tensors)
        return (y, *torch.autograd.grad(y, tensors, cotangent)) if gradients else (y,)

    kernels = [i for i, t in enumerate(tensors, 1) if t.shape[2:] == (3, 3)]  # of the results, as [h, w, in, out]
    return work, _answer([
        t.detach().numpy().transpose((2, 3, 1, 0) if i in kernels else (0, 2, 3, 1)) for i, t in enumerate(work())
    ])


def _cotangent(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(4).standard_normal(shape, np.float32)


def _nchw(torch: Any, x: np.ndarray) -> Any:
    return torch.from_numpy(x.transpose(0, 3, 1, 2).copy())


def _torch() -> Any:
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return torch


def _answer(results: Sequence[Any]) -> np.ndarray:
    """A sample of each result, in its own scale."""
    parts = [np.asarray(result).ravel() for result in results]
    return np.concatenate([part[:: max(1, part.size // 10_000)] / max(np.abs(part).max(), 1e-30) for part in parts])


def main(rounds: int = 7) -> None:
    ratios: dict[str, dict[str, float]] = {"nms": {}, "batched_nms": {}, "roi_align": {}, "deform_conv2d": {}}
    with Workers() as workers:

        def measure(kind: str, title: str, here: Contender, there: Contender, rounds: int = rounds) -> None:
            found = compare(title, [here, there], rounds=rounds, workers=workers).ratios
            ratios[kind][title] = next(iter(found.values()))

        for count, batched, jitted in itertools.product((1000, 10_000, 100_000), (False, True), (False, True)):
            kind = "batched_nms" if batched else "nms"
            shared = {"count": count, "batched": batched}
            measure(
                kind, f"{kind}, {count} boxes{', within jit' if jitted else ''}",
                Contender("funcvision", __name__, "suppression_here", shared | {"jitted": jitted}),
                Contender("torchvision", __name__, "suppression_there", shared), 3 if count == 100_000 else rounds,
            )
        for bins, gradients in itertools.product((7, 14), (False, True)):
            shared = {"bins": bins, "gradients": gradients}
            measure(
                "roi_align", f"roi_align, 1000 boxes, {bins}x{bins}{', with gradients' if gradients else ''}",
                Contender("funcvision", __name__, "regions_here", shared),
                Contender("torchvision", __name__, "regions_there", shared),
            )
        for case, gradients in itertools.product(DEFORMED, (False, True)):
            shared = {"case": case, "gradients": gradients}
            images, side, channels, out = case
            measure(
                "deform_conv2d",
                f"deform_conv2d, {images}x{side}x{side}x{channels} to {out}{', with gradients' if gradients else ''}",
                Contender("funcvision", __name__, "deformed_here", shared),
                Contender("torchvision", __name__, "deformed_there", shared),
            )
    print()
    everything = {}
    for kind, found in ratios.items():
        everything |= found
        print(_summary(kind, list(found.values())))
    print(_summary("all", list(everything.values())))


def _summary(what: str, ratios: Sequence[float]) -> str:
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return f"{what:14} geometric mean {mean:.2f}, from {min(ratios):.2f} to {max(ratios):.2f}"
