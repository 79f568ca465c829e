"""The Open Inference Protocol, version 2, with tensors in JSON and in binary."""

import asyncio
import json
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import export, serve
from funcvision.serve.tensors import parse

from .serving import SIDE, Client

INFER = "/v2/models/tiny/infer"


def tensor(rows):
    return np.random.default_rng(0).uniform(0, 1, (rows, SIDE, SIDE, 3)).astype(np.float32)


def expected(rows):
    return np.concatenate([rows.mean((1, 2)) * 10, np.full((len(rows), 1), 5)], 1)


def described(rows, **more):
    return {"name": "input", "datatype": "FP32", "shape": list(rows.shape), **more}


def binary(rows, **more):
    """Body and headers of a request with a binary tensor."""
    given = {"inputs": [described(rows, parameters={"binary_data_size": rows.nbytes})], **more}
    head = json.dumps(given).encode()
    return {"content": head + rows.tobytes(), "headers": {"Inference-Header-Content-Length": str(len(head))}}


def test_descriptions(client):
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").status_code == 200
    for path in ("/v2/models/tiny", "/v2/models/tiny/versions/1.0"):
        assert client.get(path).json() == {
            "name": "tiny", "versions": ["1.0"], "platform": "jax_stablehlo",
            "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, SIDE, SIDE, 3]}],
            "outputs": [{"name": "output", "datatype": "FP32", "shape": [-1, 4]}],
        }
        assert client.get(f"{path}/ready").json() == {"name": "tiny", "ready": True}
    missing = client.get("/v2/models/other")
    assert (missing.status_code, list(missing.json())) == (404, ["error"])


def test_readiness(client):
    client.put("/models/tiny?min_worker=0&synchronous=true")
    assert client.get("/v2/health/ready").status_code == 503
    assert client.get("/v2/models/tiny/ready").status_code == 503
    assert client.get("/v2/health/live").status_code == 200


@pytest.mark.parametrize("rows", [1, 3, 10])  # 10 are more than one batch
@pytest.mark.parametrize("nested", [False, True])
def test_json(client, rows, nested):
    given = tensor(rows)
    data = given.tolist() if nested else given.reshape(-1).tolist()
    answer = client.post(INFER, json={"id": "7", "inputs": [described(given, data=data)]})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["model_name"], found["model_version"], found["id"]) == ("tiny", "1.0", "7")
    (output,) = found["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("output", "FP32", [rows, 4])
    np.testing.assert_allclose(np.reshape(output["data"], (rows, 4)), expected(given), rtol=1e-5)


@pytest.mark.parametrize("more", [
    {"parameters": {"binary_data_output": True}},
    {"outputs": [{"name": "output", "parameters": {"binary_data": True}}]},
])  # fmt: skip
def test_binary(client, more):
    given = tensor(2)
    answer = client.post("/v2/models/tiny/versions/1.0/infer", **binary(given, **more))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers["inference-header-content-length"])
    (output,) = json.loads(answer.content[:length])["outputs"]
    assert output == {
        "name": "output", "datatype": "FP32", "shape": [2, 4], "parameters": {"binary_data_size": 32}
    }
    found = np.frombuffer(answer.content[length:], np.float32).reshape(2, 4)
    np.testing.assert_allclose(found, expected(given), rtol=1e-5)


def test_binary_in_and_json_out(client):
    given = tensor(1)
    answer = client.post(INFER, **binary(given))
    np.testing.assert_allclose(answer.json()["outputs"][0]["data"], expected(given)[0], rtol=1e-5)


def test_what_json_has_no_number_for(client):
    given = np.full((1, SIDE, SIDE, 3), np.nan, np.float32)
    answer = client.post(INFER, **binary(given))
    assert answer.json()["outputs"][0]["data"] == [None] * 4  # 0 x nan is nan, also for the fourth class


@pytest.mark.parametrize(("change", "words"), [
    ({"inputs": []}, "1 inputs"), ({"inputs": 3}, "1 inputs"), ({"inputs": [3]}, "1 inputs"),
    ({"datatype": "INT8"}, "FP32"), ({"datatype": None}, "FP32"), ({"shape": [1, 2]}, "not 2 numbers"),
    ({"shape": "x"}, "shape"), ({"shape": []}, "shape"), ({"shape": [0, SIDE, SIDE, 3]}, "shape"),
    ({"shape": [-1, SIDE, SIDE, 3]}, "shape"), ({"shape": [True, SIDE, SIDE, 3]}, "shape"),
    ({"shape": [10**15, SIDE, SIDE, 3]}, "shape"), ({"shape": [2, SIDE, SIDE, 3]}, "numbers"),
    ({"data": [["a"]]}, "numbers"), ({"data": [[1], [1, 2]]}, "numbers"), ({"data": None}, "neither"),
    ({"shape": [1, 3], "data": [1, 2, 3]}, "rows of shape (16, 16, 3)"), ({"id": 3}, "id"),
    ({"outputs": [{"name": "other"}]}, "'other'"), ({"outputs": ["output"]}, "outputs"),
    ({"parameters": {"binary_data_size": 5}}, "3072 bytes"), ({"parameters": {"binary_data_size": "5"}}, "bytes"),
    ({"parameters": {"binary_data_size": 3072}}, "bytes"), ({"parameters": {"binary_data_output": 1}}, "neither"),
])  # fmt: skip
def test_refused_requests(client, change, words):
    given = tensor(1)
    of_input = {"shape", "datatype", "data"}
    request = {"inputs": [described(given, data=given.reshape(-1).tolist())]}
    for name, value in change.items():
        inner = name in of_input or (name == "parameters" and "binary_data_size" in value)
        (request["inputs"][0] if inner else request)[name] = value
    answer = client.post(INFER, json=request)
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]


@pytest.mark.parametrize("length", ["x", "-1", "99999999999999999999", "999999", "²", "1"])
def test_wrong_lengths_of_the_header(client, length):
    given = binary(tensor(1))
    given["headers"] = {"Inference-Header-Content-Length": length.encode("utf-8")}
    assert client.post(INFER, **given).status_code == 400


def test_deep_json(client):
    assert client.post(INFER, content=b"[" * 200_000).status_code == 400


def rows_model(tmp_path, dtype, **settings):
    """A client of a model that returns its input, of which a row is one number."""
    (n,) = jax.export.symbolic_shape("n")
    row = jax.ShapeDtypeStruct((n, 1), dtype)
    zero = jnp.zeros((1, 1), dtype)
    export.save_function(tmp_path / "row.fv", lambda zero, x: x + zero, zero, row, platforms=["cpu"])
    registry = serve.Registry(serve.Settings(max_batch=2, **settings), inspect_programs=False)
    registry.add(tmp_path / "row.fv")
    return Client(serve.create_app(registry))


@pytest.mark.parametrize(("dtype", "name", "data"), [
    ("uint8", "UINT8", [300]), ("uint8", "UINT8", [-1]), ("uint8", "UINT8", [1.5]), ("uint8", "UINT8", [True]),
    ("int32", "INT32", [2**31]), ("float32", "FP32", ["1"]), ("float32", "FP32", [None]), ("float32", "FP32", [[[]]]),
    ("float32", "FP32", [10**400]), ("bfloat16", "BF16", [10**400]), ("bool", "BOOL", [1]),
])  # fmt: skip
def test_numbers_are_not_cast_in_silence(dtype, name, data):
    body = json.dumps({"inputs": [{"name": "x", "shape": [1, 1], "datatype": name, "data": data}]}).encode()
    with pytest.raises(serve.ServeError, match="the data of x"):
        parse(body, None, names=["x"], dtypes=[np.dtype(dtype)], outputs=["y"])


def test_a_long_string_among_the_numbers():
    """numpy would make an array of 20 GB of them: each element of an array of strings is as long as the longest."""
    data = ["x" * 500_000, *[0] * 9_999]
    body = json.dumps({"inputs": [{"name": "x", "shape": [10_000, 1], "datatype": "FP32", "data": data}]}).encode()
    with pytest.raises(serve.ServeError, match="the data of x"):
        parse(body, None, names=["x"], dtypes=[np.dtype("float32")], outputs=["y"])


def test_many_rows(tmp_path):
    """They are computed in their order, and in pieces: other requests come between them."""
    client = rows_model(tmp_path, "int32")
    given = np.arange(4001, dtype=np.int32)[:, None]
    head = json.dumps({"inputs": [{
        "name": "x", "datatype": "INT32", "shape": [4001, 1], "parameters": {"binary_data_size": given.nbytes},
    }]}).encode()  # fmt: skip

    async def main():
        async with client.session() as session:
            headers = {"Inference-Header-Content-Length": str(len(head))}
            work = session.post("/v2/models/row/infer", content=head + given.tobytes(), headers=headers)
            many = asyncio.create_task(work)
            while 'funcvision_batch_size_count{model="row",version="1.0"} 0.0' in (await session.get("/metrics")).text:
                await asyncio.sleep(0.001)
            one = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [1, 1], "data": [7]}]}
            answer = await session.post("/v2/models/row/infer", json=one)
            assert answer.json()["outputs"][0]["data"] == [7]
            assert not many.done()
            assert (await many).json()["outputs"][0]["data"] == list(range(4001))

    asyncio.run(main())


def test_many_rows_for_which_there_is_no_time(tmp_path):
    client = rows_model(tmp_path, "uint8", timeout=0.5)
    head = json.dumps({"inputs": [{
        "name": "x", "datatype": "UINT8", "shape": [10**6, 1], "parameters": {"binary_data_size": 10**6},
    }]}).encode()  # fmt: skip
    headers = {"Inference-Header-Content-Length": str(len(head))}
    begin = time.monotonic()
    assert client.post("/v2/models/row/infer", content=head + bytes(10**6), headers=headers).status_code == 504
    assert time.monotonic() - begin < 5
    assert 'funcvision_queue_length{model="row",version="1.0"} 0.0' in client.get("/metrics").text
