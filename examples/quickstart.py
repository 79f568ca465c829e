"""The training loop of PyTorch's quickstart with funcvision's imports: data, model, loss, optimizer, save, predict.

    python examples/quickstart.py                                    # scikit-learn's digits, nothing to download
    python examples/quickstart.py --data fashion --root data         # Fashion-MNIST, 30 MB

On the digits the accuracy on the test set is 96% after 10 epochs, which take seconds on two CPU cores.
"""

import argparse

import jax
import numpy as np

from funcvision import eager, enable_compilation_cache, nn
from funcvision.data import ArrayDataset, DataLoader
from funcvision.eager import optim
from funcvision.vision import convert, datasets, transforms

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


class NeuralNetwork(nn.Module):
    def __init__(self, pixels: int):
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(pixels, 512),
            nn.ReLU(),
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Linear(512, 10),
        )

    def forward(self, x):
        return self.linear_relu_stack(self.flatten(x))


def fashion(root: str):
    """Fashion-MNIST, downloaded if it is missing: (training set, test set, names of the classes)."""
    transform = transforms.Compose([transforms.ToImage(), transforms.ToDtype(np.float32, scale=True)])
    train, test = (datasets.FashionMNIST(root, train, transform, download=True) for train in (True, False))
    return train, test, train.classes


def digits():
    """scikit-learn's 1,797 digits of 8x8 pixels, of which 360 are the test set."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype(np.float32) / 16
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = (ArrayDataset((images[part], labels[part])) for part in (order[360:], order[:360]))
    return train, test, DIGITS


def train(dataloader, model, loss_fn, optimizer):
    size = len(dataloader.dataset)
    model.train()
    for batch, (X, y) in enumerate(dataloader):
        pred = model(X)
        loss = loss_fn(pred, y)

        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

        if batch % 100 == 0:
            print(f"loss: {loss.item():>7f}  [{(batch + 1) * len(X):>5d}/{size:>5d}]")


def test(dataloader, model, loss_fn):
    model.eval()
    test_loss, correct = 0.0, 0.0
    with eager.no_grad():
        for X, y in dataloader:
            pred = model(X)
            test_loss += loss_fn(pred, y).item()
            correct += (pred.argmax(1) == y).float().sum().item()
    accuracy = correct / len(dataloader.dataset)
    print(f"Test: accuracy {accuracy:.1%}, average loss {test_loss / len(dataloader):.4f}\n")
    return accuracy


def main(arguments: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="digits", choices=["digits", "fashion"])
    parser.add_argument("--root", default="data", help="folder of Fashion-MNIST; it is downloaded if it is missing")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--out", default="model.pth", help="file for the trained weights; torch can read it, too")
    options = parser.parse_args(arguments)
    enable_compilation_cache()  # later runs do not compile again

    training_data, test_data, classes = digits() if options.data == "digits" else fashion(options.root)
    train_dataloader = DataLoader(training_data, batch_size=64, shuffle=True)
    test_dataloader = DataLoader(test_data, batch_size=64)
    for X, y in test_dataloader:
        print(f"Shape of X [N, H, W, C]: {X.shape}")
        print(f"Shape of y: {y.shape} {y.dtype}")
        break

    print(f"Using {jax.devices()[0].platform} device")
    model = eager.Module(NeuralNetwork(X[0].size), seed=0)
    print(model)
    loss_fn = eager.Module(nn.CrossEntropyLoss())
    optimizer = optim.SGD(model.parameters(), lr=options.lr)

    accuracy = 0.0
    for epoch in range(options.epochs):
        print(f"Epoch {epoch + 1}\n-------------------------------")
        train(train_dataloader, model, loss_fn, optimizer)
        accuracy = test(test_dataloader, model, loss_fn)

    convert.save(options.out, model.model, model.params, model.state, overwrite=True)
    print(f"Saved the model to {options.out}")
    params, state = convert.load(options.out, NeuralNetwork(X[0].size))
    model = eager.Module(NeuralNetwork(X[0].size), params=params, state=state).eval()
    image, label = test_data[0]
    with eager.no_grad():
        pred = model(image[None])
    print(f'Predicted: "{classes[pred[0].argmax(0).item()]}", actual: "{classes[label]}"')
    return accuracy


if __name__ == "__main__":
    main()
