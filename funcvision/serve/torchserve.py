"""TorchServe's calls for inference and management, in the shapes of its documentation.

https://docs.pytorch.org/serve/inference_api.html and https://docs.pytorch.org/serve/management_api.html
"""

import asyncio
import datetime
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .errors import ServeError
from .exchange import prediction_for
from .model import ServedModel
from .predictions import Classification, Detection, Prediction
from .registry import FIRST_VERSION, Registry

__all__ = ["inference_routes", "management_routes"]

LOG = logging.getLogger("funcvision.serve")
_TOP = 5
"""How many classes an answer lists, as in TorchServe's image classifier."""
_LEAST_SCORE = 0.5
"""Of an object in an answer, as in TorchServe's object detector."""
_MOST_WORKERS = 64
_MOST_LISTED = 1000


def inference_routes(registry: Registry) -> list[Route]:
    """The calls for everyone: `/ping`, `/predictions/MODEL` and `/metrics`."""

    async def ping(request: Request) -> Response:
        healthy = all(model.ready for model in registry.models())
        return JSONResponse({"status": "Healthy" if healthy else "Partial Healthy"})

    async def predict(request: Request) -> Response:
        model = registry.get(request.path_params["name"], request.path_params.get("version"))
        prediction = await prediction_for(request, registry, model)
        if isinstance(prediction, Classification):
            return JSONResponse(_answer(model, prediction))
        return await asyncio.to_thread(lambda: JSONResponse(_answer(model, prediction)))

    async def metrics(request: Request) -> Response:
        text, media_type = registry.metrics.text()
        return Response(text, headers={"content-type": media_type})

    return [
        Route("/ping", ping, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Route("/predictions/{name}", predict, methods=["POST", "PUT"]),  # `curl -T` sends PUT
        Route("/predictions/{name}/{version}", predict, methods=["POST", "PUT"]),
    ]


def _answer(model: ServedModel, prediction: Prediction) -> Any:
    """TorchServe's answer of an image classifier, an object detector or an image segmenter."""
    if isinstance(prediction, Classification):
        return dict(prediction.top(_TOP, model.categories))
    if isinstance(prediction, Detection):
        return [
            {model.category(int(label)): [float(side) for side in box], "score": float(score)}
            for box, label, score in zip(prediction.boxes, prediction.labels, prediction.scores, strict=True)
            if score >= _LEAST_SCORE
        ]
    return prediction.classes.tolist()


def management_routes(registry: Registry) -> list[Route]:
    """The calls of an operator, under `/models`."""
    tasks: set[asyncio.Task[Any]] = set()

    async def list_models(request: Request) -> Response:
        limit = _number(request, "limit", 100, least=1, most=_MOST_LISTED)
        first = _number(request, "next_page_token", 0, least=0, most=1 << 31)
        names = list(dict.fromkeys(model.name for model in registry.models()))
        listed = [registry.get(name) for name in names[first : first + limit]]
        answer: dict[str, Any] = {"models": [{"modelName": one.name, "modelUrl": one.file} for one in listed]}
        if first + limit < len(names):
            answer["nextPageToken"] = str(first + limit)
        return JSONResponse(answer)

    async def describe(request: Request) -> Response:
        name, version = request.path_params["name"], request.path_params.get("version")
        models = registry.versions(name) if version == "all" else [registry.get(name, version)]
        return JSONResponse([_description(model) for model in models])

    async def register(request: Request) -> Response:
        query = request.query_params
        file = query.get("url") or query.get("modelUrl")
        if not file:
            raise ServeError(400, "give the name of a file in the model folder as the parameter url")
        workers = _number(request, "initial_workers", 0, least=0, most=_MOST_WORKERS)
        name, version = query.get("model_name"), query.get("model_version", FIRST_VERSION)
        work = registry.register(file, name=name, version=version, workers=workers, settings=_settings(request))
        if workers and not _flag(request, "synchronous"):
            return await later(work)
        model = await work
        hint = "" if workers else ". Use scale workers API to add workers for the model."
        return _status(
            f'Model "{model.name}" Version: {model.version} registered with {workers} initial workers{hint}'
        )

    async def scale(request: Request) -> Response:
        version = request.path_params.get("version")
        model = registry.get(request.path_params["name"], version)
        least = _number(request, "min_worker", 1, least=0, most=_MOST_WORKERS)
        most = _number(request, "max_worker", max(least, 1), least=0, most=_MOST_WORKERS)
        if most < least:
            raise ServeError(400, "max_worker is less than min_worker")
        work = registry.scale(model, least)
        if not _flag(request, "synchronous"):
            return await later(work)
        await work
        return _status(f"Workers scaled to {least} for model: {model.name}" + f", version: {version}" * bool(version))

    async def set_default(request: Request) -> Response:
        name, version = request.path_params["name"], request.path_params["version"]
        registry.set_default(name, version)
        return _status(f'Default version successfully updated for model "{name}" to "{version}"')

    async def unregister(request: Request) -> Response:
        name = request.path_params["name"]
        registry.unregister(name, request.path_params.get("version"))
        return _status(f'Model "{name}" unregistered')

    async def later(work: Coroutine[Any, Any, Any]) -> Response:
        """Starts something that takes a while. Errors that are known at once are the answer."""
        task = asyncio.ensure_future(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.wait((task,), timeout=0.1)
        if task.done():
            task.result()
        else:
            task.add_done_callback(_log_failure)
        return JSONResponse({"status": "Processing worker updates..."}, 202)

    def route(path: str, **methods: Callable[[Request], Coroutine[Any, Any, Response]]) -> list[Route]:
        return [Route(path, endpoint, methods=[method]) for method, endpoint in methods.items()]

    return [
        *route("/models", GET=list_models, POST=register),
        *route("/models/{name}", GET=describe, PUT=scale, DELETE=unregister),
        *route("/models/{name}/{version}", GET=describe, PUT=scale, DELETE=unregister),
        *route("/models/{name}/{version}/set-default", PUT=set_default),
    ]


def _description(model: ServedModel) -> dict[str, Any]:
    batcher = model.batcher
    count = len(batcher.workers)
    return {
        "modelName": model.name, "modelVersion": model.version, "modelUrl": model.file, "engine": "JAX",
        "runtime": "python", "minWorkers": count, "maxWorkers": count, "batchSize": model.max_batch,
        "maxBatchDelay": round(batcher.max_delay * 1000),
        "workers": [
            {
                "id": str(index), "status": "READY", "gpu": worker.platform != "cpu",
                "startTime": datetime.datetime.fromtimestamp(worker.started, datetime.UTC).isoformat(),
            }
            for index, worker in enumerate(batcher.workers)
        ],
        "jobQueueStatus": {
            "remainingCapacity": batcher.max_queue - batcher.requests, "pendingRequests": batcher.requests
        },
    }


def _settings(request: Request) -> dict[str, Any]:
    """The limits that a registration gives for its model."""
    given = {}
    if "batch_size" in request.query_params:
        given["max_batch"] = _number(request, "batch_size", 1, least=1, most=1024)
    if "max_batch_delay" in request.query_params:
        given["max_delay"] = _number(request, "max_batch_delay", 0, least=0, most=60_000) / 1000
    if "response_timeout" in request.query_params:
        given["timeout"] = float(_number(request, "response_timeout", 1, least=1, most=3600))
    return given


def _number(request: Request, name: str, default: int, *, least: int, most: int) -> int:
    """A whole number in the query of a request."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 10 or not least <= int(text) <= most:
        raise ServeError(400, f"{name} must be a whole number from {least} to {most}")
    return int(text)


def _flag(request: Request, name: str) -> bool:
    return request.query_params.get(name, "false").lower() == "true"


def _status(text: str) -> Response:
    return JSONResponse({"status": text})


def _log_failure(task: "asyncio.Task[Any]") -> None:
    """Logs why work failed whose client was answered before."""
    if not task.cancelled() and (error := task.exception()) is not None:
        LOG.error("a change of workers failed: %s", error)
