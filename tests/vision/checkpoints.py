"""Small state dicts, and checkpoint files made by hand, byte for byte."""

import pickle
import struct
import zipfile

import numpy as np

from funcvision import nn


class Net(nn.Module):
    """One layer of each kind whose axes have another order in torch."""

    def __init__(self, channels: int = 4):
        self.conv = nn.Conv2d(3, channels, (3, 2), bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.up = nn.ConvTranspose2d(channels, 2, 2)
        self.fc = nn.Linear(channels, 5)


def tensors(seed: int = 0, channels: int = 4) -> dict[str, np.ndarray]:
    """A state dict of `Net` in torch's layout."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, declaration in Net(channels).declarations().items():
        made[name] = rng.standard_normal(declaration.shape).astype(np.float32)
        if name.endswith("num_batches_tracked"):
            made[name] = np.array(7)
    return made


def assert_same(ours, theirs):
    assert list(ours) == list(theirs)
    for name in theirs:
        assert ours[name].dtype == theirs[name].dtype, name
        assert ours[name].shape == theirs[name].shape, name
        assert ours[name].tobytes() == np.ascontiguousarray(theirs[name]).tobytes(), name


def zip_file(path, pickled: bytes, storages: dict[str, bytes] | None = None, *, compression=zipfile.ZIP_STORED, **more):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for key, content in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", content)
        for name, content in more.items():
            archive.writestr(f"archive/{name}", content)
    return path


def tensor_pickle(
    shape=(2, 3), strides=(3, 1), offset=0, size=6,
    *, storage="torch\nFloatStorage", function="_rebuild_tensor_v2", view=None, rest=b"",
) -> bytes:
    """The instructions for one tensor over storage "0"."""
    plain = lambda value: pickle.dumps(value, 2)[2:-1]
    return (
        f"ctorch._utils\n{function}\n((X\x07\0\0\0storagec{storage}\n".encode()
        + plain("0") + plain("cpu") + plain(size) + (b"" if view is None else plain(view))
        + b"tQ" + plain(offset) + plain(shape) + plain(strides)
        + b"\x89ccollections\nOrderedDict\n)R" + rest + b"tR"
    )  # fmt: skip


def state_pickle(tensor: bytes, name: str = "w") -> bytes:
    return b"\x80\x02}" + pickle.dumps(name, 2)[2:-1] + tensor + b"s."


def assert_params(params, state, expected):
    """Asserts what `from_torch` makes of a state dict of `Net`, with other functions than its own."""
    np.testing.assert_array_equal(params["conv.weight"], np.einsum("oihw->hwio", expected["conv.weight"]))
    np.testing.assert_array_equal(params["fc.weight"], expected["fc.weight"].T)
    np.testing.assert_array_equal(params["fc.bias"], expected["fc.bias"])
    np.testing.assert_array_equal(state["bn.running_var"], expected["bn.running_var"])
    np.testing.assert_array_equal(state["bn.num_batches_tracked"], 7)
    if "t" in expected:
        np.testing.assert_array_equal(state["t"], expected["t"].transpose(2, 1, 0))


def nested(content: bytes) -> bytes:
    return b"\x80\x02" + content + b"."


def entry(name: str, content: bytes) -> bytes:
    return pickle.dumps(name, 2)[2:-1] + content + b"s"


PLAIN = pickle.dumps({"lr": 0.1, "betas": (0.9, 0.999), "params": [0, 1], "on": True, "no": None, 3: "three"}, 2)[2:-1]
STATE = b"}" + entry("w", tensor_pickle())


def legacy_bytes() -> bytes:
    parts = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    return b"".join([*parts, state_pickle(tensor_pickle()), pickle.dumps(["0"], 2), struct.pack("<q6f", 6, *range(6))])
