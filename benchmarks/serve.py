"""Requests a second and latencies of `funcvision serve` on loopback, against torch behind FastAPI and LitServe; a soak.

    python -m benchmarks.serve load [MODEL ...]     # 1, 8 and 64 clients; about three minutes a model
    python -m benchmarks.serve soak [SECONDS]       # good and bad requests together; 600 seconds

All servers hold the same weights and prepare the same photo. Each measurement lasts some seconds, and the servers take
turns. The clients run on the same cores as the servers.
"""

import collections
import contextlib
import io
import itertools
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator

import numpy as np
import PIL.Image
from tqdm import tqdm

from . import _serve_client as http

OURS = "funcvision"
PEERS = ("fastapi", "litserve")
CLIENTS = (1, 8, 64)
SECONDS, ROUNDS = 6.0, 3


def photo() -> bytes:
    """A JPEG file of 500 x 375 pixels with structure at all scales."""
    draw = np.random.default_rng(0)
    noise = [draw.uniform(0, 255, (max(2, 375 >> k), max(2, 500 >> k), 3)) for k in range(8)]
    layers = [np.asarray(PIL.Image.fromarray(one.astype(np.uint8)).resize((500, 375)), np.float32) for one in noise]
    image = PIL.Image.fromarray(np.mean(layers, 0).astype(np.uint8))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def make_files(name: str, folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """The same random weights as a file of torch and as an exported model."""
    import torch
    import torchvision

    torch.manual_seed(0)
    weights, exported = folder / f"{name}.pth", folder / f"{name}.fv"
    model = torchvision.models.get_model(name)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0  # the statistics of the batch below, so that answers depend on the image
    with torch.no_grad():
        model(torch.randn(8, 3, 224, 224))
        list(model.children())[-1].apply(lambda layer: layer.weight.mul_(20) if hasattr(layer, "weight") else None)
    torch.save(model.state_dict(), weights)
    command = [sys.executable, "-m", "funcvision", "export", name, "--weights", str(weights), "--out", str(exported)]
    subprocess.run([*command, "--platforms", "cpu"], check=True, stdout=subprocess.DEVNULL)
    return weights, exported


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """A server in a process of its own, from its first answer on; gives the number of the process."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None:
                raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
            time.sleep(0.2)
        yield process.pid
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # LitServe leaves processes behind


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def load(models: tuple[str, ...] = ("mobilenet_v2", "resnet50")) -> None:
    """Throughput and latencies, for each number of clients."""
    for name in models:
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            weights, exported = make_files(name, pathlib.Path(folder))
            ports = {server: free_port() for server in (OURS, *PEERS)}
            ours = [sys.executable, "-m", "funcvision", "serve", f"{name}={exported}", "--port", str(ports[OURS])]
            stack.enter_context(running(ours, ports[OURS]))
            for peer in PEERS:
                command = [sys.executable, "-m", "benchmarks._serve_peers", peer, name, str(weights), str(ports[peer])]
                stack.enter_context(running(command, ports[peer]))
            _compare(name, ports)


def _compare(name: str, ports: dict[str, int]) -> None:
    body, content_type = http.form("request", photo())
    paths = {OURS: f"/predictions/{name}"} | dict.fromkeys(PEERS, "/predict")
    requests = {
        server: http.Request(http.message("POST", path, body, content_type=content_type))
        for server, path in paths.items()
    }

    def measure(server: str, clients: int, seconds: float) -> list[http.Reply]:
        replies = http.load(
            ports[server], lambda number: itertools.repeat(requests[server]), clients=clients, seconds=seconds
        )
        if failed := [reply for reply in replies if reply.status != 200]:
            raise RuntimeError(f"{server} answered {failed[0].status}: {failed[0].body[:200]!r}")
        return replies

    answers = {}
    for server in ports:
        measure(server, 64, 4)  # LitServe and torch become quicker during their first batches
        answers[server] = json.loads(measure(server, 1, 0.1)[0].body)
    for peer in PEERS:
        worst = max(abs(answers[peer].get(label, 0) - value) for label, value in answers[OURS].items())
        if worst > 1e-4:
            raise RuntimeError(f"{peer} answers {answers[peer]}, and {OURS} {answers[OURS]}")
    print(f"\n{name}, a JPEG file of 500 x 375 pixels, {len(os.sched_getaffinity(0))} cores")
    print(f"  {'':22} {'a second':>9} {'50% ms':>8} {'95% ms':>8} {'99% ms':>8}   {OURS} / it (rounds)")
    for clients in CLIENTS:
        rates, latencies = collections.defaultdict(list), collections.defaultdict(list)
        for turn in tqdm(range(ROUNDS), desc=f"{clients} clients", leave=False, disable=not sys.stderr.isatty()):
            for server in np.random.default_rng(turn).permutation(list(ports)):
                replies = measure(str(server), clients, SECONDS)
                last = max(reply.begin + reply.seconds for reply in replies)
                rates[server].append(len(replies) / (last - min(reply.begin for reply in replies)))
                latencies[server].append(np.array([reply.seconds for reply in replies]) * 1000)
        _print(clients, rates, latencies)


def _print(clients: int, rates: dict[str, list[float]], latencies: dict[str, list[np.ndarray]]) -> None:
    for server in rates:
        quantiles = np.quantile(np.concatenate(latencies[server]), [0.5, 0.95, 0.99])
        line = f"  {server:12} {clients:2} client(s) {np.median(rates[server]):8.1f} "
        line += " ".join(f"{one:8.1f}" for one in quantiles)
        if server != OURS:
            pairs = [ours / theirs for ours, theirs in zip(rates[OURS], rates[server], strict=True)]
            medians = [np.median([np.median(one) for one in latencies[who]]) for who in (OURS, server)]
            line += f"   {np.median(pairs):.2f} ({min(pairs):.2f}..{max(pairs):.2f}) requests a second"
            line += f", {medians[0] / medians[1]:.2f} median latency"
        print(line, flush=True)


def soak(seconds: float = 600.0) -> None:
    """Good and bad requests for a while: the memory of the server, and the statuses that each kind of request got."""
    with tempfile.TemporaryDirectory() as folder:
        _, exported = make_files("mobilenet_v2", pathlib.Path(folder))
        port = free_port()
        command = [sys.executable, "-m", "funcvision", "serve", f"m={exported}", "--port", str(port), "--max-mib", "2"]
        with running(command, port) as process:
            _soak(port, process, seconds)


def _soak(port: int, process: int, seconds: float) -> None:
    kinds, turns = _kinds(), max(5, round(seconds / 10))
    shares = np.array([share for _, _, share in kinds.values()])
    requests = [request for request, _, _ in kinds.values()]
    counts: dict[str, collections.Counter[int]] = {kind: collections.Counter() for kind in kinds}
    memory, slowest = [], 0.0

    def chosen(client: int) -> Iterator[http.Request]:
        draw = np.random.default_rng([len(memory), client])
        while True:
            yield requests[draw.choice(len(requests), p=shares / shares.sum())]

    for _ in tqdm(range(turns), desc="soak", leave=False, disable=not sys.stderr.isatty()):
        for reply in http.load(port, chosen, clients=8, seconds=seconds / turns):
            counts[reply.kind][reply.status] += 1
            slowest = max(slowest, reply.seconds)
        memory.append(_resident(process))
    print(f"\nsoak of {seconds:.0f} s, 8 clients: {sum(sum(one.values()) for one in counts.values()):,} requests")
    unexpected = 0
    for kind, found in counts.items():
        unexpected += sum(count for status, count in found.items() if status != kinds[kind][1])
        print(f"  {kind:24} {', '.join(f'{status}: {count:,}' for status, count in sorted(found.items()))}")
    early, late = np.median(memory[turns // 5 : 2 * turns // 5]), np.median(memory[-(turns // 5) :])
    print(f"  other statuses than expected: {unexpected}; slowest answer {slowest:.2f} s")
    print(f"  memory of the server: {early:.0f} MiB in the second fifth, {late:.0f} MiB in the last")


def _kinds() -> dict[str, tuple[http.Request, int, float]]:
    """For each kind of request: the request, the status that it must get, and its share."""
    good, path = photo(), "/predictions/m"
    body, content_type = http.form("data", good)
    header = struct.pack(">IIBBBBB", 16000, 1, 8, 2, 0, 0, 0)  # one row of pixels: resized it would be a billion
    line = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(48001))) + _chunk(b"IEND", b"")
    tensor = {"name": "images", "datatype": "FP32", "shape": [1, 3, 3, 3], "data": [0.0] * 27}
    infer = json.dumps({"inputs": [tensor]}).encode()
    messages = {
        "photo": (http.message("PUT", path, good), 200, 5),
        "photo in a form": (http.message("POST", path, body, content_type=content_type), 200, 5),
        "metrics": (http.message("GET", "/metrics"), 200, 1),
        "not an image": (http.message("PUT", path, b"not an image"), 415, 1),
        "half a photo": (http.message("PUT", path, good[: len(good) // 2]), 400, 1),
        "a billion pixels": (http.message("PUT", path, b"\x89PNG\r\n\x1a\n" + line), 413, 1),
        "too many bytes": (http.message("PUT", path, bytes(3 << 20)), 413, 0.2),
        "no such model": (http.message("PUT", "/predictions/n", good), 404, 1),
        "tensor of another shape": (http.message("POST", "/v2/models/m/infer", infer), 400, 1),
        "no JSON": (http.message("POST", "/v2/models/m/infer", b"{"), 400, 1),
        "client goes away": (http.message("PUT", path, good), 0, 1),
        "client stops in the body": (http.message("PUT", path, good)[:-1000], 0, 1),
    }
    return {
        kind: (http.Request(data, kind, abandoned=not status), status, share)
        for kind, (data, status, share) in messages.items()
    }


def _chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _resident(process: int) -> float:
    """The memory of a process, in MiB."""
    pages = int(pathlib.Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Both parts, with their default options."""
    load()
    soak()


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            main()
        case ["load", *names]:
            load(*([tuple(names)] if names else []))
        case ["soak", *given]:
            soak(*map(float, given))
        case _:
            sys.exit(__doc__)
