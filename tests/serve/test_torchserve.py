"""TorchServe's calls."""

import numpy as np
import pytest

from .serving import CLASSES, image


def test_predictions(client):
    for color, name in (("#ff0000", "red"), ("#00ff00", "green"), ("#0000ff", "blue"), ("#202020", "grey")):
        answer = client.post("/predictions/tiny", content=image(color))
        assert answer.status_code == 200, answer.text
        assert next(iter(answer.json())) == name
        assert set(answer.json()) == set(CLASSES)
        assert sum(answer.json().values()) == pytest.approx(1)
    expected = np.exp([10.0, 0, 0, 5])
    got = client.post("/predictions/tiny", content=image("#ff0000")).json()
    np.testing.assert_allclose([got[name] for name in CLASSES], expected / expected.sum(), rtol=1e-5)


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("path", ["/predictions/tiny", "/predictions/tiny/1.0"])
def test_bodies_as_curl_sends_them(client, method, path):
    data = image("#00ff00", format="JPEG")
    for options in (
        {"content": data}, {"content": data, "headers": {"content-type": "application/x-www-form-urlencoded"}},
        {"files": {"data": ("a.jpg", data, "image/jpeg")}}, {"files": {"anything": data}},
        {"files": {"data": data}, "data": {"comment": "an image"}},
    ):
        answer = client.request(method, path, **options)
        assert answer.status_code == 200, answer.text
        assert next(iter(answer.json())) == "green"


def test_forms_that_hold_no_single_image(client):
    data = image()
    two = client.post("/predictions/tiny", files=[("data", data), ("data", data)])
    cut = client.post(
        "/predictions/tiny", content=b"--x\r\n\r\n", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    without = client.post("/predictions/tiny", content=data, headers={"content-type": "multipart/form-data"})
    for answer, words in ((two, "one image"), (cut, "cut off"), (without, "no boundary")):
        assert answer.status_code == 400
        assert words in answer.json()["message"]


def test_ping_and_headers(client):
    answer = client.get("/ping", headers={"origin": "http://elsewhere"})
    assert answer.json() == {"status": "Healthy"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not [name for name in answer.headers if name.startswith("access-control")]
    preflight = client.request(
        "OPTIONS", "/predictions/tiny", headers={"origin": "http://e", "access-control-request-method": "PUT"}
    )
    assert preflight.status_code == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_what_is_not_there(client):
    for path in ("/predictions/other", "/predictions/tiny/9"):
        answer = client.post(path, content=b"x")
        assert answer.status_code == 404
        assert answer.json()["type"] == "ModelNotFoundException"
    assert client.get("/nothing").json() == {"code": 404, "type": "ResourceNotFoundException", "message": "Not Found"}
    assert client.get("/predictions/tiny").status_code == 405


def test_metrics(client):
    client.post("/predictions/tiny", content=image())
    client.post("/predictions/tiny", content=b"no image")
    lines = client.get("/metrics").text.splitlines()
    for line in (
        'funcvision_requests_total{model="tiny",status="200",version="1.0"} 1.0',
        'funcvision_requests_total{model="tiny",status="415",version="1.0"} 1.0',
        'funcvision_request_seconds_count{model="tiny",version="1.0"} 2.0',
        'funcvision_batch_size_bucket{le="1.0",model="tiny",version="1.0"} 1.0',
        'funcvision_queue_length{model="tiny",version="1.0"} 0.0',
    ):
        assert line in lines
