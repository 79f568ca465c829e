"""Pascal VOC and the Semantic Boundaries Dataset."""

import pathlib

import numpy as np
import scipy.io
import scipy.sparse

from .write import image, rng, text

SIZE = (14, 17)
OBJECT = """
    <object>
        <name>{name}</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
        <bndbox><xmin>{x}</xmin><ymin>2</ymin><xmax>14</xmax><ymax>11</ymax></bndbox>{parts}
    </object>"""
PART = "<part><name>head</name><bndbox><xmin>3</xmin><ymin>3</ymin><xmax>6</xmax><ymax>7</ymax></bndbox></part>"
XML = """<annotation>
    <folder>VOC2012</folder><filename>{name}.jpg</filename><source><database>The VOC</database><x/></source>
    <size><width>17</width><height>14</height><depth>3</depth></size><segmented>1</segmented>{objects}
</annotation>
"""


def annotation(name: str, number: int) -> str:
    """An XML file with as many objects as said; the first has a part, the second two."""
    names = ["person", "aeroplane", "tvmonitor"]
    objects = [OBJECT.format(name=names[i], x=1 + i, parts=PART * (i + 1)) for i in range(number)]
    return XML.format(name=name, objects="".join(objects))


def make_voc(root: pathlib.Path, years: tuple[str, ...] = ("2012", "2011", "2007")) -> None:
    """The images of a year, by set: train has three, the first without objects; val two; test, in 2007, two."""
    for year in years:
        base = root / ("TrainVal/VOCdevkit" if year == "2011" else "VOCdevkit") / f"VOC{year}"
        sets = {"train": [f"{year}_000003", f"{year}_000001", f"{year}_000002"], "val": [f"{year}_000009"]}
        sets["trainval"] = sets["train"] + sets["val"]
        if year == "2007":
            sets["test"] = ["2007_000005", "2007_000004"]
        for name, names in sets.items():
            for folder in ("Main", "Segmentation"):
                text(base / "ImageSets" / folder / f"{name}.txt", "\n".join(names) + "\n")
        for i, name in enumerate(sets["trainval"] + sets.get("test", [])):
            image(base / "JPEGImages" / f"{name}.jpg", "L" if i == 1 else "RGB", SIZE)
            image(base / "SegmentationClass" / f"{name}.png", "P", SIZE, values=21)
            text(base / "Annotations" / f"{name}.xml", annotation(name, i % 4))


def make_sbd(root: pathlib.Path) -> None:
    sets = {"train": ["2008_000003", "2008_000001"], "val": ["2008_000002"], "train_noval": ["2008_000001"]}
    for name, names in sets.items():
        text(root / f"{name}.txt", "\n".join(names) + "\n")
    for name in sets["train"] + sets["val"]:
        image(root / "img" / f"{name}.jpg", "RGB", SIZE)
        path = root / "cls" / f"{name}.mat"
        path.parent.mkdir(exist_ok=True)
        random = rng(path)
        boundaries = np.empty((20, 1), object)
        for i in range(20):
            boundaries[i, 0] = scipy.sparse.csc_matrix((random.random(SIZE) < 0.2).astype(np.uint8))
        classes = random.integers(0, 21, SIZE, np.uint8)
        truth = {"Boundaries": boundaries, "Segmentation": classes, "CategoriesPresent": np.unique(classes)}
        scipy.io.savemat(path, {"GTcls": truth}, do_compression=True)
