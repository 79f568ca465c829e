"""Decoding of 112 JPEG photos by funcvision, with and without the extra `fast`, torchvision and Pillow.

    python -m benchmarks io

The photos are those of `../shared/data/imagenet-samples`, or of the folder in FUNCVISION_PHOTOS. All contenders work in
one process, in turns, each time in a new order. Each turn decodes all photos from memory to RGB. The time is that of
the CPU, summed over the threads, so that other load on the machine changes it little; the time on the clock is given
too. Before anything is timed, the pixels of each contender are compared with torchvision's.

With two threads, funcvision decodes a list. The others are called by a pool of two threads that is made for each turn,
as funcvision does. torch's own threads are set to one.
"""

import io
import os
import pathlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from tqdm import tqdm

from .harness import report

FOLDER = pathlib.Path(__file__).parents[2] / "shared" / "data" / "imagenet-samples"
OURS, FAST = "funcvision", "funcvision[fast]"
Decode = Callable[[Any], Any]


def contenders(files: list[bytes]) -> dict[str, tuple[Decode, list[Any], Any]]:
    """For each name the function that decodes a photo, what it takes, and the package that decodes JPEG for it."""
    import PIL.Image
    import torch
    import torchvision.io

    from funcvision.vision import io as ours
    from funcvision.vision.io import _jpeg

    torch.set_num_threads(1)
    tensors = [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in files]
    package = _jpeg.simplejpeg()

    def by_pillow(data: bytes) -> np.ndarray:
        with PIL.Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))

    found: dict[str, tuple[Decode, list[Any], Any]] = {
        OURS: (lambda data: ours.decode_jpeg(data, "RGB"), files, None),
        FAST: (lambda data: ours.decode_jpeg(data, "RGB"), files, package),
        "torchvision": (lambda data: torchvision.io.decode_jpeg(data, "RGB"), tensors, None),
        "Pillow": (by_pillow, files, None),
    }
    if package is None:
        del found[FAST]
    return found


def check(everyone: dict[str, tuple[Decode, list[Any], Any]]) -> None:
    """RuntimeError if two contenders give other pixels."""
    decode, inputs, _ = everyone["torchvision"]
    expected = [decode(data).movedim(0, -1).numpy() for data in inputs]
    for name, (decode, inputs, package) in everyone.items():
        use(package)
        if name != "torchvision" and not all(map(np.array_equal, map(decode, inputs), expected)):
            raise RuntimeError(f"{name} and torchvision give other pixels")


def use(package: Any) -> None:
    """Makes funcvision decode JPEG with this package, or with Pillow for None."""
    from funcvision.vision.io import _jpeg

    _jpeg.simplejpeg = lambda: package


def work(name: str, decode: Decode, inputs: list[Any], threads: int) -> None:
    """Decodes all photos."""
    if threads == 1:
        for data in inputs:
            decode(data)
    elif name in (OURS, FAST):
        from funcvision.vision import io as ours

        ours.decode_jpeg(inputs, "RGB", threads=threads)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(decode, inputs))


def main(rounds: int = 15) -> None:
    """Prints two tables for one thread and two for two: time of the CPU, and time on the clock."""
    folder = pathlib.Path(os.environ.get("FUNCVISION_PHOTOS", FOLDER))
    files = [path.read_bytes() for path in sorted(folder.glob("*.JPEG"))]
    if not files:
        raise FileNotFoundError(f"{folder} has no photos *.JPEG; set FUNCVISION_PHOTOS to a folder that has")
    everyone = contenders(files)
    check(everyone)
    for threads in (1, 2):
        times = np.zeros((2, rounds, len(everyone)))
        for turn in tqdm(range(rounds), desc=f"{threads} threads", leave=False):
            for i in np.random.default_rng(turn).permutation(len(everyone)):
                name, (decode, inputs, package) = list(everyone.items())[i]
                use(package)
                start = time.process_time(), time.perf_counter()
                work(name, decode, inputs, threads)
                times[:, turn, i] = time.process_time() - start[0], time.perf_counter() - start[1]
        for kind, seconds in zip(("CPU", "clock"), times / len(files), strict=True):
            for first in (OURS, FAST):
                if first in everyone:
                    order = sorted(everyone, key=lambda name, first=first: name != first)
                    chosen = [list(everyone).index(name) for name in order]
                    report(f"an image of {len(files)}, {threads} thread(s), {kind} time", order, seconds[:, chosen])
