"""What a server refuses: bodies and images that are too large or damaged, and requests for which there is no time."""

import asyncio
import io
import logging
import threading
import zlib

import numpy as np
import PIL.Image
import pytest

from funcvision import serve
from funcvision.serve.batching import Worker
from funcvision.serve.images import Limits, fitted, open_image

from .serving import Client, image

PATH = "/predictions/tiny"


def png(height, width):
    """A PNG of one colour, written row by row, so that a large one costs little."""
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    packer = zlib.compressobj(1)
    row = bytes(1 + width)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("height", "width"), [(1, 16_000), (16_000, 1)])
def test_an_image_that_becomes_huge_when_it_is_resized(client, registry, height, width):
    """Its shorter side becomes 16 pixels here, and with the usual 256 pixels it is a gigapixel."""
    assert client.post(PATH, content=png(height, width)).status_code == 200
    with pytest.raises(serve.ServeError, match="resized for the model it would have") as error:
        open_image(png(height, width), Limits(50_000_000, resize=256))
    assert error.value.status == 413


def test_an_image_of_many_pixels(model_file):
    registry = serve.Registry(serve.Settings(max_batch=1, max_pixels=10_000), inspect_programs=False)
    registry.add(model_file)
    client = Client(serve.create_app(registry))
    assert client.post(PATH, content=image(size=(100, 100))).status_code == 200
    answer = client.post(PATH, content=image(size=(101, 100)))
    assert answer.status_code == 413
    assert "100 x 101 pixels" in answer.json()["message"]


def test_a_decompression_bomb(client, monkeypatch):
    """The header is refused, and nothing is unpacked. The pixels of this one would take 10 gigabytes."""
    bomb = bytearray(png(1, 1))
    bomb[16:24] = (100_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4, "big")
    monkeypatch.setattr(PIL.Image.Image, "load", None)
    assert client.post(PATH, content=bytes(bomb)).status_code == 413
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", None)  # as in the process of the command
    answer = client.post(PATH, content=bytes(bomb))
    assert answer.status_code == 413
    assert "100000 x 100000 pixels" in answer.json()["message"]


def postscript():
    stream = io.BytesIO()
    PIL.Image.new("RGB", (4, 4)).save(stream, "EPS")
    return stream.getvalue()


@pytest.mark.parametrize(("data", "status"), [
    (b"no image", 415), (postscript(), 415), (image()[:40], 415), (image()[:-30], 400),
    (image(format="JPEG")[:-40], 400), (image(format="GIF")[:-4], 400),
], ids=["text", "postscript", "header cut off", "PNG cut off", "JPEG cut off", "GIF cut off"])  # fmt: skip
def test_what_is_no_image(client, data, status):
    answer = client.post(PATH, content=data)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"code", "type", "message"}


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_formats(client, format):
    assert next(iter(client.post(PATH, content=image("#0000ff", format=format)).json())) == "blue"


def test_orientation_and_modes():
    """Turned as the EXIF orientation says. Grey, transparent and 16-bit images become RGB."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    limits = Limits(10**6)
    assert open_image(image(size=(20, 30), format="JPEG", exif=exif), limits).size == (30, 20)
    for mode in ("L", "LA", "RGBA", "P", "1", "I;16"):
        stream = io.BytesIO()
        PIL.Image.new(mode, (3, 2)).save(stream, "PNG")
        assert open_image(stream.getvalue(), limits).mode == "RGB"


def test_images_for_a_program_of_one_size():
    """Scaled to cover the size, and cut around the centre."""
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 20:60] = 255
    found = np.asarray(fitted(PIL.Image.fromarray(pixels), 20, 20))
    assert found.shape == (20, 20, 3)
    assert found[:, 1:-1].min() == 255  # without the cut, a quarter of the columns would be black


def test_bodies(model_file):
    registry = serve.Registry(
        serve.Settings(max_batch=1, max_bytes=5000, max_total_bytes=8000), inspect_programs=False
    )
    registry.add(model_file)
    client = Client(serve.create_app(registry))
    assert client.post(PATH, content=image()).status_code == 200
    assert client.post(PATH, content=b"").status_code == 400
    assert client.post(PATH, content=bytes(5001)).status_code == 413

    async def in_parts():
        for _ in range(6):
            yield bytes(1000)

    assert client.post(PATH, content=in_parts()).status_code == 413  # without a Content-Length
    zipped = client.post(PATH, content=image(), headers={"content-encoding": "gzip"})
    assert zipped.status_code == 415
    with registry.bodies.account() as other:
        registry.bodies.hold(7900)
        other.bytes += 7900
        answer = client.post(PATH, content=bytes(200))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert client.post(PATH, content=image()).status_code == 200


def stop(registry, **settings):
    """Replaces the worker of the tiny model by one that waits for an event, which is returned."""
    gate, (model,) = threading.Event(), registry.models()
    run = model.make_workers(1)[0]._run

    def wait(rows):
        gate.wait(20)
        return run(rows)

    model.batcher.scale([Worker(wait)])
    for name, value in settings.items():
        setattr(model.batcher, name, value)
    return gate


async def until(condition):
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def test_a_full_queue(registry, client):
    async def main():
        gate, (model,) = stop(registry, max_queue=2), registry.models()
        async with client.session() as session:
            asked = [asyncio.create_task(session.post(PATH, content=image())) for _ in range(2)]
            await until(lambda: model.batcher.requests == 2)
            refused = await session.post(PATH, content=image())
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            refused = await session.post("/v2/models/tiny/infer", content=b"{}")
            assert refused.status_code == 503
            gate.set()
            assert [answer.status_code for answer in await asyncio.gather(*asked)] == [200, 200]

    asyncio.run(main())


def test_a_model_whose_images_take_long_does_not_starve_another(registry, client, model_file):
    registry.add(model_file, name="other")
    slow, gate = registry.get("other"), threading.Event()
    slow._pictures.prepare = lambda data: gate.wait(20)

    async def main():
        async with client.session() as session:
            stuck = [asyncio.create_task(session.post("/predictions/other", content=image())) for _ in range(20)]
            await until(lambda: slow.batcher.requests == 20)
            answer = await asyncio.wait_for(session.post(PATH, content=image()), 10)
            assert answer.status_code == 200
            for task in stuck:
                task.cancel()
            await asyncio.wait(stuck)
            gate.set()
        assert slow.batcher.requests == 0

    asyncio.run(main())


def test_a_deadline(model_file):
    registry = serve.Registry(serve.Settings(max_batch=1, timeout=0.3), inspect_programs=False)
    registry.add(model_file)
    gate = stop(registry)
    client = Client(serve.create_app(registry))
    assert client.post(PATH, content=image()).status_code == 504

    async def slowly():
        yield b"x"
        await asyncio.sleep(5)

    assert client.post(PATH, content=slowly()).status_code == 408
    gate.set()


def scope(path=PATH):
    return {
        "type": "http", "method": "POST", "path": path, "headers": [], "query_string": b"", "client": ("127.0.0.1", 5),
        "http_version": "1.1", "scheme": "http", "server": ("server", 80), "root_path": "",
    }


def test_disconnected_clients(registry, caplog):
    """One goes away while it sends, another one while it waits. Neither is computed, and nothing is logged."""
    app = serve.create_app(registry)
    sent = []

    async def send(message):
        sent.append(message)

    async def main():
        gate, (model,) = stop(registry), registry.models()
        messages = iter([{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}])

        async def cut():
            return next(messages)

        await app(scope(), cut, send)

        gone, begun = asyncio.Event(), iter([{"type": "http.request", "body": image(), "more_body": False}])

        async def leave():
            if (message := next(begun, None)) is not None:
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        first = asyncio.create_task(model.predict(image()))
        await until(lambda: model.batcher._busy)
        second = asyncio.create_task(app(scope(), leave, send))
        await until(lambda: model.batcher.waiting == 1)
        gone.set()
        await second
        assert (model.batcher.waiting, model.batcher.requests) == (0, 1)
        gate.set()
        await first

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    assert [message["status"] for message in sent if message["type"] == "http.response.start"] == [499, 499]
    assert not [record for record in caplog.records if record.name.startswith("funcvision")]
    assert 'status="499",version="1.0"} 2.0' in Client(app).get("/metrics").text


def test_unexpected_errors(registry, client, caplog):
    """The client is told an identifier, under which the log has the traceback."""
    (model,) = registry.models()

    def fail(rows):
        raise RuntimeError("no memory at /secret/place")

    model.batcher.scale([Worker(fail)])
    for path, content in ((PATH, image()), ):
        answer = client.post(path, content=content)
        assert answer.status_code == 500
        assert "secret" not in answer.text
        identifier = answer.json()["message"].split()[-1]
        (record,) = [record for record in caplog.records if identifier in record.getMessage()]
        assert "secret" in str(record.exc_info)
