"""The initial arrays of a ResNet-50 in a fresh process, compilation included, against flax and torch.

The imports are not measured. Limit: 2 s for funcvision.
"""

import os
import subprocess
import sys

import numpy as np
from tqdm import tqdm

from .harness import report

SIDES = {
    "funcvision": """
import jax
from funcvision.vision import models
jax.devices()
start = time.perf_counter()
params, state = jax.block_until_ready(models.resnet50().init(jax.random.key(0)))
count = sum(p.size for p in params.values())
""",
    "flax.linen, jitted": """
import jax, jax.numpy as jnp
from benchmarks._flax_resnet import ResNet50
jax.devices()
start = time.perf_counter()
init = jax.jit(lambda key, x: ResNet50().init(key, x, train=False))
params = jax.block_until_ready(init(jax.random.key(0), jnp.zeros((1, 224, 224, 3))))["params"]
count = sum(p.size for p in jax.tree.leaves(params))
""",
    "torch": """
import torchvision
start = time.perf_counter()
count = sum(p.numel() for p in torchvision.models.resnet50().parameters())
""",
}


def measure(body: str) -> float:
    """Seconds from `start` to the end of the script, in a new interpreter without a compilation cache."""
    script = f"import time\n{body}\nprint(time.perf_counter() - start, count)"
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "0"}
    command = [sys.executable, "-W", "ignore", "-c", script]
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    seconds, count = out.stdout.split()
    if int(count) != 25_557_032:
        raise RuntimeError(f"ResNet-50 has 25,557,032 parameters, but the script made {count}")
    return float(seconds)


def main(rounds: int = 7) -> None:
    times = [[measure(body) for body in SIDES.values()] for _ in tqdm(range(rounds), desc="init", leave=False)]
    report("initial arrays of ResNet-50, fresh process", list(SIDES), np.asarray(times))
