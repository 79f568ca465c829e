"""Digits with two linear layers: a recipe in a file of its own, which compiles in no time.

    funcvision train tests/train/tiny_recipe.py
"""

import dataclasses

from funcvision import nn
from funcvision.train.recipe import find_recipe


@dataclasses.dataclass(frozen=True)
class Recipe(find_recipe("digits")):
    """Five steps in an epoch. The first weight is just large enough to be split over devices.

    The network is smooth: with ReLUs, rounding errors grow as soon as one unit is switched on in one run only.
    """

    out: str = "runs/tiny"
    epochs: int = 2
    batch_size: int = 256
    lr_warmup_epochs: float = 1.0
    workers: int = 0
    model_ema: bool = True
    model_ema_steps: int = 1

    def build_model(self, num_classes: int, in_channels: int) -> nn.Module:
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64 * in_channels, 256), nn.BatchNorm1d(256), nn.SiLU(), nn.Linear(256, num_classes),
        )
