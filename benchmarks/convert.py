"""Converts ResNet-152 from .pth to .safetensors: time against torch with safetensors, and peak memory.

The goal is that a conversion, in either direction, and `convert.load` use at most 1.3 times the size of the
checkpoint in addition to the memory of the imports. Peak memory is the largest resident set of the process (Linux's
VmHWM), which includes pages of the mapped file.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from tqdm import tqdm

from .harness import report

PREAMBLE = """
import re, time
def peak(): return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status", encoding="utf-8").read())[1])
"""
SIDES = {
    "funcvision convert": """
from funcvision import cli
from funcvision.vision import convert, models
base, start = peak(), time.perf_counter()
cli.main(["convert", source, target, "--force"])
""",
    "torch + safetensors": """
import torch
from safetensors.torch import save_file
base, start = peak(), time.perf_counter()
save_file(torch.load(source, map_location="cpu", weights_only=True), target)
""",
    "convert.load": """
import jax
from funcvision.vision import convert, models
model = models.resnet152()
jax.device_put(0).block_until_ready()
base, start = peak(), time.perf_counter()
arrays = jax.block_until_ready(convert.load(source, model))
""",
}


def measure(body: str, source: pathlib.Path, target: pathlib.Path) -> tuple[float, float]:
    """Seconds, and added peak memory as a multiple of the source's size, of a run in a new process."""
    script = f"source, target = {str(source)!r}, {str(target)!r}\n{PREAMBLE}{body}\n"
    script += "print(time.perf_counter() - start, peak() - base)"
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    seconds, added = out.stdout.split()[-2:]
    return float(seconds), float(added) / source.stat().st_size


def main(rounds: int = 5) -> None:
    import torch
    import torchvision

    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder) / "resnet152.pth", pathlib.Path(folder) / "resnet152.safetensors"
        torch.manual_seed(0)
        torch.save(torchvision.models.resnet152().state_dict(), source)
        measured = np.array([
            [measure(body, source, target) for body in SIDES.values()]
            for _ in tqdm(range(rounds), desc="convert", leave=False)
        ])
        report(f"resnet152.pth, {source.stat().st_size / 2**20:.0f} MiB", list(SIDES), measured[..., 0])
    print(f"\n  {'':28} added peak memory / file size, median (largest)")
    for name, ratios in zip(SIDES, measured[..., 1].T, strict=True):
        print(f"  {name:28} {np.median(ratios):.2f} ({ratios.max():.2f})")
