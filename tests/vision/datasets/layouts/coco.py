"""COCO, with every kind of segmentation."""

import pathlib

from .write import as_json, image

POLYGONS = [
    [[1.5, 1.0, 11.25, 2.5, 9.0, 9.5, 2.0, 8.0]],
    [[0, 0, 5, 0, 5, 5], [6.1, 6.2, 12.7, 6.3, 12.5, 12.9, 7, 13]],
]
SIZE = (14, 17)
CATEGORIES = [{"id": 90, "name": "brush", "supercategory": "indoor"}, {"id": 1, "name": "person", "supercategory": "p"}]


def annotation(number: int, image_id: int, segmentation: object, *, crowd: int = 0, **more: object) -> dict:
    box = [1.5 + number, 2.25, 3.1, 4.7]
    return {
        "id": number, "image_id": image_id, "category_id": 90 if number % 2 else 1, "bbox": box, "area": 14.57 + number,
        "iscrowd": crowd, "segmentation": segmentation, **more,
    }  # fmt: skip


RUNS = {"size": list(SIZE), "counts": [20, 30, 40, 50, 98]}
PACKED = {"size": list(SIZE), "counts": "d0n0X1d0j1"}  # the same, as COCO's tools compress it


def make_coco(root: pathlib.Path) -> None:
    """Five images, of which the second has no annotation, and four files of annotations."""
    ids = [42, 9, 139, 7, 8]
    entries = []
    for i in ids:
        image(root / "images" / f"{i:012d}.jpg", "L" if i == 139 else "RGB", SIZE)
        entries.append({"id": i, "file_name": f"{i:012d}.jpg", "height": SIZE[0], "width": SIZE[1]})
    annotations = [
        annotation(7, 42, POLYGONS[0]), annotation(3, 139, RUNS, crowd=1), annotation(11, 42, POLYGONS[1]),
        annotation(2, 139, PACKED, crowd=1), annotation(5, 7, POLYGONS[1]), annotation(6, 139, POLYGONS[0]),
    ]  # fmt: skip
    whole = {"info": {}, "licenses": [], "images": entries, "categories": CATEGORIES}
    as_json(root / "instances.json", {**whole, "annotations": annotations})
    as_json(root / "empty.json", {**whole, "annotations": [*annotations, annotation(20, 8, [])]})
    captions = [{"id": i, "image_id": ids[i % 4], "caption": f"A {{curly}} \"café\" {i}"} for i in range(9)]
    as_json(root / "captions.json", {"info": {}, "images": entries, "annotations": captions})
    people = [
        annotation(1, 42, POLYGONS[0], keypoints=[1, 2, 2, 3, 4, 1, 0, 0, 0], num_keypoints=2),
        annotation(3, 42, POLYGONS[1], keypoints=[5, 6, 2, 7, 8, 2, 9, 10, 2], num_keypoints=3),
    ]
    category = {"id": 1, "name": "person", "keypoints": ["nose", "left_eye", "right_eye"], "skeleton": [[1, 2]]}
    as_json(root / "keypoints.json", {**whole, "categories": [category], "annotations": people})
