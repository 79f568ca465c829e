"""The servers that `serve` compares with: a model of torchvision behind FastAPI, and behind LitServe with its batches.

    python -m benchmarks._serve_peers fastapi|litserve MODEL WEIGHTS PORT

Both prepare an image as torchvision's preset does and answer with the five likeliest classes.
"""

import io
import sys
import threading
from typing import Any

import litserve
import PIL.Image
import torch
import torchvision
from fastapi import FastAPI, UploadFile

BATCH, DELAY = 8, 0.005  # as funcvision's defaults


class Classifier:
    """A model of torchvision with its preparation."""

    def __init__(self, name: str, weights: str):
        self.model = torchvision.models.get_model(name).eval().to(memory_format=torch.channels_last)
        self.model.load_state_dict(torch.load(weights, weights_only=True))
        chosen = torchvision.models.get_model_weights(name).DEFAULT
        self.prepare, self.categories = chosen.transforms(), chosen.meta["categories"]

    def image(self, data: bytes) -> torch.Tensor:
        return self.prepare(PIL.Image.open(io.BytesIO(data)).convert("RGB"))

    @torch.inference_mode()
    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images.contiguous(memory_format=torch.channels_last)).softmax(-1)

    def answer(self, row: torch.Tensor) -> dict[str, float]:
        values, indices = row.topk(5)
        return {self.categories[i]: v for v, i in zip(values.tolist(), indices.tolist(), strict=True)}


def fastapi(name: str, weights: str, port: int) -> None:
    """One image after the other; images are decoded in FastAPI's threads."""
    import uvicorn

    classifier, turn, app = Classifier(name, weights), threading.Lock(), FastAPI()

    @app.post("/predict")
    def predict(request: UploadFile) -> dict[str, float]:
        image = classifier.image(request.file.read())
        with turn:
            row = classifier.probabilities(image[None])[0]
        return classifier.answer(row)

    uvicorn.run(app, port=port, log_level="warning")


class API(litserve.LitAPI):
    """The model for LitServe."""

    def __init__(self, name: str, weights: str):
        super().__init__(max_batch_size=BATCH, batch_timeout=DELAY, api_path="/predict")
        self.arguments = name, weights

    def setup(self, device: Any) -> None:
        self.classifier = Classifier(*self.arguments)

    def decode_request(self, request: UploadFile) -> torch.Tensor:
        return self.classifier.image(request.file.read())

    def batch(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(inputs)

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier.probabilities(x)

    def unbatch(self, output: torch.Tensor) -> list[torch.Tensor]:
        return list(output)

    def encode_response(self, output: torch.Tensor) -> dict[str, float]:
        return self.classifier.answer(output)


def lit(name: str, weights: str, port: int) -> None:
    """Batches of requests that wait."""
    server = litserve.LitServer(API(name, weights), accelerator="cpu", timeout=120)
    server.run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    kind, name, weights, port = sys.argv[1:]
    (fastapi if kind == "fastapi" else lit)(name, weights, int(port))
