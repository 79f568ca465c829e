"""WebDataset: samples of tar shards, shuffled, in parts, resumed, over HTTP, and from damaged and hostile shards."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from funcvision.vision import datasets, transforms
from funcvision.vision.datasets._formats import read_tar
from funcvision.vision.download import DownloadError, stream_url
from tests.vision.datasets.damage import mutations
from tests.vision.loopback import closed_port, serve


def pixels(number):
    return np.random.default_rng(number).integers(0, 256, (4, 5, 3), np.uint8)


def encoded(array, format="png", **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format, **options)
    return buffer.getvalue()


def files(number):
    return {"png": encoded(pixels(number)), "cls": b"%d" % number, "json": json.dumps({"n": number}).encode()}


def tar(entries, format=tarfile.USTAR_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for name, content in entries:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def shard(numbers):
    return tar([(f"set/{n:04}.{end}", content) for n in numbers for end, content in files(n).items()])


COUNTS = (5, 3, 6, 4)
STARTS = (0, 5, 8, 14)


@pytest.fixture
def root(tmp_path):
    for i, (start, count) in enumerate(zip(STARTS, COUNTS, strict=True)):
        (tmp_path / f"train-{i:02}.tar").write_bytes(shard(range(start, start + count)))
    return tmp_path


def numbers(samples):
    return [sample["cls"] for sample in samples]


def test_samples_in_order_and_decoded(root):
    dataset = datasets.WebDataset(f"{root}/train-{{00..03}}.tar")
    samples = list(dataset)
    assert numbers(samples) == list(range(18))
    sample = samples[7]
    assert list(sample) == ["__key__", "__url__", "png", "cls", "json"]
    assert (sample["__key__"], sample["__url__"]) == ("set/0007", f"{root}/train-01.tar")
    assert (type(sample["png"]), sample["png"].mode, sample["json"]) == (Image.Image, "RGB", {"n": 7})
    np.testing.assert_array_equal(np.asarray(sample["png"]), pixels(7))
    array = next(iter(datasets.WebDataset(root / "train-00.tar", decode="array")))["png"]
    np.testing.assert_array_equal(array, pixels(0))
    assert next(iter(datasets.WebDataset(root / "train-00.tar", decode="bytes")))["png"] == files(0)["png"]
    assert repr(dataset) == f"WebDataset: 4 shards, {root}/train-00.tar ..., shuffle=0"


def test_each_extension(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.arange(6).reshape(2, 3))
    photo = np.full((16, 16, 3), 77, np.uint8)
    given = {
        "jpg": encoded(photo, "jpeg"), "WEBP": encoded(photo, "webp", lossless=True),
        "seg.png": encoded(photo[:, :, 0]),
        "npy": buffer.getvalue(), "txt": "één".encode(), "cls": b" 12\n", "pyd": pickle.dumps([1]), "a.json": b"[1]",
    }  # fmt: skip
    (tmp_path / "a.tar").write_bytes(tar((f"x.{end}", content) for end, content in given.items()))
    (sample,) = datasets.WebDataset(tmp_path / "a.tar")
    for name in ("jpg", "webp", "seg.png"):
        np.testing.assert_allclose(np.asarray(sample[name]), photo, atol=2)
    np.testing.assert_array_equal(sample["npy"], np.arange(6).reshape(2, 3))
    assert sample["npy"].flags.writeable
    assert (sample["txt"], sample["cls"], sample["a.json"]) == ("één", 12, [1])
    assert sample["pyd"] == pickle.dumps([1])


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress])
def test_forms_of_tar(tmp_path, format, pack):
    long = "folder/" * 12 + "n" * 60 if format == tarfile.USTAR_FORMAT else "ö" * 200
    entries = [("./a.b/0.txt", b"0"), (f"{long}.txt", b"1"), ("no_extension", b"x"), (".hidden", b"x"), ("a.txt", b"")]
    (tmp_path / "a.tar").write_bytes(pack(tar(entries, format)))
    samples = list(datasets.WebDataset(tmp_path / "a.tar"))
    assert [(one["__key__"], one["txt"]) for one in samples] == [("./a.b/0", "0"), (long, "1"), ("a", "")]


def test_shuffling_depends_on_seed_and_epoch(root):
    dataset = datasets.WebDataset(f"{root}/train-{{00..03}}.tar", shuffle=6)
    first, second = numbers(dataset), numbers(dataset)
    assert sorted(first) == sorted(second) == list(range(18))
    assert len({tuple(first), tuple(second), tuple(range(18))}) == 3
    again = datasets.WebDataset(f"{root}/train-{{00..03}}.tar", shuffle=6, num_workers=2)
    assert (numbers(again), numbers(again), again.epoch) == (first, second, 2)
    again.epoch = 1
    assert numbers(again) == second
    assert numbers(datasets.WebDataset(f"{root}/train-{{00..03}}.tar", shuffle=6, seed=1)) != first


def test_processes_and_workers_share_the_shards(root):
    parts = [
        numbers(datasets.WebDataset(f"{root}/train-{{00..03}}.tar", shuffle=3, shard=(process, 2), worker=(worker, 2)))
        for process in range(2) for worker in range(2)
    ]
    assert sorted(map(len, parts)) == sorted(COUNTS)
    assert sorted(number for part in parts for number in part) == list(range(18))
    with pytest.raises(ValueError, match="there are 4 shards for 5 readers"):
        next(iter(datasets.WebDataset(f"{root}/train-{{00..03}}.tar", shard=(0, 5))))


@pytest.mark.parametrize("options", [{}, {"shuffle": 5}, {"shuffle": 5, "num_workers": 3}, {"shuffle": 100}])
def test_resuming_at_every_sample(root, options):
    def make():
        return datasets.WebDataset(f"{root}/train-{{00..03}}.tar", **options)

    whole = make()
    expected = numbers(whole) + numbers(whole)
    for count in (0, 1, 4, 9, 17, 18, 20, 35):
        dataset, found = make(), []
        while len(found) < count:
            for sample in dataset:
                found.append(sample["cls"])
                if len(found) == count:
                    break
        state = json.loads(json.dumps(dataset.state_dict()))
        for resumed in (make(), pickle.loads(pickle.dumps(dataset))):
            resumed.load_state_dict(state)
            rest = []
            while resumed.epoch < 2:
                rest += numbers(resumed)
            assert found + rest == expected


def test_a_state_of_another_data_set_is_refused(root):
    state = datasets.WebDataset(f"{root}/train-{{00..03}}.tar", shuffle=4).state_dict()
    with pytest.raises(ValueError, match=r"another data set: shuffle=4 \(here 5\)"):
        datasets.WebDataset(f"{root}/train-{{00..03}}.tar", shuffle=5).load_state_dict(state)
    dataset = datasets.WebDataset(f"{root}/train-00.tar", shuffle=4)
    next(iter(dataset))
    state = dataset.state_dict()
    (root / "train-00.tar").write_bytes(shard(range(2)))
    dataset.load_state_dict(state)
    with pytest.raises(ValueError, match=r"train-00.tar has no sample \d and has changed since the state"):
        next(iter(dataset))


def test_an_epoch_that_was_left_is_followed_by_the_next(root):
    dataset = datasets.WebDataset(f"{root}/train-{{00..03}}.tar", shuffle=4)
    next(iter(dataset))
    assert (dataset.epoch, sorted(numbers(dataset)), dataset.epoch) == (0, list(range(18)), 2)


def test_transforms_batches_and_keys(root):
    def make(workers):
        flip = transforms.RandomHorizontalFlip()

        def transform(sample, *, key):
            return {"image": np.asarray(flip(sample["png"], key=key)), "label": sample["cls"]}

        pattern = f"{root}/train-{{00..03}}.tar"
        return datasets.WebDataset(pattern, shuffle=4, transform=transform, num_workers=workers)

    batches = [list(make(workers).batches(4)) for workers in (0, 3)]
    assert [batch["image"].shape for batch in batches[0]] == [(4, 4, 5, 3)] * 4 + [(2, 4, 5, 3)]
    for one, other in zip(*batches, strict=True):
        np.testing.assert_array_equal(one["image"], other["image"])
        np.testing.assert_array_equal(one["label"], other["label"])
    assert len(list(make(0).batches(4, drop_last=True))) == 4
    dataset = make(2)
    batch = next(dataset.batches(4))
    assert batch["label"].tolist() + [one["label"] for one in resumed(dataset, make(0))] == labels(batches[0])


def resumed(dataset, other):
    other.load_state_dict(dataset.state_dict())
    return list(other)


def labels(batches):
    return [int(label) for batch in batches for label in batch["label"]]


# Over HTTP


def contents(root):
    return {path.name: path.read_bytes() for path in root.glob("*.tar")}


@pytest.mark.parametrize("ranges", [True, False])
def test_cut_connections_are_continued(root, ranges, monkeypatch):
    monkeypatch.setattr("funcvision.vision.download._PAUSE", 0.001)
    with serve(contents(root), cut=9000 if ranges else 3000, cuts=2, ranges=ranges) as server:
        dataset = datasets.WebDataset(server.url("train-{00..03}.tar"), shuffle=4, num_workers=2)
        assert sorted(numbers(dataset)) == list(range(18))
        assert len(server.requests) == 6
        assert any(wanted for _, wanted in server.requests)


def test_a_stream_is_given_up_and_says_why(monkeypatch):
    monkeypatch.setattr("funcvision.vision.download._PAUSE", 0.001)
    content = bytes(range(256)) * 100
    with serve({"a": content}, cut=1000, cuts=4) as server:  # each attempt brings something new
        assert b"".join(stream_url(server.url("a"))) == content
    with serve({"a": content}, cut=0, cuts=9) as server:
        with pytest.raises(DownloadError, match=r"cannot read .*/a: the connection broke after 0 of 25600 bytes"):
            list(stream_url(server.url("a")))
        assert len(server.requests) == 3
        with pytest.raises(DownloadError, match="/b: HTTP 404"):
            list(stream_url(server.url("b")))
    wrong = pytest.raises(DownloadError, match="was asked for the bytes from 1000 on and sent")
    with serve({"a": content}, cut=1000, cuts=1, too_early=5) as server, wrong:
        list(stream_url(server.url("a")))
    with pytest.raises(DownloadError, match="cannot be reached"):
        list(stream_url(f"http://127.0.0.1:{closed_port()}/a"))
    monkeypatch.setenv("FUNCVISION_OFFLINE", "1")
    with pytest.raises(DownloadError, match=r"cannot read http://127\.0\.0\.1/a: FUNCVISION_OFFLINE is set"):
        list(stream_url("http://127.0.0.1/a"))


def test_a_file_that_changes_between_two_attempts_is_an_error():
    with serve({"a": bytes(9000)}, cut=1000, cuts=1) as server:
        stream = stream_url(server.url("a"))
        next(stream)
        server.files["a"] = bytes(8000)
        with pytest.raises(DownloadError, match="sends 8000 bytes, and 9000 before: the file has changed"):
            list(stream)


# Damage


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("kept", [0, 0.01, 0.1, 0.3, 0.4])
def test_a_truncated_shard_is_one_error_or_counted(root, pack, kept):
    content = pack(shard(range(5, 8)))
    (root / "train-01.tar").write_bytes(content[: int(kept * len(content))])
    pattern = f"{root}/train-{{00..03}}.tar"
    with pytest.raises(ValueError, match=r"the shard .*train-01\.tar is damaged or no tar archive"):
        list(datasets.WebDataset(pattern))
    dataset = datasets.WebDataset(pattern, on_error="skip", num_workers=1)
    found = numbers(dataset)
    assert found == [*range(5), *[n for n in found if 5 <= n < 8], *range(8, 18)]
    assert dataset.skipped == len(dataset.failures) == 1
    assert "train-01.tar is damaged" in dataset.failures[0]


def test_the_checksum_of_a_compressed_shard(tmp_path):
    content = bytearray(gzip.compress(shard(range(3))))
    content[-6] ^= 1
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"the shard .*a\.tar\.gz is damaged .*CRC"):
        list(datasets.WebDataset(tmp_path / "a.tar.gz"))


def test_damaged_samples_are_errors_or_counted(tmp_path):
    entries = [("0.cls", b"0"), ("1.cls", b"one"), ("2.json", b"[" * 100_000), ("3.png", files(3)["png"][:-20]),
               ("4.npy", b"x"), ("5.txt", b"\xff"), ("6.cls", b"6")]  # fmt: skip
    (tmp_path / "a.tar").write_bytes(tar(entries))
    dataset = datasets.WebDataset([tmp_path / "a.tar", tmp_path / "missing.tar"], on_error="skip")
    assert numbers(dataset) == [0, 6]
    assert dataset.skipped == 6
    for name, message in zip(("1.cls", "2.json", "3.png", "4.npy", "5.txt"), dataset.failures, strict=False):
        assert message.startswith(f"{name} in the shard {tmp_path}/a.tar (")
    with pytest.raises(ValueError, match=r"1\.cls in the shard .*a\.tar \(3 bytes\) is damaged or of another kind"):
        list(datasets.WebDataset(tmp_path / "a.tar"))
    with pytest.raises(FileNotFoundError, match=r"missing\.tar"):
        list(datasets.WebDataset(tmp_path / "missing.tar"))


def test_hostile_shards(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    link = tarfile.TarInfo("link.txt")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    device = tarfile.TarInfo("device.txt")
    device.type = tarfile.CHRTYPE
    entries = [("../../out.txt", b"out"), ("/abs/olute.txt", b"abs"), (link, b""), (device, b""), ("0.txt", b"0")]
    (tmp_path / "a.tar").write_bytes(tar(entries))
    found = [(one["__key__"], one["txt"]) for one in datasets.WebDataset(tmp_path / "a.tar")]
    assert found == [("../../out", "out"), ("/abs/olute", "abs"), ("0", "0")]
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]
    for entries, message in [
        ([("a.bin", bytes(2000))], "'a.bin' has 2000 bytes, and at most 1500 are read"),
        ([("a.bin", bytes(400)), ("a.bin2", bytes(400))], "its sample 'a' has more than 1500 bytes"),
        ([("a.bin", b"1"), ("a.BIN", b"2")], "it has 'a.BIN' twice"),
    ]:
        (tmp_path / "a.tar").write_bytes(tar(entries))
        with pytest.raises(ValueError, match=rf"the shard .*a\.tar is damaged .*: {message}"):
            list(datasets.WebDataset(tmp_path / "a.tar", max_sample_bytes=1500))


def test_sizes_that_are_only_claimed_take_no_memory(tmp_path):
    header = tarfile.TarInfo("a.bin")
    header.size = 1 << 40
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    sparse = tarfile.TarInfo("a.bin")
    sparse.type = tarfile.GNUTYPE_SPARSE
    negative = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    negative[124:136] = b"\xff" * 12
    negative[148:156] = b"%06o\0 " % (sum(negative[:148]) + 256 + sum(negative[156:]))
    tracemalloc.start()
    for content in (header.tobuf(tarfile.GNU_FORMAT), long.tobuf(tarfile.GNU_FORMAT), sparse.tobuf(), bytes(negative)):
        with pytest.raises(ValueError, match=r"has .* bytes, and at most|not supported"):
            list(read_tar(io.BytesIO(content + bytes(512)), 1 << 30))
    header.size = 1 << 29
    with pytest.raises(ValueError, match=r"cut off within 'a\.bin' of 536870912 bytes"):
        list(read_tar(io.BytesIO(header.tobuf() + bytes(512)), 1 << 30))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 24


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_200_mutations(tmp_path, pack):
    content = pack(tar([(f"{n}.{end}", c) for n in range(3) for end, c in files(n).items()], tarfile.PAX_FORMAT))
    messages = []
    for damaged in mutations(content):
        (tmp_path / "a.tar").write_bytes(damaged)
        try:
            list(datasets.WebDataset(tmp_path / "a.tar"))
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) >= 50
    assert all("a.tar" in message for message in messages)


@pytest.mark.parametrize(("options", "message"), [
    ({"urls": []}, "urls is empty"), ({"urls": "pipe:cat a.tar"}, "neither a path nor an address"),
    ({"urls": "s3://bucket/a.tar"}, "neither a path nor"), ({"urls": "a-{3..1}.tar"}, "which is empty"),
    ({"urls": "a-{000000..999999}{0..9}"}, "stands for 10000000 shards"), ({"urls": "a{b}.tar"}, "braces around 'b'"),
    ({"urls": "a-{0..99999999999}"}, "longer than"),
    ({"decode": "torch"}, "decode='torch' must be"), ({"on_error": "warn"}, "on_error='warn' must be"),
    ({"shuffle": -1}, "shuffle=-1 must be at least 0"), ({"shard": (2, 2)}, r"shard=\(2, 2\) must be"),
    ({"worker": (0, 0)}, r"worker=\(0, 0\) must be"),
])
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        datasets.WebDataset(**{"urls": "a.tar"} | options)


def test_bad_batch_size(root):
    with pytest.raises(ValueError, match="batch_size=0 must be at least 1"):
        datasets.WebDataset(root / "train-00.tar").batches(0)
