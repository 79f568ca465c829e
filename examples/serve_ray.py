"""An exported classifier on Ray Serve: replicas on many machines, with batches of the requests that wait.

    pip install "funcvision" "ray[serve]"
    funcvision export mobilenet_v2 --out mobilenet_v2.fv
    python examples/serve_ray.py mobilenet_v2.fv                           # a cluster of this machine only
    curl -T dog.jpg http://localhost:8000

On a cluster: `serve run examples.serve_ray:app model=/shared/mobilenet_v2.fv replicas=4`. Every machine must be able
to read the file.
"""

import argparse
import asyncio
import io
import signal
import threading

import jax
import numpy as np
import PIL.Image
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

from funcvision import export

SIZES = (1, 2, 4, 8)
"""Numbers of images that are compiled when a replica starts; a batch is filled up to the next one."""
MOST_BYTES, MOST_PIXELS = 32 << 20, 50_000_000


@serve.deployment(max_ongoing_requests=64, max_queued_requests=256)
class Classifier:
    """One replica: a copy of the model."""

    def __init__(self, path: str):
        self.predictor = export.predictor(export.load(path))
        blank = self.predictor.prepare(np.zeros((256, 256, 3), np.uint8)).inputs[0]
        for size in SIZES:
            jax.block_until_ready(self.predictor.function(np.stack([blank] * size)))

    async def __call__(self, request: Request) -> JSONResponse:
        data = await request.body()
        try:
            prepared = await asyncio.to_thread(self._prepare, data)
        except (ValueError, OSError) as error:  # what Pillow raises for a file that is not an image
            return JSONResponse({"error": f"the body is not an image that can be read: {type(error).__name__}"}, 400)
        output = await self._outputs(prepared.inputs[0])
        return JSONResponse(dict(self.predictor.finish(output, prepared)))

    @serve.batch(max_batch_size=SIZES[-1], batch_wait_timeout_s=0.005)
    async def _outputs(self, rows: list[np.ndarray]) -> list[np.ndarray]:
        return await asyncio.to_thread(self._run, rows)

    def _run(self, rows: list[np.ndarray]) -> list[np.ndarray]:
        size = next(size for size in SIZES if size >= len(rows))
        batch = np.stack(rows + [rows[0]] * (size - len(rows)))
        return list(np.asarray(self.predictor.function(batch))[: len(rows)])

    def _prepare(self, data: bytes) -> export.Prepared:
        image = PIL.Image.open(io.BytesIO(data))
        if len(data) > MOST_BYTES or image.width * image.height > MOST_PIXELS:
            raise ValueError("the image is too large")
        if max(image.size) > 50 * min(image.size):  # resizing makes the shorter side as long as the model asks for
            raise ValueError("the image is too narrow")
        return self.predictor.prepare(image)


def app(arguments: dict[str, str]) -> serve.Application:
    """The application for `serve run`, with the arguments `model` and `replicas`."""
    return Classifier.options(num_replicas=int(arguments.get("replicas", 1))).bind(arguments["model"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a .fv file")
    parser.add_argument("--replicas", default="1", help="copies of the model")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    serve.start(http_options={"host": "127.0.0.1", "port": options.port})
    serve.run(app({"model": options.model, "replicas": options.replicas}))
    print(f"serving at http://127.0.0.1:{options.port}", flush=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    serve.shutdown()


if __name__ == "__main__":
    main()
