"""Lists and CSV files: what is taken, and errors that name file and line."""

import random

import pytest

from funcvision.vision.datasets._formats import read_csv, read_json, read_table


@pytest.fixture
def write(tmp_path):
    def write(content):
        (tmp_path / "list.txt").write_bytes(content)
        return tmp_path / "list.txt"

    return write


def fields(records):
    return [list(record.fields) for record in records]


def test_tables(write):
    assert fields(read_table(write(b"\xef\xbb\xbfa 1\r\n\n  b\t2 \nc 3"), 2)) == [["a", "1"], ["b", "2"], ["c", "3"]]
    assert fields(read_table(write(b"1 F/A-18 x\n"), 2, separator=" ", spaces_in_last=True)) == [["1", "F/A-18 x"]]
    assert fields(read_table(write(b"a b/c\n"), 2, separator="/")) == [["a b", "c"]]
    assert read_table(write(b""), 3) == []
    assert read_table(write(b"a 07\nb -2"), 2)[1].integer(1, low=-5) == -2


@pytest.mark.parametrize(("content", "message"), [
    (b"a 1\nb\n", r"list\.txt, line 2: expected 2 columns, found 1 in 'b'"),
    (b"a 1\n\nb 2 3\n", r"list\.txt, line 3: expected 2 columns, found 3"),
    (b"a \xff\n", r"list\.txt is damaged or no text file"),
])  # fmt: skip
def test_wrong_tables(write, content, message):
    with pytest.raises(ValueError, match=message):
        read_table(write(content), 2)


@pytest.mark.parametrize("text", ["1.5", "x", "1_0", "\u0663", "--1", "+", "-1", "9" * 5000])
def test_wrong_integers(write, text):
    (record,) = read_table(write(f"a {text}".encode()), 2)
    with pytest.raises(ValueError, match=r"list\.txt, line 1: expected an integer of at least 0, found") as caught:
        record.integer(1)
    assert len(str(caught.value)) < 300
    with pytest.raises(ValueError, match="expected an integer from 0 to 7, found"):
        record.integer(1, high=7)


def test_csv(write):
    content = b'Filename;Width; ClassId\n"a;b.ppm"; 3;7\n\nc.ppm;4;8;extra\n'
    records = read_csv(write(content), ["ClassId", "Filename"], delimiter=";")
    assert fields(records) == [["7", "a;b.ppm"], ["8", "c.ppm"]]


@pytest.mark.parametrize(("content", "message"), [
    (b"a,c\n1,2\n", r"list\.txt, line 1: its header has no column b"),
    (b"", "line 1: its header has no column a, b"),
    (b"a,b\n1,2\n3\n", r"line 3: expected 2 columns, found 1"),
    (b'a,b\n"1"x,2\n', r"line 2: is no valid CSV"),
    (b"a,b\n1,\xff\n", "is damaged or no text file"),
])  # fmt: skip
def test_wrong_csv(write, content, message):
    with pytest.raises(ValueError, match=message):
        read_csv(write(content), ["a", "b"])


def test_wrong_json(write):
    for content in (b"{", b"\xff\xfe\xfd", b"[" * 100_000, b""):
        with pytest.raises(ValueError, match=r"list\.txt \(\d+ bytes\) is damaged or no JSON"):
            read_json(write(content))


def test_200_damaged_lists(write):
    """Each is read, or refused with an error that names the file."""
    rng = random.Random(0)
    whole = b"Filename;ClassId\n" + b"".join(b"img_%05d.ppm;%d\n" % (i, i) for i in range(40))
    refused = []
    for _ in range(200):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(content))
            content[at : at + rng.randint(0, 9)] = rng.randbytes(rng.randint(0, 9))
        try:
            for record in read_csv(write(bytes(content)), ["Filename", "ClassId"], delimiter=";"):
                record.integer(1)
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert all("list.txt" in message for message in refused)
