"""Exported models: the time to the first answer against `torch.jit.load`, and batches against programs of their size.

To the first answer: each side loads ResNet-50 in a fresh process and answers for one image of 224 pixels. The files
are in the file cache of the system and funcvision's compiled program is in JAX's cache on disk, both from a first run.
Interpreter start and imports are excluded from the first table for both sides, and included in the second. In the last
side the inspection of the file is not remembered. Goal: at most 1.0 times torch. Batches: a file as it is saved by
default, against a file with a program for exactly that number of images. Goal: at most 1.2 times.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from tqdm import tqdm

from .harness import Contender, compare, report

SIDES = {
    "funcvision.export": """
import numpy as np
from funcvision import enable_compilation_cache, export
start = time.perf_counter()
enable_compilation_cache()
answer = np.asarray(export.load(FV)(np.load(IMAGE)))
""",
    "torch.jit": """
import numpy as np, torch
start = time.perf_counter()
with torch.inference_mode():
    answer = torch.jit.load(PT)(torch.from_numpy(np.load(IMAGE)).permute(0, 3, 1, 2)).numpy()
""",
}
SIDES["first load on this machine"] = SIDES["funcvision.export"]


def first_answer(name: str, folder: pathlib.Path) -> tuple[float, float]:
    """Seconds to the first answer, without and with the start of the interpreter and imports."""
    paths = f"FV, PT, IMAGE = {str(folder / 'm.fv')!r}, {str(folder / 'm.pt')!r}, {str(folder / 'image.npy')!r}"
    script = f"import time\n{paths}\n{SIDES[name]}\nprint(time.perf_counter() - start, float(answer.sum()))"
    homes = tempfile.TemporaryDirectory(dir=folder)
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(folder / "compiled")}
    environment["FUNCVISION_HOME"] = homes.name if name.startswith("first") else str(folder / "home")
    start = time.perf_counter()
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    total = time.perf_counter() - start
    homes.cleanup()
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr}")
    return float(done.stdout.split()[0]), total


def write_models(folder: pathlib.Path) -> None:
    """The same random ResNet-50 for both sides, and an image."""
    import torch
    import torchvision

    from funcvision import export
    from funcvision.vision import convert, models

    torch.manual_seed(0)
    theirs = torchvision.models.resnet50().eval()
    torch.save(theirs.state_dict(), folder / "m.pth")
    torch.jit.script(theirs).save(str(folder / "m.pt"))
    model = models.resnet50()
    export.save(folder / "m.fv", model, *convert.load(folder / "m.pth", model), image_size=(224, 224))
    image = np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype(np.float32)
    np.save(folder / "image.npy", image)
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(image).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(export.load(folder / "m.fv")(image), expected, rtol=1e-3, atol=1e-4)


def exported(name: str, images: int, batch: Any) -> Any:
    """For `compare`: an exported model with programs for the numbers of images in `batch`, run on `images` images."""
    import jax

    from funcvision import export
    from funcvision.vision import models

    model = models.get_model(name)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "m.fv"
        arrays = jax.jit(model.init)(jax.random.key(0))
        export.save(path, model, *arrays, image_size=(224, 224), batch=batch, platforms=[jax.default_backend()])
        function = export.load(path, inspect_programs=False)
    batch = np.random.default_rng(0).normal(size=(images, 224, 224, 3)).astype(np.float32)
    return lambda: function(batch).block_until_ready(), function(batch)


def main(rounds: int = 9) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        write_models(folder)
        for name in SIDES:
            first_answer(name, folder)
        times = np.array([
            [first_answer(name, folder) for name in SIDES] for _ in tqdm(range(rounds), desc="load", leave=False)
        ])
    report("resnet50, from the file to the first answer, imports excluded", list(SIDES), times[..., 0])
    report("the same, from the start of the interpreter", list(SIDES), times[..., 1])
    module = "benchmarks.export"
    for name in ("mobilenet_v2", "resnet50"):
        for images in (1, 8):
            sides = {"saved by default": [1, "symbolic"], "saved for this batch": images}
            compare(f"{name}, {images} images", [
                Contender(side, module, "exported", {"name": name, "images": images, "batch": batch})
                for side, batch in sides.items()
            ], rounds=rounds)
