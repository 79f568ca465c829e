"""Trains a DCGAN to draw digits: a script for PyTorch in which only the imports were exchanged.

    python examples/eager_gan.py                       # scikit-learn's digits, no download
    python examples/eager_gan.py --epochs 200 --width 64

The generator and the discriminator are those of Radford et al. 2015 (https://arxiv.org/abs/1511.06434) for images of
8x8 pixels, with their initial values and their Adam. A picture shows how the same noise becomes digits.

On two CPU cores the 80 epochs take a minute.
"""

import argparse
import pathlib

import matplotlib
from sklearn.datasets import load_digits

from funcvision import eager as torch
from funcvision import enable_compilation_cache
from funcvision.eager import nn, optim
from funcvision.eager.nn import functional as F
from funcvision.eager.utils.data import DataLoader, TensorDataset
from funcvision.vision.utils import make_grid

matplotlib.use("Agg")
import matplotlib.pyplot as plt

NOISE = 16  # features of the noise from which an image is made


def generator(width):
    return nn.Sequential(
        nn.ConvTranspose2d(NOISE, 2 * width, 2, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU(inplace=True),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
        nn.ConvTranspose2d(width, 1, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


def discriminator(width):
    return nn.Sequential(
        nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * width, 1, 2), nn.Flatten(0),
    )  # fmt: skip


def weights_init(m):
    if isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(m.weight, 0.0, 0.02)
    elif isinstance(m, nn.BatchNorm2d):
        nn.init.normal_(m.weight, 1.0, 0.02)
        nn.init.zeros_(m.bias)


def train(net_g, net_d, of_g, of_d, real):
    """One step of the discriminator, then one of the generator: their losses."""
    fake = net_g(torch.randn(len(real), NOISE, 1, 1))
    ones, zeros = torch.full((len(real),), 0.9), torch.zeros(len(real))  # 0.9: one-sided label smoothing
    of_d.zero_grad()
    loss_d = F.binary_cross_entropy_with_logits(net_d(real), ones)
    loss_d = loss_d + F.binary_cross_entropy_with_logits(net_d(fake.detach()), zeros)
    loss_d.backward()
    of_d.step()

    of_g.zero_grad()
    loss_g = F.binary_cross_entropy_with_logits(net_d(fake), ones)
    loss_g.backward()
    of_g.step()
    return loss_d.item(), loss_g.item()


def draw(path, grids, losses):
    figure = plt.figure(figsize=(12, 6.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(5, 3))
    for axes, (title, images) in zip(above.subplots(1, len(grids)), grids.items(), strict=True):
        grid = make_grid(images, nrow=8, padding=1, pad_value=1, normalize=True, value_range=(-1, 1))
        axes.imshow(grid.permute(1, 2, 0).numpy())
        axes.set_title(title)
        axes.set_axis_off()
    axes = below.subplots()
    for name, color, curve in zip(("discriminator", "generator"), ("navy", "darkorange"), zip(*losses, strict=True)):
        axes.plot(curve, color=color, linewidth=0.7, label=name)
    axes.set(xlabel="step", ylabel="loss")
    axes.legend()
    figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None) -> list[tuple[float, float]]:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--width", type=int, default=64, help="channels at 4x4 pixels; twice as many at 2x2")
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="out")
    options = parser.parse_args(arguments)
    enable_compilation_cache()  # a second run need not compile again
    torch.manual_seed(options.seed)

    images = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1) / 8 - 1
    loader = DataLoader(TensorDataset(images), batch_size=options.batch_size, shuffle=True, drop_last=True)
    net_g, net_d = generator(options.width).apply(weights_init), discriminator(options.width).apply(weights_init)
    net_g, net_d = torch.compile(net_g), torch.compile(net_d)
    of_g = optim.Adam(net_g.parameters(), lr=options.lr, betas=(0.5, 0.999))
    of_d = optim.Adam(net_d.parameters(), lr=options.lr, betas=(0.5, 0.999))
    noise = torch.randn(64, NOISE, 1, 1)

    losses, grids = [], {}
    for epoch in range(1, options.epochs + 1):
        for (real,) in loader:
            losses.append(train(net_g, net_d, of_g, of_d, real))
        if epoch in (1, options.epochs // 5, options.epochs):
            with torch.no_grad():
                grids[f"epoch {epoch}"] = net_g(noise)
        if epoch % 10 == 0 or epoch == options.epochs:
            print(f"epoch {epoch}: discriminator {losses[-1][0]:.3f}, generator {losses[-1][1]:.3f}", flush=True)
    path = pathlib.Path(options.out)
    path.mkdir(parents=True, exist_ok=True)
    draw(path / "eager_gan.png", {**grids, "digits of the data set": images[:64]}, losses)
    print(f"see {path / 'eager_gan.png'}")
    return losses


if __name__ == "__main__":
    main()
