"""Resizing of images in twelve sizes: numpy arrays, jax arrays and PIL images, against torchvision.

    python -m benchmarks resize

"numpy" and "jax" are `transforms.functional.resize` on arrays with as many threads as there are cores. "torchvision" is
its own function on a contiguous tensor, "channels last" the same on a tensor in that order, as it comes from
`pil_to_tensor` or `decode_jpeg`. "PIL" is torchvision's function on a PIL image, for uint8 images alone; on PIL images
funcvision's is the same call of Pillow, so only arrays are compared.

The memory is the most that a first call needs beyond what was there, in a fresh process each.
"""

import math
import multiprocessing
import os
from typing import Any, NamedTuple

import numpy as np

from .harness import Contender, Prepared, Workers, compare


class Case(NamedTuple):
    """A batch of RGB images, or a single image where `images` is 1, and its new size."""

    images: int
    old: tuple[int, int]
    new: tuple[int, int]
    dtype: str
    interpolation: str = "bilinear"

    def __str__(self) -> str:
        old, new = ("x".join(map(str, size)) for size in (self.old, self.new))
        return f"{self.images} of {old} to {new}, {self.dtype}, {self.interpolation}"


CASES = [
    Case(1, (3000, 4000), (2000, 2667), "uint8"),
    Case(1, (3000, 4000), (2000, 2667), "float32"),
    Case(1, (4, 2000), (224, 112000), "uint8"),
    Case(1, (4, 2000), (224, 112000), "float32"),
    Case(1, (500, 375), (341, 256), "uint8"),
    Case(1, (375, 500), (224, 224), "float32", "bicubic"),
    Case(32, (64, 64), (224, 224), "uint8"),
    Case(32, (64, 64), (224, 224), "float32"),
    Case(1, (1080, 1920), (224, 398), "uint8"),
    Case(1, (1080, 1920), (224, 398), "float32"),
    Case(8, (224, 224), (448, 448), "uint8", "bicubic"),
    Case(1, (480, 640), (800, 1066), "float32"),
]


def picture(case: Case) -> np.ndarray:
    """Smooth shapes with some noise, so that an error of position shows and rounding is not all there is."""
    rng = np.random.default_rng(0)
    y, x = (np.linspace(0, 9, n, dtype=np.float32) for n in case.old)
    smooth = 100 * np.sin(np.add.outer(y * y, x))[..., None] + np.arange(110, 140, 10, dtype=np.float32)
    noisy = smooth + rng.uniform(-20, 20, (case.images, *case.old, 3)).astype(np.float32)
    return np.clip(noisy, 0, 255).astype(case.dtype)[() if case.images > 1 else 0]


def sample(y: np.ndarray) -> np.ndarray:
    """Some rows and columns of the result, for comparing."""
    return y[..., :: max(y.shape[-3] // 100, 1), :: max(y.shape[-2] // 100, 1), :]


def numpys(case: Case) -> Prepared:
    from funcvision.vision.transforms import functional as F

    x = picture(case)

    def work() -> np.ndarray:
        return F.resize(x, case.new, case.interpolation)

    return work, sample(work())


def jaxs(case: Case) -> Prepared:
    import jax

    from funcvision.vision.transforms import functional as F

    x, resize = jax.numpy.asarray(picture(case)), jax.jit(lambda x: F.resize(x, case.new, case.interpolation))
    return lambda: resize(x).block_until_ready(), sample(np.asarray(resize(x)))


def torchs(case: Case, channels_last: bool) -> Prepared:
    import torch
    import torchvision.transforms.v2.functional as tvf

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    x = torch.from_numpy(picture(case)).movedim(-1, -3)
    x = x if channels_last else x.contiguous()

    def work() -> torch.Tensor:
        return tvf.resize(x, list(case.new), interpolation=case.interpolation)

    return work, sample(work().movedim(-3, -1).numpy())


def pils(case: Case) -> Prepared:
    import PIL.Image
    import torchvision.transforms.v2.functional as tvf

    images: list[Any] = [PIL.Image.fromarray(x) for x in picture(case).reshape(-1, *case.old, 3)]

    def work() -> list[Any]:
        return [tvf.resize(image, list(case.new), interpolation=case.interpolation) for image in images]

    return work, sample(np.stack([np.asarray(y) for y in work()])[() if case.images > 1 else 0])


def peak(pipe: Any, prepare: str, options: dict[str, Any]) -> None:
    """Sends the bytes by which memory grows at most while a prepared contender works."""
    warm = options | {"case": options["case"]._replace(images=1, old=(16, 16), new=(8, 8))}
    globals()[prepare](**warm)[0]()  # loads what is loaded at the first call
    work, _ = globals()[prepare](**options)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak starts from here
    before = _status("VmRSS")
    kept = work()
    pipe.send(_status("VmHWM") - before)
    del kept


def _status(name: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))


def memory(prepare: str, options: dict[str, Any]) -> int:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=peak, args=(theirs, prepare, options))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


def mean(ratios: list[float]) -> str:
    return f"geometric mean {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}, worst {max(ratios):.2f}"


def main(rounds: int = 15) -> None:
    """Prints a table a case, then the geometric means; for the memory, the three sizes above 16 MB."""
    torchvision = {
        name: ("torchs", {"channels_last": name == "channels last"}) for name in ("torchvision", "channels last")
    }
    table: dict[tuple[str, str], list[float]] = {}
    with Workers() as workers:
        for case in CASES:
            peers = torchvision | ({"PIL": ("pils", {})} if case.dtype == "uint8" else {})
            for name, prepare in (("numpy", "numpys"), ("jax", "jaxs")):
                everyone = {name: (prepare, {}), **peers}
                # One level an axis: Pillow has weights of 22 bits where torch's have 16.
                rtol = 2 / 200 if "PIL" in peers else 2e-5
                result = compare(str(case), [
                    Contender(who, __name__, function, options | {"case": case})
                    for who, (function, options) in everyone.items()
                ], rounds=rounds, rtol=rtol, workers=workers)
                for peer, ratio in result.ratios.items():
                    table.setdefault((name, peer), []).append(ratio)
    for (name, peer), ratios in table.items():
        print(f"{name} / {peer}: {mean(ratios)} over {len(ratios)} sizes")
    print("\nmemory of a call, in MB")
    for case in CASES:
        if max(math.prod(case.old), math.prod(case.new)) * case.images < 5e6:
            continue
        size = {
            name: memory(prepare, options | {"case": case})
            for name, (prepare, options) in {"numpy": ("numpys", {}), **torchvision}.items()
        }
        print(f"  {case}: " + ", ".join(f"{name} {value / 1e6:.0f}" for name, value in size.items()))
        print(f"  {'':4}numpy / torchvision {size['numpy'] / size['torchvision']:.2f}")
