"""What the server sends to its page. `test_page_in_browser.py` tests the page."""

import base64
import io

import numpy as np
import PIL.Image
import pytest

from funcvision import serve
from funcvision.serve.page import CONTENT_POLICY
from funcvision.serve.predictions import Detection
from funcvision.vision.draw.sample import PALETTE

from .page_server import ANIMALS, KEY, LIMIT, PROBABILITIES, make_registry
from .serving import Client, image


@pytest.fixture(scope="module")
def registry(model_file):
    return make_registry(model_file)


@pytest.fixture
def client(registry):
    return Client(serve.create_app(registry))


def pixels(address):
    """Red, green, blue and opacity of the picture in a data URL."""
    kind, _, data = address.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


@pytest.mark.parametrize(("path", "kind"), [
    ("/", "text/html"), ("/page/page.js", "text/javascript"), ("/page/page.css", "text/css"),
])
def test_files_have_their_types_and_a_strict_policy(client, path, kind):
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert answer.headers.get_list("content-security-policy") == [CONTENT_POLICY]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in CONTENT_POLICY
    assert client.request("HEAD", path).status_code == 200


def test_the_files_load_nothing_from_elsewhere_and_have_no_inline_code(client):
    for path in ("/", "/page/page.js", "/page/page.css"):
        text = client.get(path).text.replace("http://www.w3.org/2000/svg", "")
        for part in ("http:", "https:", "@import", "<style", " style=", "onclick", "onload", "innerHTML", "eval("):
            assert part not in text


def test_models_for_images_are_listed_with_the_limit(client):
    answer = client.get("/page/models").json()
    assert answer["max_bytes"] == LIMIT
    assert [(model["name"], model["version"], model["task"], model["classes"]) for model in answer["models"]] == [
        ("tiny", "1.0", "classification", 4), ("animals", "2", "classification", 7), ("finder", "2", "detection", 3),
        ("fields", "2", "segmentation", 3),
    ]
    assert all(model["ready"] for model in answer["models"])


def test_classes_are_sorted_and_the_rest_is_summed(client):
    answer = client.post("/page/predict/animals/2", content=image()).json()
    assert [entry["label"] for entry in answer["entries"]] == ["dog", ANIMALS[2], "cow", "sheep", "cat"]
    np.testing.assert_allclose([entry["value"] for entry in answer["entries"]], np.sort(PROBABILITIES)[:1:-1])
    assert answer["others"]["count"] == 2
    assert answer["others"]["value"] == pytest.approx(0.03)
    assert answer["milliseconds"] > 0


def test_a_real_model_without_other_classes(client):
    answer = client.post("/page/predict/tiny/1.0", content=image("#ff0000")).json()
    assert answer["entries"][0]["label"] == "red"
    assert sum(entry["value"] for entry in answer["entries"]) == pytest.approx(1)
    assert "others" not in answer


def test_objects_have_boxes_in_fractions_and_masks_inside_them(client):
    answer = client.post("/page/predict/finder/2", content=image(size=(80, 40))).json()
    assert answer["size"] == [40, 80]
    dog, cat, second = answer["entries"]
    assert (dog["label"], cat["label"], second["label"]) == ("dog", "cat", "dog")
    assert dog["box"] == [0, 0, 0.5, 1]
    assert cat["box"] == [0.5, 0.5, 1, 1]
    assert dog["color"] == second["color"] != cat["color"]
    mask = pixels(dog["mask"])
    assert mask.shape == (40, 40, 4)
    assert (mask[:, :20] == (*PALETTE[1], 255)).all()
    assert (mask[:, 20:, 3] == 0).all()
    assert (pixels(cat["mask"])[..., 3] == 255).all()


def test_boxes_with_fractions_of_pixels_and_outside_of_the_image(client, registry, monkeypatch):
    boxes = np.array([[-5, 1.5, 3.2, 9], [8, 8, 8, 8]], np.float32)

    async def predict(data, **_):
        masks = None if side is None else np.ones((2, side, side), bool)
        return Detection(boxes, np.array([1, 9]), np.array([0.9, 0.8], np.float32), masks, (10, 10))

    monkeypatch.setattr(registry.get("finder"), "predict", predict)
    side = None
    first, second = client.post("/page/predict/finder/2", content=image()).json()["entries"]
    np.testing.assert_allclose(first["box"], [0, 0.15, 0.32, 0.9], rtol=1e-6)
    assert "mask" not in first
    assert second["label"] == "class 9"
    for side, box in ((10, [0, 0.1, 0.4, 0.9]), (5, [0, 0, 0.4, 1])):  # the pixels of the masks that the box touches
        first, second = client.post("/page/predict/finder/2", content=image()).json()["entries"]
        np.testing.assert_allclose(first["box"], box)
        assert pixels(first["mask"]).shape == (round((box[3] - box[1]) * side), round((box[2] - box[0]) * side), 4)
        assert "mask" not in second


def test_classes_of_pixels_have_shares_and_colours(client):
    answer = client.post("/page/predict/fields/2", content=image(size=(80, 40))).json()
    assert {entry["label"]: entry["value"] for entry in answer["entries"]} == {
        "background": 0.375, "grass": 0.375, "sky": 0.25
    }
    overlay = pixels(answer["overlay"])
    assert overlay.shape == (40, 80, 4)
    assert (overlay[:10] == (*PALETTE[1], 255)).all()
    assert (overlay[10:, :40] == (*PALETTE[0], 255)).all()
    assert (overlay[10:, 40:, 3] == 0).all()


def test_large_masks_are_thinned_out(client):
    answer = client.post("/page/predict/fields/2", content=image(size=(2000, 400))).json()
    assert pixels(answer["overlay"]).shape == (200, 1000, 4)


def test_errors(client):
    assert client.post("/page/predict/tiny/7", content=image()).status_code == 404
    assert client.post("/page/predict/tiny/1.0", content=b"0" * (LIMIT + 1)).status_code == 413
    assert client.get("/page/predict/tiny/1.0").status_code == 405


def test_with_keys_the_files_are_public_and_answers_are_not(registry):
    guarded = serve.create_app(registry, keys=[KEY])
    stranger, friend = Client(guarded), Client(guarded, Authorization=f"Bearer {KEY}")
    assert stranger.get("/").status_code == stranger.get("/page/page.js").status_code == 200
    assert stranger.post("/page/predict/tiny/1.0", content=image()).status_code == 401
    assert friend.post("/page/predict/tiny/1.0", content=image()).status_code == 200
