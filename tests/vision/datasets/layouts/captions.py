"""Small copies of data sets of photos with captions: `make_<name>(root)`."""

import pathlib

from PIL import Image

from .binary import noise


def save_jpeg(path: pathlib.Path, seed: int, size: tuple[int, int] = (8, 11)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(*size, 3, seed=seed)).save(path, "jpeg")


def make_sbu(root: pathlib.Path) -> pathlib.Path:
    """Five entries, of which the photos of four are there."""
    for i in (0, 1, 3, 4):
        save_jpeg(root / "dataset" / f"{4385 - i}_a.jpg", i)
    urls = "".join(f"http://static.flickr.com/27/{4385 - i}_a.jpg\n" for i in range(5))
    (root / "dataset" / "SBU_captioned_photo_dataset_urls.txt").write_text(urls, encoding="utf-8")
    captions = "".join(f"Caption {i}: a café\u2028by the \"sea\" . \n" for i in range(5))
    (root / "dataset" / "SBU_captioned_photo_dataset_captions.txt").write_text(captions, encoding="utf-8")
    return root


def make_flickr8k(root: pathlib.Path) -> pathlib.Path:
    """The photos in `root/photos`, the page `root/page.html`: four photos, and one that was not found."""
    page = "<html><body><p>8k pictures</p><a href='x'>outside</a>\n<table>\n"
    for i in range(4):
        save_jpeg(root / "photos" / f"{900 - i}_b{i}c.jpg", i)
        page += f"<tr><td><a href='u'>http://www.flickr.com/photos/1/{900 - i}/</a></td>\n<td><ul>"
        page += "".join(f"<li>A dog &amp; cat number {k} .\n" for k in range(i + 1)) + "</ul></td></tr>\n"
    page += "<tr><td>Image Not Found</td><td><ul><li>No photo .</ul></td></tr>\n</table><li>after</li></body></html>\n"
    (root / "page.html").write_text(page, encoding="utf-8")
    return root


def make_flickr30k(root: pathlib.Path) -> pathlib.Path:
    """The photos in `root/photos`, the captions in `root/results.token`."""
    lines = []
    for i in range(4):
        save_jpeg(root / "photos" / f"{900 - i}.jpg", i)
        lines += [f"{900 - i}.jpg#{k}\tA man , {k} , walks … slowly .\n" for k in range(5)]
    (root / "results.token").write_text("".join(lines), encoding="utf-8")
    return root
