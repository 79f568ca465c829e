"""Pictures of images and what belongs to them, with the names, options and pixels of `torchvision.utils`.

`draw_bounding_boxes`, `draw_segmentation_masks` and `draw_keypoints` draw on one image; `flow_to_image` colours an
optical flow; `make_grid` and `save_image` put images together and write them. `sample` makes one picture of whatever a
sample holds, and `strip` shows a sample beside what a transform makes of it. `draw_detections` and `draw_classes` show
what a detector and a model for semantic segmentation find.

Images are channels last. Pillow draws, on the host, so these functions are not for `jax.jit`. An image comes back as
the kind that it was: an array of numpy or jax, a PIL image or a `tv_tensors.Image`.

>>> import numpy as np
>>> from funcvision.vision import draw
>>> draw.draw_bounding_boxes(np.zeros((8, 8, 3), np.uint8), np.array([[1, 1, 5, 5]]), colors="red")[1, 2]
array([255,   0,   0], dtype=uint8)
"""

from .boxes import draw_bounding_boxes
from .example import EXAMPLE_CLASSES, example_sample
from .flow import flow_to_image
from .grid import make_grid, save_image
from .keypoints import draw_keypoints
from .masks import draw_segmentation_masks
from .results import COCO_SKELETON, draw_classes, draw_detections
from .sample import sample, strip

__all__ = [
    "COCO_SKELETON", "EXAMPLE_CLASSES", "draw_bounding_boxes", "draw_classes", "draw_detections", "draw_keypoints",
    "draw_segmentation_masks", "example_sample", "flow_to_image", "make_grid", "sample", "save_image", "strip",
]
