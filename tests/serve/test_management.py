"""Registration, scaling and removal of models, by TorchServe's management calls."""

import asyncio
import shutil

import pytest

from funcvision import serve
from funcvision.serve.access import read_keys

from .serving import Client, image

REGISTER = "/models?url=tiny.fv&initial_workers=1&synchronous=true&model_name=new"


def test_descriptions(client):
    assert client.get("/models").json() == {"models": [{"modelName": "tiny", "modelUrl": "tiny.fv"}]}
    (found,) = client.get("/models/tiny").json()
    assert found.pop("workers")[0]["status"] == "READY"
    assert found == {
        "modelName": "tiny", "modelVersion": "1.0", "modelUrl": "tiny.fv", "engine": "JAX", "runtime": "python",
        "minWorkers": 1, "maxWorkers": 1, "batchSize": 4, "maxBatchDelay": 5,
        "jobQueueStatus": {"remainingCapacity": 128, "pendingRequests": 0},
    }
    assert client.get("/models/tiny/1.0").json()[0]["modelVersion"] == "1.0"
    assert client.get("/models/tiny/2.0").status_code == 404


def test_versions(client):
    answer = client.post("/models?url=tiny.fv&model_version=2.0&batch_size=1&max_batch_delay=70&response_timeout=9")
    assert answer.json()["status"].startswith('Model "tiny" Version: 2.0 registered with 0 initial workers')
    refused = client.post("/predictions/tiny/2.0", content=image())
    assert refused.status_code == 503
    assert refused.json()["type"] == "ServiceUnavailableException"
    assert client.get("/ping").json() == {"status": "Partial Healthy"}

    scaled = client.put("/models/tiny/2.0?min_worker=2&synchronous=true")
    assert scaled.json() == {"status": "Workers scaled to 2 for model: tiny, version: 2.0"}
    assert client.post("/predictions/tiny/2.0", content=image()).status_code == 200
    described = client.get("/models/tiny/all").json()
    assert [(one["modelVersion"], one["minWorkers"], one["batchSize"]) for one in described] == [
        ("1.0", 1, 4), ("2.0", 2, 1)
    ]

    assert client.delete("/models/tiny").status_code == 403  # the default version, while there is another one
    assert "tiny" in client.put("/models/tiny/2.0/set-default").json()["status"]
    assert client.get("/models/tiny").json()[0]["modelVersion"] == "2.0"
    assert client.delete("/models/tiny/1.0").json() == {"status": 'Model "tiny" unregistered'}
    assert client.put("/models/tiny?min_worker=0&synchronous=true").status_code == 200
    assert client.post("/predictions/tiny", content=image()).status_code == 503
    assert client.delete("/models/tiny").status_code == 200
    assert client.get("/models").json() == {"models": []}
    assert client.post("/predictions/tiny", content=image()).status_code == 404


def test_registration_that_is_not_waited_for(client):
    """It is answered with 202, and the model is there when it is compiled. Errors known at once are answers."""

    async def main():
        async with client.session() as session:
            answer = await session.post("/models?url=tiny.fv&model_name=new&initial_workers=1")
            assert (answer.status_code, answer.json()) == (202, {"status": "Processing worker updates..."})
            assert await until_not(404, session) == 200
            assert (await session.post("/models?url=missing.fv&initial_workers=1")).status_code == 404
            assert (await session.put("/models/new?min_worker=0")).status_code == 202
            assert await until_not(200, session) == 503

    async def until_not(status, session):
        for _ in range(1000):
            found = (await session.post("/predictions/new", content=image())).status_code
            if found != status:
                return found
            await asyncio.sleep(0.05)
        raise TimeoutError

    asyncio.run(main())


def test_pages_of_models(client):
    for name in ("b", "c"):
        assert client.post(f"/models?url=tiny.fv&model_name={name}").status_code == 200
    first = client.get("/models?limit=2").json()
    second = client.get(f"/models?limit=2&next_page_token={first['nextPageToken']}").json()
    assert [one["modelName"] for one in first["models"] + second["models"]] == ["tiny", "b", "c"]
    assert "nextPageToken" not in second


@pytest.mark.parametrize(("query", "status", "words"), [
    ("", 400, "give the name of a file"), ("url=missing.fv", 404, "no file 'missing.fv'"),
    ("url=../tiny.fv", 400, "without a folder"), ("url=/etc/passwd", 400, "without a folder"),
    ("url=..%2Ftiny.fv", 400, "without a folder"), ("url=a%00.fv", 400, "without a folder"),
    ("url=http://example.org/tiny.fv", 400, "without a folder"), ("url=tiny.fv", 409, "registered already"),
    ("modelUrl=broken.fv", 400, "broken.fv is not a file that funcvision.export wrote"),
    ("url=tiny.fv&model_name=a/b", 400, "the name of a model"), ("url=tiny.fv&batch_size=0", 400, "batch_size"),
    ("url=tiny.fv&model_name=b&initial_workers=1&model_version=", 400, "the version of a model"),
])  # fmt: skip
def test_refused_registrations(client, model_file, query, status, words):
    """No answer contains the folder in which the models are."""
    (model_file.parent / "broken.fv").write_bytes(b"no model")
    answer = client.post(f"/models?{query}")
    assert answer.status_code == status, answer.text
    assert words in answer.json()["message"]
    assert "secret-folder" not in answer.text
    assert model_file.parent.as_posix() not in answer.text


def test_without_a_model_folder(model_file):
    client = Client(serve.create_app(serve.Registry()))
    assert client.post("/models?url=tiny.fv").status_code == 403


@pytest.mark.parametrize("host", ["10.0.0.7", "::ffff:10.0.0.7", "testclient"])
@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/models"), ("POST", REGISTER), ("PUT", "/models/tiny?min_worker=0"), ("DELETE", "/models/tiny"),
    ("PUT", "/models/tiny/1.0/set-default"), ("PATCH", "/models"),
])  # fmt: skip
def test_management_from_elsewhere(registry, host, method, path):
    far = Client(serve.create_app(registry), host)
    assert far.request(method, path).status_code == 403
    assert far.post("/predictions/tiny", content=image()).status_code == 200


@pytest.mark.parametrize("header", ["Forwarded", "Via", "X-Forwarded-For", "X-Real-IP"])
def test_management_through_a_proxy_of_this_machine(registry, header):
    proxy = Client(serve.create_app(registry), **{header: "for=10.0.0.7"})
    assert proxy.get("/models").status_code == 403
    assert proxy.post("/predictions/tiny", content=image()).status_code == 200


def test_management_from_anywhere(registry):
    far = Client(serve.create_app(registry, manage_from_anywhere=True), "10.0.0.7", via="1.1 proxy")
    assert far.get("/models/tiny").status_code == 200


@pytest.mark.parametrize("headers", [{"origin": "http://server"}, {"sec-fetch-site": "cross-site"}])
def test_no_page_manages_models(registry, headers):
    """A page that is open on the machine of the server cannot have its browser register a model."""
    assert Client(serve.create_app(registry), **headers).post(REGISTER).status_code == 403
    assert Client(serve.create_app(registry), "::1").get("/models").status_code == 200


def test_api_keys(registry, tmp_path):
    file = tmp_path / "keys"
    file.write_text("# for the shop\nfirst-key-0123456789\n\nsecond-key-0123456789\n", encoding="utf-8")
    app = serve.create_app(registry, keys=read_keys(file))
    bare = Client(app)
    for path in ("/ping", "/v2/health/live", "/v2/health/ready"):
        assert bare.get(path).status_code == 200
    for method, path in (
        ("POST", "/predictions/tiny"), ("GET", "/metrics"), ("GET", "/v2"), ("GET", "/models"),
        ("POST", "/v2/models/tiny/infer"), ("GET", "/v2/models/tiny"), ("POST", "/ping"), ("GET", "/nothing"),
    ):
        answer = bare.request(method, path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path
    for value in ("Bearer first-key", "first-key-0123456789", "Basic first-key-0123456789", "Bearer ", "Bearer \xff"):
        assert bare.post("/predictions/tiny", headers={"authorization": value.encode("latin1")}).status_code == 401
    for key in ("first-key-0123456789", "second-key-0123456789"):
        known = Client(app, authorization=f"Bearer {key}")
        assert known.post("/predictions/tiny", content=image()).status_code == 200
        assert known.get("/models").status_code == 200


@pytest.mark.parametrize(("text", "words"), [
    ("# nothing\n", "no API key"), ("short\n", "less than 16"), ("a-k\u00e9y-0123456789abc\n", "ASCII"),
])  # fmt: skip
def test_files_of_keys(tmp_path, text, words):
    (tmp_path / "keys").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        read_keys(tmp_path / "keys")


def test_two_models_of_one_name(registry, model_file, tmp_path):
    shutil.copy(model_file, tmp_path / "tiny.fv")
    with pytest.raises(ValueError, match="NAME/VERSION=FILE"):
        registry.add(tmp_path / "tiny.fv", workers=0)
