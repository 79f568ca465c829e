"""A server in a thread of this process, with a real classifier and models whose answers are known."""

import contextlib
import threading

import numpy as np
import uvicorn

from funcvision import serve
from funcvision.serve.images import Limits, open_image
from funcvision.serve.predictions import Classification, Detection, Segmentation

KEY = "a-key-for-the-tests-of-the-page"
LIMIT = 200_000
"""Bytes of an image that the server accepts."""

ANIMALS = ("cat", "dog", "<b>horse</b> & foal", "cow", "sheep", "a-hen-with-a-very-long-name-" * 4, "goose")
PROBABILITIES = np.array([0.02, 0.6, 0.2, 0.1, 0.05, 0.02, 0.01], np.float32)


def classify(height, width):
    return Classification(PROBABILITIES)


def detect(height, width):
    """A dog in the left half, a cat in the quarter at the right bottom, and a weak second dog."""
    boxes = np.array([
        [0, 0, width / 2, height], [width / 2, height / 2, width, height], [width / 4, 0, width, height / 2],
    ], np.float32)
    masks = np.zeros((3, height, width), bool)
    masks[0, :, : width // 4] = True
    masks[1, height // 2 :, width // 2 :] = True
    masks[2, : height // 2, width // 4 :] = True
    return Detection(boxes, np.array([2, 1, 2]), np.array([0.9, 0.8, 0.3], np.float32), masks, (height, width))


def segment(height, width):
    """The upper quarter is sky, and the left half of the rest is grass."""
    classes = np.zeros((height, width), np.int32)
    classes[height // 4 :, : width // 2] = 1
    classes[: height // 4] = 2
    return Segmentation(classes)


KNOWN = {
    "animals": ("classification", ANIMALS, classify),
    "finder": ("detection", ("__background__", "cat", "dog"), detect),
    "fields": ("segmentation", ("__background__", "grass", "sky"), segment),
    "numbers": ("tensors", (), None),
}
"""Task, classes and answers of the models beside the real one."""


def make_registry(model_file):
    """The real classifier "tiny", and models that answer as `KNOWN` says. All the rest of them is real."""
    registry = serve.Registry(serve.Settings(max_batch=1, max_bytes=LIMIT), inspect_programs=False)
    registry.add(model_file)
    for name, (task, categories, answer) in KNOWN.items():
        known = registry.add(model_file, name=name, version="2")
        known.task, known.categories = task, categories
        if answer:
            known.predict = _answering(answer)
    return registry


def _answering(answer):
    async def predict(data, **_):
        image = open_image(data, Limits(10_000_000))
        return answer(image.height, image.width)

    return predict


@contextlib.contextmanager
def serving(registry, keys=()):
    """The address of a server, while the context lasts."""
    bound = serve.open_port("127.0.0.1", 0)
    config = uvicorn.Config(serve.create_app(registry, keys=keys), log_level="warning", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        bound.close()
