"""A siamese network: one trunk for two images, initial values by `apply`, Adadelta, a step schedule."""

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR


class SiameseNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2, stride=2))
        self.fc = nn.Sequential(nn.Linear(72, 16), nn.ReLU(inplace=True), nn.Linear(16, 1))
        self.sigmoid = nn.Sigmoid()
        self.trunk.apply(self.init_weights)
        self.fc.apply(self.init_weights)

    def init_weights(self, m):
        if isinstance(m, nn.Linear):
            torch.nn.init.xavier_uniform_(m.weight)
            m.bias.data.fill_(0.01)

    def forward_once(self, x):
        output = self.trunk(x)
        return output.view(output.size()[0], -1)

    def forward(self, input1, input2):
        output = torch.cat((self.forward_once(input1), self.forward_once(input2)), 1)
        return self.sigmoid(self.fc(output))


def make():
    return {"model": SiameseNetwork()}


def train(model, steps):
    rng = np.random.default_rng(0)
    criterion = nn.BCELoss()
    optimizer = optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=5, gamma=0.7)
    losses = []
    for _ in range(steps):
        first = torch.from_numpy(rng.standard_normal((4, 1, 8, 8)).astype(np.float32))
        second = torch.from_numpy(rng.standard_normal((4, 1, 8, 8)).astype(np.float32))
        targets = torch.tensor([1.0, 0.0, 1.0, 0.0])
        optimizer.zero_grad()
        outputs = model(first, second).squeeze()
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()
        scheduler.step()
        pred = torch.where(outputs > 0.5, 1, 0)
        assert 0 <= pred.eq(targets.view_as(pred)).sum().item() <= 4
        losses.append(loss.item())
    return losses
