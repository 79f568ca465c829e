"""Models and steps of scripts written for PyTorch, made from torch or from the eager face in its place."""

import importlib
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["DROPOUT", "SCRIPTS", "Script", "face", "pictures", "set_dropout"]


class Script(NamedTuple):
    """A model, and one training step on a fixed batch.

    Attributes:
        model: the module.
        objective: a function of the called module (compiled or not) to a loss.
        after: what follows the backward pass: clipping, and the step of the optimizer.
    """

    model: Any
    objective: Callable[[Any], Any]
    after: Callable[[], None]


def face(name: str) -> tuple[Any, Any, Any, Any]:
    """(torch, nn, functional, optim) of torch, or of the eager face."""
    if name == "torch":
        parts = ("torch", "torch.nn", "torch.nn.functional", "torch.optim")
    else:
        parts = ("funcvision.eager", "funcvision.eager.nn", "funcvision.eager.nn.functional", "funcvision.eager.optim")
    torch, nn, functional, optim = map(importlib.import_module, parts)
    return torch, nn, functional, optim


def _filled(torch: Any, model: Any) -> Any:
    """The model with the same parameters under both faces: random kernels of torch's usual scale, biases of 0."""
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for key, parameter in sorted(model.named_parameters()):
            if "bias" in key:
                parameter.zero_()
            elif parameter.dim() > 1:
                bound = 1 / math.sqrt(np.prod(parameter.shape[1:]))
                values = rng.uniform(-bound, bound, tuple(parameter.shape)).astype(np.float32)
                parameter.copy_(torch.from_numpy(values))
    return model


def set_dropout(model: Any, rate: float) -> None:
    """Sets the rate of every dropout. Random numbers differ, so that losses are compared without dropout."""
    for module in model.modules():
        if type(module).__name__ == "Dropout":
            module.p = rate


def cnn(name: str, batch: int = 64) -> Script:
    """The classifier of digits, with two convolutions and two dropouts."""
    torch, nn, F, optim = face(name)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 32, 3, 1)
            self.conv2 = nn.Conv2d(32, 64, 3, 1)
            self.dropout1 = nn.Dropout(0.0)
            self.dropout2 = nn.Dropout(0.0)
            self.fc1 = nn.Linear(9216, 128)
            self.fc2 = nn.Linear(128, 10)

        def forward(self, x):
            x = F.relu(self.conv1(x))
            x = F.relu(self.conv2(x))
            x = self.dropout1(F.max_pool2d(x, 2))
            x = F.relu(self.fc1(torch.flatten(x, 1)))
            return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)

    rng = np.random.default_rng(1)
    images = torch.from_numpy(rng.standard_normal((batch, 1, 28, 28), np.float32))
    labels = torch.from_numpy(rng.integers(0, 10, batch))
    model = _filled(torch, Net())
    optimizer = optim.Adadelta(model.parameters(), lr=1.0)
    return Script(model, lambda call: F.nll_loss(call(images), labels), optimizer.step)


def vae(name: str, batch: int = 128) -> Script:
    """The variational autoencoder of digits. Its noise is fixed, so that losses can be compared."""
    torch, nn, F, optim = face(name)

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(784, 400)
            self.fc21 = nn.Linear(400, 20)
            self.fc22 = nn.Linear(400, 20)
            self.fc3 = nn.Linear(20, 400)
            self.fc4 = nn.Linear(400, 784)

        def forward(self, x, eps):
            h1 = F.relu(self.fc1(x.view(-1, 784)))
            mu, logvar = self.fc21(h1), self.fc22(h1)
            z = mu + eps * torch.exp(0.5 * logvar)
            return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mu, logvar

    rng = np.random.default_rng(1)
    images = torch.from_numpy(rng.uniform(size=(batch, 1, 28, 28)).astype(np.float32))
    eps = torch.from_numpy(rng.standard_normal((batch, 20), np.float32))
    model = _filled(torch, VAE())
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def objective(call: Any) -> Any:
        recon, mu, logvar = call(images, eps)
        bce = F.binary_cross_entropy(recon, images.view(-1, 784), reduction="sum")
        return bce - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())

    return Script(model, objective, optimizer.step)


def _clipped_sgd(torch: Any, nn: Any, model: Any, rate: float) -> Callable[[], None]:
    """The update of the language models, which need no optimizer."""

    def after() -> None:
        nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        for parameter in model.parameters():
            parameter.data.add_(parameter.grad, alpha=-rate)

    return after


def lstm(name: str, words: int = 5000, width: int = 200, batch: int = 20, length: int = 35) -> Script:
    """The language model of words: two LSTMs, tied weights, clipped gradients, and a state that is detached."""
    torch, nn, F, _ = face(name)

    class RNNModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.0)
            self.encoder = nn.Embedding(words, width)
            self.rnn = nn.LSTM(width, width, 2, dropout=0.0)
            self.decoder = nn.Linear(width, words)
            self.decoder.weight = self.encoder.weight

        def forward(self, input, hidden):
            output, hidden = self.rnn(self.drop(self.encoder(input)), hidden)
            decoded = self.decoder(self.drop(output)).view(-1, words)
            return F.log_softmax(decoded, dim=1), hidden

    rng = np.random.default_rng(1)
    inputs = torch.from_numpy(rng.integers(0, words, (length, batch)))
    targets = torch.from_numpy(rng.integers(0, words, length * batch))
    model, criterion = _filled(torch, RNNModel()), nn.NLLLoss()
    state = [(torch.zeros(2, batch, width), torch.zeros(2, batch, width))]

    def objective(call: Any) -> Any:
        output, hidden = call(inputs, tuple(part.detach() for part in state[0]))
        state[0] = hidden
        return criterion(output, targets)

    return Script(model, objective, _clipped_sgd(torch, nn, model, 1.0))


def transformer(name: str, words: int = 5000, width: int = 200, batch: int = 20, length: int = 35) -> Script:
    """The language model of words with a Transformer of two layers, a causal mask and sinusoidal positions."""
    torch, nn, F, _ = face(name)

    class PositionalEncoding(nn.Module):
        def __init__(self, max_len=100):
            super().__init__()
            self.dropout = nn.Dropout(p=0.0)
            pe = torch.zeros(max_len, width)
            position = torch.arange(0, max_len, dtype=torch.float).unsqueeze(1)
            div_term = torch.exp(torch.arange(0, width, 2).float() * (-math.log(10000.0) / width))
            pe[:, 0::2] = torch.sin(position * div_term)
            pe[:, 1::2] = torch.cos(position * div_term)
            self.register_buffer("pe", pe.unsqueeze(0).transpose(0, 1))

        def forward(self, x):
            return self.dropout(x + self.pe[: x.size(0), :])

    class TransformerModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.input_emb = nn.Embedding(words, width)
            self.pos_encoder = PositionalEncoding()
            layer = nn.TransformerEncoderLayer(width, 2, 200, dropout=0.0)
            self.encoder = nn.TransformerEncoder(layer, 2)
            self.decoder = nn.Linear(width, words)

        def forward(self, src):
            mask = torch.log(torch.tril(torch.ones(len(src), len(src))))
            src = self.pos_encoder(self.input_emb(src) * math.sqrt(width))
            return F.log_softmax(self.decoder(self.encoder(src, mask=mask)), dim=-1)

    rng = np.random.default_rng(1)
    inputs = torch.from_numpy(rng.integers(0, words, (length, batch)))
    targets = torch.from_numpy(rng.integers(0, words, length * batch))
    model, criterion = _filled(torch, TransformerModel()), nn.NLLLoss()
    return Script(
        model, lambda call: criterion(call(inputs).view(-1, words), targets), _clipped_sgd(torch, nn, model, 1.0)
    )


def resnet18(name: str, batch: int = 8, side: int = 96) -> Script:
    """ResNet-18 as torchvision writes it, with in-place activations and `out += identity`."""
    torch, nn, F, optim = face(name)

    class BasicBlock(nn.Module):
        def __init__(self, inplanes, planes, stride=1, downsample=None):
            super().__init__()
            self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(planes)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(planes)
            self.downsample = downsample

        def forward(self, x):
            identity = x
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            if self.downsample is not None:
                identity = self.downsample(x)
            out += identity
            return self.relu(out)

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.inplanes = 64
            self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(64)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
            self.layer1 = self._make_layer(64)
            self.layer2 = self._make_layer(128, 2)
            self.layer3 = self._make_layer(256, 2)
            self.layer4 = self._make_layer(512, 2)
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(512, 1000)

        def _make_layer(self, planes, stride=1):
            downsample = None
            if stride != 1:
                downsample = nn.Sequential(nn.Conv2d(self.inplanes, planes, 1, stride, bias=False),
                                           nn.BatchNorm2d(planes))  # fmt: skip
            first = BasicBlock(self.inplanes, planes, stride, downsample)
            self.inplanes = planes
            return nn.Sequential(first, BasicBlock(planes, planes))

        def forward(self, x):
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(torch.flatten(self.avgpool(x), 1))

    images, labels = pictures(batch, side)
    images, labels = torch.from_numpy(images), torch.from_numpy(labels)
    model = _filled(torch, ResNet())
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return Script(model, lambda call: F.cross_entropy(call(images), labels), optimizer.step)


def pictures(batch: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images, channels first, and labels."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((batch, 3, side, side), np.float32), rng.integers(0, 1000, batch)


SCRIPTS = {"cnn": cnn, "vae": vae, "lstm": lstm, "transformer": transformer, "resnet18": resnet18}
DROPOUT = {"cnn": 0.25, "lstm": 0.2, "transformer": 0.2}
