"""The limits of a server."""

import dataclasses
import math
import os

__all__ = ["Settings"]


@dataclasses.dataclass(frozen=True)
class Settings:
    """The limits of a server, for all of its models.

    Attributes:
        max_batch: images that are computed together, at most. A model computes fewer together if that takes no longer
            for each image.
        max_delay: seconds that a batch which is not full waits for requests that are being decoded.
        max_queue: requests of one model that wait or are computed, at most.
        timeout: seconds from a request to its answer, at most.
        max_bytes: of one body.
        max_total_bytes: of all bodies that are held at the same time.
        max_pixels: of an image, before and after resizing.
        decoders: threads of one model that decode and prepare images.
    """

    max_batch: int = 8
    max_delay: float = 0.005
    max_queue: int = 128
    timeout: float = 30.0
    max_bytes: int = 32 << 20
    max_total_bytes: int = 512 << 20
    max_pixels: int = 50_000_000
    decoders: int = min(8, os.cpu_count() or 1)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < math.inf or (value == 0 and field.name != "max_delay"):
                raise ValueError(f"{field.name} must be a number of more than 0, and is {value}")
