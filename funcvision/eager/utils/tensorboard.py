"""`SummaryWriter` for TensorBoard, over tensorboardX."""

from typing import Any

import numpy as np

from .._base import TensorBase, as_array

__all__ = ["SummaryWriter"]


class SummaryWriter:
    """Writes scalars, images, histograms and the like for TensorBoard, as `torch.utils.tensorboard.SummaryWriter`.

    Its methods are those of `tensorboardX.SummaryWriter`, which get arrays in place of Tensors: `add_scalar`,
    `add_scalars`, `add_image`, `add_images`, `add_histogram`, `add_figure`, `add_text`, `add_embedding`,
    `add_pr_curve`, `add_hparams`, `flush`, `close` and others.

    Args:
        *args: the folder of the log and other arguments of `tensorboardX.SummaryWriter`.
        **kwargs: the same.

    Raises:
        ModuleNotFoundError: tensorboardX is not installed.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        try:
            import tensorboardX
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                'SummaryWriter needs tensorboardX: pip install "funcvision[train]"', name=error.name
            ) from error
        self._writer = tensorboardX.SummaryWriter(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_writer":
            raise AttributeError(name)
        found = getattr(self._writer, name)
        if not callable(found):
            return found

        def method(*args: Any, **kwargs: Any) -> Any:
            return found(*map(_on_host, args), **{key: _on_host(value) for key, value in kwargs.items()})

        return method

    def __enter__(self) -> "SummaryWriter":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def _on_host(value: Any) -> Any:
    """A Tensor as an array of numpy; the same in dicts and lists."""
    if isinstance(value, TensorBase):
        return np.asarray(as_array(value))
    if isinstance(value, dict):
        return {key: _on_host(one) for key, one in value.items()}
    return [_on_host(one) for one in value] if type(value) is list else value
