"""Opens COCO annotations of the size of instances_train2017.json: time and peak memory against pycocotools.

The file is made in a temporary folder: 117,266 images and 860,001 polygons of random numbers, 500 MB. Every round opens
it in a new process. Peak memory is the largest resident set of the process (Linux's VmHWM), imports included.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from tqdm import tqdm

from .harness import report

IMAGES, ANNOTATIONS = 117_266, 860_001
PREAMBLE = """
import contextlib, io, re, time
def peak(): return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status", encoding="utf-8").read())[1])
"""
SIDES = {
    "funcvision": """
from funcvision.vision.datasets import CocoDetection
start = time.perf_counter()
data = CocoDetection("", source)
seconds, used = time.perf_counter() - start, peak()
counted = sum(len(data.coco.annotations_of(i)) for i in data.ids[:5000])
""",
    "pycocotools": """
from pycocotools.coco import COCO
start = time.perf_counter()
with contextlib.redirect_stdout(io.StringIO()):
    data = COCO(source)
seconds, used = time.perf_counter() - start, peak()
counted = sum(len(data.imgToAnns[i]) for i in sorted(data.imgs)[:5000])
""",
}


def write(path: pathlib.Path) -> None:
    """Writes the annotations, entry by entry."""
    random = np.random.default_rng(0)
    polygons = [
        ", ".join(f"{number:.2f}" for number in random.uniform(0, 640, 2 * int(random.gamma(1.2, 19)) + 6))
        for _ in range(2000)
    ]
    owners = random.integers(0, IMAGES, ANNOTATIONS)
    boxes = np.round(random.uniform(0, 400, (ANNOTATIONS, 4)), 2)
    with path.open("w", encoding="utf-8") as file:
        images = [
            {"license": 1, "file_name": f"{i:012}.jpg", "height": 480, "width": 640, "id": i,
             "coco_url": f"http://images.cocodataset.org/train2017/{i:012}.jpg",
             "flickr_url": "http://farm4.staticflickr.com/3153/2970773875_164f0c0b83_z.jpg",
             "date_captured": "2013-11-14 16:28:13"}
            for i in range(IMAGES)
        ]  # fmt: skip
        categories = [{"supercategory": "thing", "id": i, "name": f"class {i}"} for i in range(1, 91)]
        file.write(f'{{"info": {{}}, "images": {json.dumps(images)}, "categories": {json.dumps(categories)}')
        file.write(', "annotations": [')
        for i in range(ANNOTATIONS):
            file.write(
                f'{", " if i else ""}{{"segmentation": [[{polygons[i % 2000]}]], "area": {i % 9000}.5, "iscrowd": 0, '
                f'"image_id": {owners[i]}, "bbox": {boxes[i].tolist()}, "category_id": {i % 90 + 1}, '
                f'"id": {i}}}'
            )
        file.write("]}")


def measure(body: str, source: pathlib.Path) -> tuple[float, float, int]:
    """Seconds, peak memory in bytes, and the number of annotations of 5,000 images, of a run in a new process."""
    script = f"source = {str(source)!r}\n{PREAMBLE}{body}\nprint(seconds, used, counted)"
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    seconds, used, counted = out.stdout.split()[-3:]
    return float(seconds), float(used), int(counted)


def main(rounds: int = 3) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "instances.json"
        write(source)
        measured = np.array([
            [measure(body, source) for body in SIDES.values()]
            for _ in tqdm(range(rounds), desc="coco_open", leave=False)
        ])
        if len(set(measured[..., 2].ravel())) != 1:
            raise SystemExit(f"the sides found different annotations: {measured[..., 2]}")
        report(f"annotations, {source.stat().st_size / 1e6:.0f} MB", list(SIDES), measured[..., 0])
    print(f"\n  {'':28} peak memory in MB, median")
    for name, used in zip(SIDES, measured[..., 1].T, strict=True):
        print(f"  {name:28} {np.median(used) / 1e6:.0f}")
