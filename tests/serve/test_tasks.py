"""Detectors, segmenters and other functions are served, and no request makes XLA compile."""

import asyncio
import io

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision import export, nn, serve
from funcvision.vision.models import detection
from funcvision.vision.transforms.presets import ImageClassification, SemanticSegmentation

from .serving import CLASSES, Client, Means, image, weights


class Corners(detection.Detector):
    """Finds the left half of each image, with score 0.9, and its right half, with 0.8 and 0.1."""

    preparation = detection.Preparation(min_size=24, max_size=40, size_divisible=8)

    def __init__(self):
        self.fc = nn.Linear(1, 1)

    def forward(self, batch):
        heights, widths = batch.sizes[:, :1].astype(jnp.float32), batch.sizes[:, 1:].astype(jnp.float32)
        parts = jnp.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1], [0.5, 0, 1, 1]])
        boxes = parts[None] * jnp.stack([widths, heights, widths, heights], -1)
        count = len(batch.sizes)
        scores = jnp.broadcast_to(jnp.array([[0.9, 0.8, 0.1]]), (count, 3))
        labels = jnp.broadcast_to(jnp.array([[1, 2, 1]], jnp.int32), (count, 3))
        masks = jnp.ones((count, 3, 4, 4)) * scores[..., None, None]
        return detection.Detections(boxes, scores, labels, labels > 0, masks, overflow=jnp.zeros_like(labels[:, 0]))


class Reds(nn.Module):
    """Segments red pixels from others."""

    def __init__(self):
        self.fc = nn.Linear(1, 1)

    def forward(self, x):
        logits = jnp.stack([x[..., 1] + x[..., 2], x[..., 0]], -1)
        return {"out": logits, "aux": logits}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A server of a model for each task, and of a function of two arrays."""
    folder = tmp_path_factory.mktemp("tasks")
    empty = {"fc.weight": np.zeros((1, 1), np.float32), "fc.bias": np.zeros(1, np.float32)}
    common = {"platforms": ["cpu"]}
    export.save(
        folder / "found.fv", Corners(), empty, {}, image_size=[(24, 40), (40, 24)], task="detection", batch=[1, 2],
        categories=["background", "left", "right"], **common,
    )
    export.save(
        folder / "reds.fv", Reds(), empty, {}, image_size=[(16, 24), (16, 16)], task="segmentation", batch=1,
        categories=["other", "red"], preset=SemanticSegmentation(resize_size=16, mean=(0, 0, 0), std=(1, 1, 1)),
        **common,
    )
    export.save(
        folder / "ready.fv", Means(), weights(), {}, prepare_from=(20, 30), categories=CLASSES,
        preset=ImageClassification(crop_size=16, resize_size=16, mean=(0, 0, 0), std=(1, 1, 1)), **common,
    )
    (n,) = jax.export.symbolic_shape("n")
    export.save_function(
        folder / "sum.fv", lambda arrays, a, b: {"sum": a + b, "kept": a}, {}, jax.ShapeDtypeStruct((n, 2), np.float32),
        jax.ShapeDtypeStruct((n, 2), np.float32), **common,
    )
    registry = serve.Registry(serve.Settings(max_batch=2), inspect_programs=False)
    for path in sorted(folder.glob("*.fv")):
        registry.add(path)
    client = Client(serve.create_app(registry))
    client.registry = registry
    return client


def halves(width, height):
    """An image whose left half is red."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 2] = 255
    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(("width", "height"), [(60, 30), (30, 60), (3000, 2000)])
def test_a_detector(client, width, height):
    """Boxes are in pixels of the image, also of one that is made smaller before."""
    answer = client.post("/predictions/found", content=halves(width, height))
    assert answer.status_code == 200, answer.text
    left, right = answer.json()
    assert list(left) == ["left", "score"]
    np.testing.assert_allclose(left["left"], [0, 0, width / 2, height], rtol=1e-3)
    np.testing.assert_allclose(right["right"], [width / 2, 0, width, height], rtol=1e-3)
    np.testing.assert_allclose([left["score"], right["score"]], [0.9, 0.8], rtol=1e-6)
    found = asyncio.run(client.registry.get("found").predict(halves(width, height)))
    assert found.size == (height, width)
    np.testing.assert_allclose(found.scores, [0.9, 0.8, 0.1], rtol=1e-6)  # the answer above leaves the last one out
    rows, columns = found.masks.shape[1:]
    assert found.masks.dtype == bool
    assert rows / columns == pytest.approx(height / width, rel=0.01)
    assert rows * columns <= 1_500_000
    quarter = rows // 4, columns // 8
    assert found.masks[0, quarter[0] : -quarter[0], quarter[1] : 3 * quarter[1]].all()
    assert not found.masks[0, :, columns // 2 + 2 :].any()


def test_a_segmenter(client):
    answer = client.post("/predictions/reds", content=halves(60, 40))
    assert answer.status_code == 200, answer.text
    classes = np.array(answer.json())
    assert classes.shape == (40, 60)
    assert classes[:, :28].all()
    assert not classes[:, 32:].any()


def test_preparation_in_the_program(client):
    """An image of another size is scaled and cut."""
    for size in ((30, 20), (90, 40)):
        answer = client.post("/predictions/ready", content=image("#00ff00", size)).json()
        assert next(iter(answer)) == "green"
        assert sum(answer.values()) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("size", [(16_000, 1), (1, 16_000), (1, 1)])
def test_extreme_images(client, size):
    for name in ("found", "reds", "ready"):
        assert client.post(f"/predictions/{name}", content=image(size=size)).status_code == 200


def test_a_function_of_tensors(client):
    described = client.get("/v2/models/sum").json()
    assert [one["name"] for one in described["inputs"]] == ["input0", "input1"]
    assert [(one["name"], one["shape"]) for one in described["outputs"]] == [("kept", [-1, 2]), ("sum", [-1, 2])]
    inputs = [
        {"name": f"input{i}", "datatype": "FP32", "shape": [3, 2], "data": [[i, 1 + i]] * 3} for i in (1, 0)
    ]
    answer = client.post("/v2/models/sum/infer", json={"inputs": inputs, "outputs": [{"name": "sum"}]}).json()
    assert [(one["name"], one["data"]) for one in answer["outputs"]] == [("sum", [1, 3] * 3)]
    for wrong in ([inputs[0]] * 2, inputs[:1], [inputs[0], inputs[1] | {"shape": [2, 2], "data": [1, 2, 3, 4]}]):
        assert client.post("/v2/models/sum/infer", json={"inputs": wrong}).status_code == 400
    assert client.post("/predictions/sum", content=image()).status_code == 400


def test_what_a_detector_takes_as_tensors(client):
    described = client.get("/v2/models/found").json()
    assert [(one["datatype"], one["shape"]) for one in described["inputs"]] == [
        ("FP32", [-1, -1, -1, 3]), ("INT32", [-1, 2])
    ]
    assert {one["name"] for one in described["outputs"]} >= {"boxes", "labels", "masks", "scores", "valid"}


def test_no_request_compiles(client):
    """Not for any task, number of concurrent requests, or size of image."""
    events = []

    def listen(name, seconds, **_):
        if "compil" in name or "trace" in name or "lower" in name:
            events.append(name)

    async def main():
        async with client.session() as session:
            for name in ("found", "reds", "ready"):
                for count, size in ((1, (50, 40)), (2, (41, 61)), (5, (33, 34))):
                    data = halves(*size)
                    answers = await asyncio.gather(*(
                        session.post(f"/predictions/{name}", content=data) for _ in range(count)
                    ))
                    assert {answer.status_code for answer in answers} == {200}

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        jax.jit(lambda x: x * 3)(np.arange(7))
        assert events  # a compilation is noticed
        events.clear()
        asyncio.run(main())
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert events == []


def test_workers_on_several_devices(client):
    """They take turns among the devices, and each computes the same."""
    model = client.registry.get("ready")
    workers = model.make_workers(3)[1:]
    assert [worker.platform for worker in workers] == ["cpu", "cpu"]
    assert len({worker._run._device for worker in workers}) == min(2, len(jax.local_devices()))
    rows = [np.full((1, 20, 30, 3), 200, np.uint8)]
    first, second = (worker._run(rows)[0] for worker in workers)
    np.testing.assert_allclose(first, second, rtol=1e-6)
    for worker in workers:
        worker.close()


@pytest.mark.parametrize("options", [{"size": 3}, {"crop_size": 16, "mean": [0, 0]}])
def test_a_preparation_that_fails(tmp_path, options):
    """It is noticed when the file is loaded, not by the first request."""
    preset = type("ImageClassification", (), {"options": options})()
    export.save(tmp_path / "odd.fv", Means(), weights(), {}, image_size=(16, 16), preset=preset, platforms=["cpu"])
    with pytest.raises(ValueError, match=r"a preparation (that cannot be used|of images that fails)"):
        serve.Registry(serve.Settings(max_batch=1), inspect_programs=False).add(tmp_path / "odd.fv")


def test_what_cannot_be_served(tmp_path):
    (n,) = jax.export.symbolic_shape("n")
    batch = jax.ShapeDtypeStruct((n, 2), np.float32)
    for name, function, words in (
        ("sum", lambda arrays, x: x.sum(), "no row for each input"),
        ("nested", lambda arrays, x: x["a"], "axis of the batch"),
        ("fixed", lambda arrays, x: x, "no program"),
    ):
        inputs = {"sum": batch, "nested": {"a": batch}, "fixed": jax.ShapeDtypeStruct((99, 2), np.float32)}
        export.save_function(tmp_path / f"{name}.fv", function, {}, inputs[name], platforms=["cpu"])
        with pytest.raises(ValueError, match=words):
            serve.Registry(inspect_programs=False).add(tmp_path / f"{name}.fv")
