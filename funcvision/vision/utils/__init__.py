"""Pictures of images and what belongs to them, as in `torchvision.utils`; see `funcvision.vision.draw`."""

from .images import (
    draw_bounding_boxes,
    draw_keypoints,
    draw_segmentation_masks,
    flow_to_image,
    make_grid,
    save_image,
)

__all__ = [
    "draw_bounding_boxes", "draw_keypoints", "draw_segmentation_masks", "flow_to_image", "make_grid", "save_image",
]  # fmt: skip
