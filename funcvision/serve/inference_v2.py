"""The Open Inference Protocol, version 2, of KServe and Triton, with tensors in JSON or in binary.

https://github.com/kserve/open-inference-protocol and
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

import asyncio
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .exchange import read_body, unless_gone
from .executables import common_shape
from .model import ServedModel
from .registry import Registry
from .tensors import HEADER_LENGTH, Inference, datatype, encode, parse

__all__ = ["health_routes", "routes"]

_FEW_NUMBERS = 10_000
"""Of results, which become an answer in less time than it takes to wake a thread."""


def health_routes(registry: Registry) -> list[Route]:
    """The calls by which a platform finds out whether the server lives and is ready."""

    async def live(request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(request: Request) -> Response:
        is_ready = all(model.ready for model in registry.models())
        return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)

    return [Route("/v2/health/live", live, methods=["GET"]), Route("/v2/health/ready", ready, methods=["GET"])]


def routes(registry: Registry) -> list[Route]:
    """The calls that describe the server and its models, and inference."""

    async def server(request: Request) -> Response:
        from .. import __version__

        return JSONResponse({"name": "funcvision", "version": __version__, "extensions": ["binary_tensor_data"]})

    async def metadata(request: Request) -> Response:
        model = _model(request)
        return JSONResponse({
            "name": model.name, "versions": [one.version for one in registry.versions(model.name)],
            "platform": "jax_stablehlo",
            "inputs": [
                {"name": name, "datatype": datatype(dtype), "shape": [-1, *common_shape(shapes)]}
                for name, dtype, shapes in zip(_input_names(model), model.dtypes, _shapes(model), strict=True)
            ],
            "outputs": [
                {"name": name, "datatype": datatype(output.dtype), "shape": [-1, *output.shape]}
                for name, output in model.outputs.items()
            ],
        })

    async def ready(request: Request) -> Response:
        model = _model(request)
        return JSONResponse({"name": model.name, "ready": model.ready}, 200 if model.ready else 503)

    async def infer(request: Request) -> Response:
        model = _model(request)
        deadline = model.deadline()
        with model.counted(), registry.bodies.account() as account:
            model.batcher.check()
            body = await read_body(account, request, deadline=deadline)

            def read() -> Inference:
                return parse(
                    body, request.headers.get(HEADER_LENGTH), names=_input_names(model), dtypes=model.dtypes,
                    outputs=list(model.outputs),
                )

            asked, results = await unless_gone(request, model.infer(read, deadline=deadline))
            if sum(result.size for result in results.values()) > _FEW_NUMBERS:
                return await asyncio.to_thread(_answer, model, asked, results)
            return _answer(model, asked, results)

    def _model(request: Request) -> ServedModel:
        return registry.get(request.path_params["name"], request.path_params.get("version"))

    return [
        Route("/v2", server, methods=["GET"]),
        *(
            Route(f"/v2/models/{{name}}{version}{path}", endpoint, methods=[method])
            for version in ("", "/versions/{version}")
            for path, endpoint, method in (("", metadata, "GET"), ("/ready", ready, "GET"), ("/infer", infer, "POST"))
        ),
    ]


def _input_names(model: ServedModel) -> list[str]:
    """"input", or "input0", "input1" and so on."""
    return ["input"] if len(model.dtypes) == 1 else [f"input{index}" for index in range(len(model.dtypes))]


def _shapes(model: ServedModel) -> list[tuple[tuple[int, ...], ...]]:
    """For each input the shapes of a row that the model is compiled for."""
    return list(zip(*(signature.shapes for signature in model.signatures), strict=True))


def _answer(model: ServedModel, asked: Inference, results: dict[str, np.ndarray]) -> Response:
    header: dict[str, Any] = {"model_name": model.name, "model_version": model.version}
    if asked.id is not None:
        header["id"] = asked.id
    body, length = encode(header, {name: (results[name], binary) for name, binary in asked.outputs.items()})
    if length is None:
        return Response(body, media_type="application/json")
    return Response(body, media_type="application/octet-stream", headers={HEADER_LENGTH: str(length)})
