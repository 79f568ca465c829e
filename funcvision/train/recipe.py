"""`Recipe`: options, and the parts of a run that they describe. A recipe with parts of its own overrides a method."""

import dataclasses
import difflib
import importlib
import importlib.util
import pathlib
import pkgutil
import sys
from typing import Any

import jax
import jax.numpy as jnp
import optax

from .. import nn
from ..vision.transforms import CutMix, MixUp, RandomErasing
from . import building, losses
from .data_spec import Data
from .ema import EMA
from .options import OptionError, Options, option
from .preparation import Preparation, augmentation

__all__ = ["Recipe", "find_recipe", "list_recipes", "option"]


@dataclasses.dataclass(frozen=True)
class Recipe(Options):
    """Options, and what they describe. Each method makes one part of the run."""

    def build_model(self, num_classes: int, in_channels: int) -> nn.Module:
        """The description of the model."""
        return building.describe_model(self, num_classes, in_channels)

    def initial_arrays(
        self, model: nn.Module, data: Data, preparation: Preparation, key: jax.Array
    ) -> tuple[dict[str, jax.Array] | None, dict[str, jax.Array] | None]:
        """Parameters and other arrays to start from; None for fresh initial values."""
        return building.initial_arrays(self, len(data.classes), preparation.channels, key)

    def build_rate(self, steps_per_epoch: int) -> optax.Schedule:
        """The learning rate by the number of the step."""
        return building.rate(self, steps_per_epoch)

    def build_optimizer(
        self, model: nn.Module, schedule: optax.Schedule, num_classes: int, in_channels: int
    ) -> optax.GradientTransformation:
        """The optimiser."""
        head = set()
        if self.head_lr_scale != 1.0:
            head = building.head_of(lambda count: self.build_model(count, in_channels), num_classes)
        return building.optimizer(self, model, schedule, head)

    def build_loss(self) -> losses.Loss:
        """The loss, a function of the output and the labels."""
        return building.loss(self)

    def build_average(self, steps_per_epoch: int) -> EMA | None:
        """The moving average; None if there is none."""
        return building.average(self, steps_per_epoch)

    def build_augment(self, data: Data, preparation: Preparation) -> Any:
        """`augment((images, labels), key=key)`, which the compiled step calls.

        Images arrive as uint8 and leave as floats, normalised, erased and mixed.
        """
        prepare = augmentation(self, data.shape, preparation)
        erase = RandomErasing(self.random_erase) if self.random_erase else None
        count = len(data.classes)
        mixers = [kind(alpha=alpha, num_classes=count) for kind, alpha in (
            (MixUp, self.mixup_alpha), (CutMix, self.cutmix_alpha)) if alpha]

        def augment(batch: Any, *, key: jax.Array) -> Any:
            images, labels = batch
            first, second, third, choice = jax.random.split(key, 4)
            images = prepare.batch(images, key=first)
            if erase is not None:
                images = erase.batch(images, key=second)
            mixed = [mixer((images, labels), key=third) for mixer in mixers]
            if not mixed:
                return images, labels
            number = jax.random.randint(choice, (), 0, len(mixed))
            return jax.tree.map(lambda *values: jnp.stack(values)[number], *mixed)

        return augment


def list_recipes() -> list[str]:
    """The names of the recipes of this library."""
    from . import recipes

    return sorted(module.name for module in pkgutil.iter_modules(recipes.__path__))


def find_recipe(name: str) -> type[Recipe]:
    """The recipe of a name or of a Python file.

    Args:
        name: one of `list_recipes()`; or the path of a file `*.py` with a class `Recipe`. The file is executed, and its
            folder is added to the end of `sys.path`, for modules beside it.

    Raises:
        OptionError: there is no such recipe.
    """
    if name.endswith(".py"):
        return _recipe_of_file(pathlib.Path(name))
    names = list_recipes()
    if name not in names:
        near = difflib.get_close_matches(name, names, 2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}, or FILE.py"
        raise OptionError(f"there is no recipe {name!r}: {hint}")
    return importlib.import_module(f"{__package__}.recipes.{name}").Recipe


def _recipe_of_file(path: pathlib.Path) -> type[Recipe]:
    """The class `Recipe` of a Python file."""
    if not path.is_file():
        raise OptionError(f"there is no recipe {str(path)!r}: this file does not exist")
    path = path.resolve()
    if _file_of_module(path.stem) not in (None, str(path)):
        raise OptionError(f"the recipe {path} has the name of another module: rename the file")
    # For modules beside it, and for worker processes, which import it by its name. At the end, because files beside it
    # may have names of other modules.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise OptionError(f"the recipe {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look up the types of their fields there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    kind = getattr(module, "Recipe", None)
    if not (isinstance(kind, type) and issubclass(kind, Recipe)):
        raise OptionError(f"{path} needs a class Recipe, derived from funcvision.train.recipe.Recipe")
    return kind


def _file_of_module(name: str) -> str | None:
    """The file that `import name` reads; None if there is no such module."""
    found = sys.modules.get(name) or importlib.util.find_spec(name)
    if found is None:
        return None
    return getattr(found, "__file__", None) or getattr(found, "origin", None) or "built in"
