"""ResNet-50 as a flax user would write it, with torchvision's names."""

from typing import Any

import flax.linen as nn

STAGES = (3, 4, 6, 3)


class Bottleneck(nn.Module):
    channels: int
    stride: int
    project: bool

    @nn.compact
    def __call__(self, x: Any, norm: Any) -> Any:
        pad = ((1, 1), (1, 1))
        y = nn.relu(norm(name="bn1")(nn.Conv(self.channels, (1, 1), use_bias=False, name="conv1")(x)))
        conv = nn.Conv(self.channels, (3, 3), self.stride, pad, use_bias=False, name="conv2")
        y = nn.relu(norm(name="bn2")(conv(y)))
        y = norm(name="bn3")(nn.Conv(4 * self.channels, (1, 1), use_bias=False, name="conv3")(y))
        if self.project:
            conv = nn.Conv(4 * self.channels, (1, 1), self.stride, "VALID", use_bias=False, name="downsample_0")
            x = norm(name="downsample_1")(conv(x))
        return nn.relu(x + y)


class ResNet50(nn.Module):
    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        def norm(name: str) -> nn.Module:
            return nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5, name=name)

        x = nn.relu(norm("bn1")(nn.Conv(64, (7, 7), 2, ((3, 3), (3, 3)), use_bias=False, name="conv1")(x)))
        x = nn.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
        for i, count in enumerate(STAGES):
            for j in range(count):
                stride = 2 if i and not j else 1
                x = Bottleneck(64 * 2**i, stride, project=not j, name=f"layer{i + 1}_{j}")(x, norm)
        return nn.Dense(1000, name="fc")(x.mean((1, 2)))


def from_flat(params: dict[str, Any], state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Converts the flat dicts of funcvision to the nested dicts of flax."""
    leaves = {"running_mean": "mean", "running_var": "var"}

    def nested(arrays: dict[str, Any]) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for name, array in arrays.items():
            *path, leaf = name.split(".")
            if leaf == "num_batches_tracked":
                continue
            if path[0].startswith("layer"):
                path = [f"{path[0]}_{path[1]}", *path[2:]]
            if "downsample" in path:
                path = [*path[:-2], f"downsample_{path[-1]}"]
            if leaf == "weight":
                leaf = "kernel" if array.ndim > 1 else "scale"
            node = tree
            for part in path:
                node = node.setdefault(part, {})
            node[leaves.get(leaf, leaf)] = array
        return tree

    return nested(params), nested(state)
