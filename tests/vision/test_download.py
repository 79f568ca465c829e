"""Downloads from a local server that breaks off, refuses, sends wrong bytes, or is not there."""

import hashlib
import re
import subprocess
import sys
import threading

import pytest

from funcvision.vision.download import DownloadError, check_digest, download_url
from tests.vision.loopback import closed_port, serve

CONTENT = bytes(range(256)) * 2000
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def only_file(folder):
    """The name of the only file in a folder; anything else would be left over."""
    (path,) = folder.iterdir()
    return path.name


@pytest.mark.parametrize(
    "digests",
    [{}, {"md5": MD5.upper()}, {"sha256": SHA256}, {"sha256": SHA256[:8]}, {"sha256": SHA256[:9], "md5": MD5}],
)
def test_fresh_download(tmp_path, digests):
    target = tmp_path / "new" / "folder" / "file.bin"
    with serve({"a/file.bin": CONTENT}) as server:
        download_url(server.url("a/file.bin"), target, progress=False, **digests)
        assert server.requests == [("/a/file.bin", None)]
    assert target.read_bytes() == CONTENT
    assert only_file(target.parent) == "file.bin"


def test_the_bar_is_on_stderr_and_can_be_left_out(tmp_path, capfd):
    with serve({"file.bin": CONTENT}) as server:
        download_url(server.url("file.bin"), str(tmp_path / "quiet.bin"), progress=False)
        assert capfd.readouterr() == ("", "")
        download_url(server.url("file.bin"), str(tmp_path / "loud.bin"))
    out, err = capfd.readouterr()
    assert out == ""
    assert "loud.bin" in err
    assert "500k/500k" in err


@pytest.mark.parametrize("digests", [{}, {"md5": MD5}])
def test_a_file_that_is_there_is_not_fetched_again(tmp_path, digests):
    (tmp_path / "file.bin").write_bytes(CONTENT)
    with serve({"file.bin": b"other"}) as server:
        download_url(server.url("file.bin"), tmp_path / "file.bin", progress=False, **digests)
        assert server.requests == []
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_damaged_file_that_is_there_is_replaced(tmp_path):
    (tmp_path / "file.bin").write_bytes(CONTENT[:-1])
    with serve({"file.bin": CONTENT}) as server:
        download_url(server.url("file.bin"), tmp_path / "file.bin", md5=MD5, progress=False)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_broken_transfer_goes_on_where_it_stopped(tmp_path):
    with serve({"file.bin": CONTENT}, cut=1000, cuts=2) as server:
        download_url(server.url("file.bin"), tmp_path / "file.bin", md5=MD5, progress=False)
        assert [wanted for _, wanted in server.requests] == [None, "bytes=1000-", "bytes=2000-"]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert only_file(tmp_path) == "file.bin"


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(tmp_path):
    with serve({"file.bin": CONTENT}, cut=1000, cuts=3) as server:
        with pytest.raises(DownloadError, match=f"broke after 3000 of {len(CONTENT)} bytes"):
            download_url(server.url("file.bin"), tmp_path / "file.bin", sha256=SHA256, progress=False)
        assert only_file(tmp_path) == "file.bin.part"
        server.requests.clear()
        download_url(server.url("file.bin"), tmp_path / "file.bin", sha256=SHA256, progress=False)
        assert server.requests == [("/file.bin", "bytes=3000-")]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_another_mirror_goes_on_where_the_first_stopped(tmp_path):
    with serve({"file.bin": CONTENT}, cut=1000, cuts=99) as broken, serve({"file.bin": CONTENT}) as sound:
        mirrors = [broken.url("file.bin"), sound.url("file.bin")]
        download_url(mirrors, tmp_path / "file.bin", md5=MD5, progress=False)
        assert sound.requests == [("/file.bin", "bytes=3000-")]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_without_a_digest_pieces_are_not_joined(tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"a piece of another file")
    with serve({"file.bin": CONTENT}, cut=1000, cuts=1) as server:
        download_url(server.url("file.bin"), tmp_path / "file.bin", progress=False)
        assert [wanted for _, wanted in server.requests] == [None, None]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_without_a_digest_a_broken_transfer_is_no_file(tmp_path):
    with (
        serve({"file.bin": CONTENT}, cut=1000, cuts=99) as server,
        pytest.raises(DownloadError, match=f"broke after 1000 of {len(CONTENT)} bytes"),
    ):
        download_url(server.url("file.bin"), tmp_path / "file.bin", progress=False)
    assert not (tmp_path / "file.bin").exists()


def test_a_server_without_ranges_sends_it_all_again(tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * (len(CONTENT) + 7))  # longer than what will arrive
    with serve({"file.bin": CONTENT}, ranges=False) as server:
        download_url(server.url("file.bin"), tmp_path / "file.bin", md5=MD5, progress=False)
        assert server.requests == [("/file.bin", f"bytes={len(CONTENT) + 7}-")]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_part_that_is_already_whole(tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    with serve({"file.bin": CONTENT}) as server:  # responds with 416: nothing comes after the last byte
        download_url(server.url("file.bin"), tmp_path / "file.bin", md5=MD5, progress=False)
        assert len(server.requests) == 1
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"x" * 100, b"x" * (len(CONTENT) + 100)], ids=["shorter", "longer"])
def test_a_part_of_another_file_is_given_up(tmp_path, part):
    (tmp_path / "file.bin.part").write_bytes(part)
    with serve({"file.bin": CONTENT}) as server:
        download_url(server.url("file.bin"), tmp_path / "file.bin", md5=MD5, progress=False)
        assert [wanted for _, wanted in server.requests] == [f"bytes={len(part)}-", None]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("digests", "name"), [({"md5": MD5}, "md5"), ({"sha256": SHA256[:8]}, "sha256"), ({"sha256": SHA256}, "sha256")]
)
def test_a_wrong_file_is_refused(tmp_path, digests, name):
    wrong = CONTENT[:-1] + b"!"
    found = hashlib.new(name, wrong).hexdigest()
    with serve({"file.bin": wrong}) as server:
        with pytest.raises(DownloadError, match=f"another file: its {name} is {found}, expected {digests[name]} "):
            download_url(server.url("file.bin"), tmp_path / "file.bin", progress=False, **digests)
        assert len(server.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_both_digests_must_fit(tmp_path):
    with serve({"file.bin": CONTENT}) as server, pytest.raises(DownloadError, match="its sha256 is"):
        download_url(server.url("file.bin"), tmp_path / "file.bin", md5=MD5, sha256="0" * 8, progress=False)


def test_mirrors_are_tried_in_order(tmp_path):
    with serve({}) as first, serve({"file.bin": b"other"}) as second, serve({"file.bin": CONTENT}) as third:
        mirrors = [server.url("file.bin") for server in (first, second, third)]
        download_url(mirrors, tmp_path / "file.bin", md5=MD5, progress=False)
        assert [len(server.requests) for server in (first, second, third)] == [1, 1, 1]
    assert only_file(tmp_path) == "file.bin"


def test_offline_names_every_mirror_and_the_place_for_the_file(tmp_path):
    urls = [f"http://127.0.0.1:{closed_port()}/a/file.bin", "nonsense", f"http://127.0.0.1:{closed_port()}/b/file.bin"]
    with serve({}) as server, pytest.raises(DownloadError, match=r"cannot download file\.bin") as caught:
        download_url([*urls, server.url("c")], tmp_path / "file.bin", md5=MD5, progress=False)
    message = str(caught.value)
    assert all(url in message for url in [*urls, server.url("c")])
    assert "refused" in message
    assert "HTTP 404" in message
    assert message.endswith(f"put the file (md5 {MD5}) by hand at {tmp_path / 'file.bin'}")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file.bin").write_bytes(CONTENT)
    download_url(urls, tmp_path / "file.bin", md5=MD5, progress=False)  # put in place by hand, as the message says


def test_a_failed_replacement_leaves_the_old_file(tmp_path):
    (tmp_path / "file.bin").write_bytes(b"old")
    with pytest.raises(DownloadError):
        download_url(f"http://127.0.0.1:{closed_port()}/x", tmp_path / "file.bin", md5=MD5, progress=False)
    assert (tmp_path / "file.bin").read_bytes() == b"old"


def test_a_range_that_was_not_asked_for_is_refused(tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:100])
    with (
        serve({"file.bin": CONTENT}, too_early=50) as server,
        pytest.raises(DownloadError, match=r"asked for the bytes from 100 on and sent 'bytes 50-"),
    ):
        download_url(server.url("file.bin"), tmp_path / "file.bin", md5=MD5, progress=False)
    assert not (tmp_path / "file.bin").exists()


def test_threads_that_want_the_same_file_fetch_it_once(tmp_path):
    with serve({"file.bin": CONTENT}) as server:
        place, options = (server.url("file.bin"), tmp_path / "file.bin"), {"md5": MD5, "progress": False}
        threads = [threading.Thread(target=download_url, args=place, kwargs=options) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.requests) == 1
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_killed_download_leaves_no_file_and_is_continued(tmp_path):
    program = (
        "import os, sys\n"
        "from funcvision.vision import download\n"
        "def chunks(response):\n"
        "    yield response.read(5000)\n"
        "    yield b''  # the first piece is on its way to the disk\n"
        "    os._exit(9)\n"
        "download._chunks = chunks\n"
        "download._CHUNK = 1\n"
        "real = open\n"
        "download.open = lambda path, mode: real(path, mode, buffering=0)\n"
        "download.download_url(sys.argv[1], sys.argv[2], md5=sys.argv[3], progress=False)\n"
    )
    with serve({"file.bin": CONTENT}) as server:
        target = tmp_path / "file.bin"
        command = [sys.executable, "-c", program, server.url("file.bin"), str(target), MD5]
        assert subprocess.run(command, check=False).returncode == 9
        assert only_file(tmp_path) == "file.bin.part"
        download_url(server.url("file.bin"), target, md5=MD5, progress=False)
        assert server.requests[-1] == ("/file.bin", "bytes=5000-")
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("digests", "message"),
    [
        ({"md5": MD5[:8]}, "md5='........' is not a digest: expected 32 hexadecimal"),
        ({"md5": "x" * 32}, "is not a digest"),
        ({"sha256": SHA256[:7]}, "expected 8 to 64 hexadecimal"),
        ({"sha256": SHA256 + "0"}, "expected 8 to 64 hexadecimal"),
    ],
)
def test_what_is_no_digest_is_refused_before_anything_is_fetched(tmp_path, digests, message):
    with serve({"file.bin": CONTENT}) as server:
        with pytest.raises(ValueError, match=message):
            download_url(server.url("file.bin"), tmp_path / "file.bin", **digests)
        assert server.requests == []


def test_check_digest(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    check_digest(path, md5=MD5, sha256=SHA256[:10])
    message = f"{path} is damaged or another file: its md5 is {MD5}, expected {'0' * 32}"
    with pytest.raises(ValueError, match=re.escape(message)):
        check_digest(path, md5="0" * 32)
