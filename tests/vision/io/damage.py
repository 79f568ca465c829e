"""Decodes damaged copies of image files, in a process of its own with a limit on memory.

    python -m tests.vision.io.damage

Prints a line of JSON for each format: how many copies were refused and decoded, the peak of memory in bytes, the
longest time of a decode, and what went wrong.
"""

import io
import json
import resource
import time
import warnings

import numpy as np
import PIL.Image

from funcvision.vision import io as ours
from funcvision.vision.io import _jpeg
from tests.vision.io.image_files import gif, gif_frame, photo, png, saved, with_orientation

MUTATIONS = 200
CHECKED = {"png", "png16"}
"""Formats whose checksums cover all that decides the pixels."""


def peak_memory() -> int:
    """The most bytes that this process has held. `getrusage` would count those of the process that started it."""
    with open("/proc/self/status", encoding="ascii") as status:
        (line,) = [line for line in status if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def heic() -> bytes:
    import pillow_heif

    buffer = io.BytesIO()
    pillow_heif.from_pillow(PIL.Image.fromarray(photo(32, 48))).save(buffer)
    return buffer.getvalue()


def frames(format: str) -> bytes:
    images = [PIL.Image.fromarray(photo(16, 24, 3, seed)) for seed in range(3)]
    return saved(images[0], format, save_all=True, append_images=images[1:])


def indices(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (9, 11))


FILES = {
    "jpeg": lambda: saved(photo(), "JPEG", exif=with_orientation(6)),
    "progressive jpeg": lambda: saved(photo(), "JPEG", progressive=True),
    "png": lambda: png(photo(), 8, 2),
    "png16": lambda: png(photo(9, 11, 4).astype(int) * 257, 16, 6, interlaced=True),
    "gif": lambda: gif(9, 11, [gif_frame(indices(seed), disposal=seed) for seed in range(4)]),
    "webp": lambda: saved(photo(), "WEBP"),
    "webp_animation": lambda: frames("WEBP"),
    "avif": lambda: saved(photo(), "AVIF"),
    "avif_animation": lambda: frames("AVIF"),
    "heic": heic,
}
KINDS = ("cut", "flip", "empty", "swap", "count", "repeat", "insert")


def mutate(data: bytes, kind: str, rng: np.random.Generator) -> bytes:
    """A damaged copy. Half of the damage falls on the first 64 bytes, where the sizes are."""
    size = len(data)
    at = int(rng.integers(0, min(64, size) if rng.random() < 0.5 else size))
    length = int(rng.integers(1, max(2, size // 4)))
    part = data[at : at + length]
    if kind == "cut":
        return data[:at]
    if kind == "flip":
        damaged = bytearray(data)
        for _ in range(int(rng.integers(1, 5))):
            damaged[int(rng.integers(0, size))] ^= 1 << int(rng.integers(0, 8))
        return bytes(damaged)
    if kind == "empty":
        return data[:at] + bytes(len(part)) + data[at + length :]
    if kind == "swap":
        return data[:at] + data[at + length : at + 2 * length] + part + data[at + 2 * length :]
    if kind == "count":
        value = rng.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff", b"\0\0\0\0", b"\xff", b"\x80\0\0\0"])
        return data[:at] + bytes(value) + data[at + len(value) :]
    if kind == "repeat":
        return data[: at + length] + part + data[at + length :]
    return data[:at] + rng.bytes(int(rng.integers(1, 40))) + data[at:]


def main() -> None:
    warnings.simplefilter("ignore")
    limit = status("VmSize") + (1 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    packages = {_jpeg.simplejpeg(), None}
    for format in FILES:
        for package in packages if "jpeg" in format else (None,):
            _jpeg.simplejpeg = lambda package=package: package
            damage(format, "" if package is None else " by simplejpeg")


def damage(format: str, by: str) -> None:
    """Prints what became of the damaged copies of one file."""
    data = FILES[format]()
    whole = ours.decode_image(data)
    rng = np.random.default_rng(0)
    result = {"format": format + by, "refused": 0, "decoded": 0, "longest": 0.0, "wrong": []}
    for number in range(MUTATIONS):
        kind = KINDS[number % len(KINDS)]
        damaged = mutate(data, kind, rng)
        if damaged == data:
            continue
        start = time.process_time()
        try:
            image = ours.decode_image(damaged, exif=number % 2 == 0)
        except ValueError as error:
            result["refused"] += 1
            if "the data" not in str(error) or "\n" in str(error):
                result["wrong"].append(f"{number} {kind}: {error}")
        except BaseException as error:
            result["wrong"].append(f"{number} {kind}: {error!r}")
        else:
            result["decoded"] += 1
            if kind == "cut" or (format in CHECKED and not np.array_equal(image, whole)):
                result["wrong"].append(f"{number} {kind}: decoded {len(damaged)} of {len(data)} bytes")
        result["longest"] = max(result["longest"], time.process_time() - start)
    result["peak"] = peak_memory()
    print(json.dumps(result), flush=True)


def status(name: str) -> int:
    """A size from the status of this process, in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))


if __name__ == "__main__":
    main()
