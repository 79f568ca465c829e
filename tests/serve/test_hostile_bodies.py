"""Whatever a body holds, the answer is an answer, and never an unexpected error."""

import json

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from funcvision.serve.bodies import file_in
from funcvision.serve.errors import ServeError

from .serving import image

IMAGES = [image(format=format) for format in ("PNG", "JPEG", "GIF", "WEBP", "BMP")]
FORM = {"content-type": "multipart/form-data; boundary=x"}
FEW = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@st.composite
def changed_images(draw):
    data = bytearray(draw(st.sampled_from(IMAGES)))
    for _ in range(draw(st.integers(0, 6))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(1, len(data)))])


@FEW
@given(changed_images())
@pytest.mark.filterwarnings("ignore")
def test_changed_images(client, data):
    assert client.post("/predictions/tiny", content=data).status_code in (200, 400, 413, 415)


@FEW
@given(st.lists(st.sampled_from([b"--x", b"--", b"\r\n", b"Content-Disposition: form-data; name=", b'"data"', b"a",
                                 b":", b"\xff", b"\0", IMAGES[0]]), max_size=12))
@pytest.mark.filterwarnings("ignore")
def test_forms(client, parts):
    assert client.post("/predictions/tiny", content=b"".join(parts), headers=FORM).status_code in (200, 400, 413, 415)


@pytest.mark.parametrize("data", [
    b'--x\r\nContent-Disposition: form-data; name="q"\r\n\r\n1\r\n' * 300_000 + b"--x--\r\n",
    b'--x\r\nContent-Disposition: form-data; name="' + b'\\"' * 100_000 + b";" * 100_000 + b"\r\n\r\n1\r\n--x--\r\n",
], ids=["many fields", "a long header"])  # fmt: skip
def test_forms_that_would_take_long_to_read(data):
    """The parser of headers takes minutes for the second one."""
    with pytest.raises(ServeError, match="form"):
        file_in(data, FORM["content-type"])


def test_a_content_type_that_would_take_long_to_read():
    with pytest.raises(ServeError, match="Content-Type"):
        file_in(image(), 'multipart/form-data; boundary="' + '\\"' * 30_000)


def test_a_form_of_many_fields():
    field = b'--x\r\nContent-Disposition: form-data; name="data"\r\n\r\n1\r\n'
    others = b"".join(field.replace(b"data\"", f'{i}"'.encode()) for i in range(15))
    assert file_in(others + field + b"--x--\r\n", FORM["content-type"]) == b"1"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just([1, 16, 16, 3]),
    lambda inner: st.lists(inner, max_size=3), max_leaves=4,
)
INPUTS = st.dictionaries(
    st.sampled_from(["name", "shape", "datatype", "data", "parameters"]),
    VALUES | st.just("FP32") | st.dictionaries(st.just("binary_data_size"), VALUES, max_size=1), max_size=5,
)
REQUESTS = st.dictionaries(
    st.sampled_from(["inputs", "outputs", "id", "parameters"]), VALUES | st.lists(INPUTS, min_size=1, max_size=2),
    max_size=4,
)


@FEW
@given(REQUESTS, st.sampled_from([None, "0", "5", "x"]), st.binary(max_size=8))
def test_tensors(client, request, length, rest):
    headers = {} if length is None else {"Inference-Header-Content-Length": length}
    answer = client.post("/v2/models/tiny/infer", content=json.dumps(request).encode() + rest, headers=headers)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]


@FEW
@given(st.dictionaries(st.sampled_from(["url", "model_name", "model_version", "batch_size", "limit", "min_worker",
                                        "next_page_token", "initial_workers"]), st.text(max_size=8), max_size=4),
       st.sampled_from([("POST", "/models"), ("GET", "/models"), ("PUT", "/models/none"), ("GET", "/models/%00")]))
def test_queries(client, query, call):
    assert client.request(*call, params=query).status_code in (200, 400, 404)
