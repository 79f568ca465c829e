"""The page of the server at `/`: one gives it an image and sees what a model answers.

The files of the page are in the folder `page`: HTML, CSS and one JavaScript module, without a build step. The page asks
`/page/models` for the models and `/page/predict/{model}/{version}` for answers. An answer is a list of entries, each
with a label and a value from 0 to 1; entries of detectors also have a box, and a mask where the model has masks. The
page draws them, and needs to know nothing of classes, palettes or thresholds.
"""

import asyncio
import base64
import io
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import PIL.Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..vision.draw.sample import PALETTE
from .exchange import prediction_for
from .model import ServedModel
from .predictions import Classification, Detection, Prediction, Segmentation
from .registry import Registry

__all__ = ["CONTENT_POLICY", "routes"]

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page: it loads its own files and shows the image given to it, nothing else."""

_FILES = pathlib.Path(__file__).with_name("page")
_KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_TASKS = ("classification", "detection", "segmentation")
_HEADERS = {"Content-Security-Policy": CONTENT_POLICY, "Cache-Control": "no-cache"}
_MOST_CLASSES = 5
"""Classes of an image that the page shows; the others share one bar."""

_MOST_OBJECTS = 100
"""Objects in an image that the page shows, those with the highest scores."""

_MOST_MASK_PIXELS = 1024
"""Height and width of a mask that the page draws; larger ones are thinned out."""


def routes(registry: Registry) -> list[Route]:
    """The routes of the page: its three files, the list of models, and answers.

    Args:
        registry: the models of the server.
    """

    async def models(request: Request) -> Response:
        shown = [_description(model) for model in registry.models() if model.task in _TASKS]
        return _json({"models": shown, "max_bytes": registry.settings.max_bytes})

    async def predict(request: Request) -> Response:
        start = time.perf_counter()
        model = registry.get(request.path_params["model"], request.path_params["version"])
        prediction = await prediction_for(request, registry, model)
        answer = await asyncio.to_thread(_answer, prediction, model.category)  # large masks take a while
        return _json({"task": model.task, "milliseconds": 1000 * (time.perf_counter() - start), **answer})

    return [
        _file("/", "index.html"),
        _file("/page/page.js", "page.js"),
        _file("/page/page.css", "page.css"),
        Route("/page/models", models),
        Route("/page/predict/{model}/{version}", predict, methods=["POST"]),
    ]


def _file(path: str, name: str) -> Route:
    """The route of a file of the page, which is read once."""
    file = _FILES / name
    content = file.read_bytes()

    async def send(request: Request) -> Response:
        return Response(content, media_type=_KINDS[file.suffix], headers=_HEADERS)

    return Route(path, send)


def _json(content: dict[str, Any]) -> Response:
    return JSONResponse(content, headers=_HEADERS)


def _description(model: ServedModel) -> dict[str, Any]:
    return {
        "name": model.name, "version": model.version, "task": model.task, "ready": model.ready,
        "classes": len(model.categories),
    }


def _answer(prediction: Prediction, name: Callable[[int], str]) -> dict[str, Any]:
    """A prediction as the page shows it.

    Args:
        prediction: of one image.
        name: gives the name of a class by its number.
    """
    if isinstance(prediction, Classification):
        return _classes_of_image(prediction, name)
    if isinstance(prediction, Detection):
        return _objects(prediction, name)
    return _classes_of_pixels(prediction, name)


def _classes_of_image(prediction: Classification, name: Callable[[int], str]) -> dict[str, Any]:
    """The classes with the highest probabilities, and the sum of the others."""
    probabilities = prediction.probabilities.astype(np.float64)
    best = prediction.best(_MOST_CLASSES)
    answer: dict[str, Any] = {"entries": [{"label": name(i), "value": float(probabilities[i])} for i in best]}
    if count := len(probabilities) - len(best):
        answer["others"] = {"count": count, "value": float(np.delete(probabilities, best).sum())}
    return answer


def _objects(prediction: Detection, name: Callable[[int], str]) -> dict[str, Any]:
    """Boxes in fractions of the image, each with a picture of the mask inside it."""
    height, width = prediction.size
    masks = prediction.masks
    entries = []
    for i in np.argsort(-prediction.scores, kind="stable")[:_MOST_OBJECTS].tolist():
        label, box = int(prediction.labels[i]), np.clip(prediction.boxes[i] / [width, height, width, height], 0, 1)
        color = _color(label)
        entry = {"label": name(label), "value": float(prediction.scores[i]), "color": _code(color)}
        if masks is not None:
            sides = np.array([masks.shape[2], masks.shape[1]] * 2)
            pixels = np.round(box * sides, 3)  # without it, an edge between two pixels could be on either side of it
            left, top, right, bottom = [*np.floor(pixels[:2]).astype(int), *np.ceil(pixels[2:]).astype(int)]
            inside = masks[i, top:bottom, left:right]
            if inside.size:
                entry["mask"] = _picture(inside, [color])
                box = np.array([left, top, right, bottom]) / sides  # the picture has whole pixels
        entries.append({**entry, "box": box.tolist()})
    return {"size": [height, width], "entries": entries}


def _classes_of_pixels(prediction: Segmentation, name: Callable[[int], str]) -> dict[str, Any]:
    """The share of each class in the pixels, and a picture of the classes in which the background is transparent."""
    classes = prediction.classes
    numbers, counts = np.unique(classes, return_counts=True)
    entries, places = [], np.zeros(numbers.max() + 1, np.uint8)
    for i in np.argsort(-counts, kind="stable"):
        number = int(numbers[i])
        entry = {"label": name(number).strip("_"), "value": float(counts[i] / classes.size)}
        if entry["label"] != "background":
            places[number] = 1 + _place(number)
            entry["color"] = _code(_color(number))
        entries.append(entry)
    return {"size": list(classes.shape), "entries": entries, "overlay": _picture(places[classes], PALETTE)}


def _picture(places: np.ndarray, colors: Sequence[tuple[int, int, int]]) -> str:
    """A PNG file as a data URL.

    Args:
        places: [height, width]; a pixel with the value 0 is transparent, one with the value i has colour i - 1.
        colors: red, green and blue of each.
    """
    step = -(-max(places.shape) // _MOST_MASK_PIXELS)
    places = np.ascontiguousarray(places[step // 2 :: step, step // 2 :: step], np.uint8)
    picture = PIL.Image.frombytes("P", places.shape[::-1], places.tobytes())
    picture.putpalette([0, 0, 0, *(channel for color in colors for channel in color)])
    file = io.BytesIO()
    picture.save(file, "png", transparency=0, bits=1 if len(colors) == 1 else 4)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _place(number: int) -> int:
    """Of the colour of a class in the palette, as in `vision.draw`."""
    return (number - 1) % len(PALETTE)


def _color(number: int) -> tuple[int, int, int]:
    return PALETTE[_place(number)]


def _code(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
