"""`import funcvision` against `import jax` in fresh processes. Limit: 1.5 times."""

import subprocess
import sys
import time

import numpy as np
from tqdm import tqdm

from .harness import report

SIDES = ("funcvision", "jax", "torch", "torchvision")


def measure(module: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-W", "ignore", "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def main(rounds: int = 11) -> None:
    for module in SIDES:  # fills the file cache of the system
        measure(module)
    times = [[measure(module) for module in SIDES] for _ in tqdm(range(rounds), desc="imports", leave=False)]
    report("import in a fresh process, interpreter start included", SIDES, np.asarray(times))
