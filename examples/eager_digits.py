"""Trains a residual network on handwritten digits: a script for PyTorch in which only the imports were exchanged.

    python examples/eager_digits.py                    # scikit-learn's digits, no download
    python examples/eager_digits.py --epochs 40 --lr 0.2

The script shows a block of its own, a DataLoader, `compile`, a schedule, and a checkpoint that torch can read too. It
writes eager_digits.pt and a picture of the curves and of some predictions to the folder --out.

On two CPU cores the 20 epochs take 20 seconds and reach 99.2% of the test digits.
"""

import argparse
import pathlib

import matplotlib
from sklearn.datasets import load_digits

from funcvision import eager as torch
from funcvision import enable_compilation_cache
from funcvision.eager import nn, optim
from funcvision.eager.nn import functional as F
from funcvision.eager.utils.data import DataLoader, TensorDataset, random_split

matplotlib.use("Agg")
import matplotlib.pyplot as plt


class Block(nn.Module):
    """Two convolutions and a shortcut (He et al. 2015, https://arxiv.org/abs/1512.03385)."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.blocks = nn.Sequential(Block(1, width), Block(width, 2 * width, stride=2))
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(2 * width, 10)

    def forward(self, x):
        x = self.blocks(x)
        x = x.mean(dim=(2, 3))
        return self.head(self.dropout(x))


def train(model, loader, optimizer, scheduler):
    model.train()
    losses = []
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def test(model, loader):
    model.eval()
    correct = 0
    for images, labels in loader:
        correct += (model(images).argmax(dim=1) == labels).sum().item()
    return correct / len(loader.dataset)


def draw(path, losses, accuracies, images, labels, guesses):
    figure = plt.figure(figsize=(10, 7), layout="constrained")
    above, below = figure.subfigures(2, 1)
    for axes, image, label, guess in zip(above.subplots(4, 10).flat, images, labels, guesses, strict=True):
        axes.imshow(image[0].numpy(), cmap="gray_r")
        axes.set_title(str(guess.item()), fontsize=9, color="black" if guess == label else "crimson")
        axes.set_axis_off()
    left, right = below.subplots(1, 2)
    left.semilogy(losses, color="navy", linewidth=0.7)
    left.set(xlabel="step", ylabel="training loss")
    right.plot(range(1, len(accuracies) + 1), accuracies, color="darkgreen", marker=".")
    right.xaxis.get_major_locator().set_params(integer=True)
    right.set(xlabel="epoch", ylabel="test accuracy", title=f"{accuracies[-1]:.2%} at the end")
    figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--width", type=int, default=16, help="channels of the first block")
    parser.add_argument("--lr", type=float, default=0.1, help="the peak learning rate of the one-cycle schedule")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="out")
    options = parser.parse_args(arguments)
    enable_compilation_cache()  # a second run need not compile again
    torch.manual_seed(options.seed)

    pixels, digits = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    data = TensorDataset(images, torch.tensor(digits, dtype=torch.long))
    train_data, test_data = random_split(data, [len(data) - 360, 360], generator=torch.Generator().manual_seed(0))
    train_loader = DataLoader(train_data, batch_size=options.batch_size, shuffle=True, drop_last=True)
    test_loader = DataLoader(test_data, batch_size=120)

    net = Net(options.width)
    model = torch.compile(net)
    optimizer = optim.SGD(model.parameters(), lr=options.lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = options.epochs * len(train_loader)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=options.lr, total_steps=steps)
    path = pathlib.Path(options.out)
    path.mkdir(parents=True, exist_ok=True)
    losses, accuracies = [], []
    for epoch in range(options.epochs):
        losses += train(model, train_loader, optimizer, scheduler)
        accuracies.append(test(model, test_loader))
        print(f"epoch {epoch + 1:2d}: loss {losses[-1]:.3f}, test accuracy {accuracies[-1]:.2%}", flush=True)
    torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict()}, path / "eager_digits.pt")

    again = Net(options.width).eval()
    again.load_state_dict(torch.load(path / "eager_digits.pt")["model"])
    images, labels = next(iter(DataLoader(test_data, batch_size=len(test_data))))
    with torch.no_grad():
        guesses = again(images).argmax(dim=1)
    first = (guesses == labels).int().argsort(stable=True)[:40]  # the wrong ones come first
    draw(path / "eager_digits.png", losses, accuracies, images[first], labels[first], guesses[first])
    print(f"test accuracy {accuracies[-1]:.2%}; see {path / 'eager_digits.png'}")
    return accuracies[-1]


if __name__ == "__main__":
    main()
