"""An average of weights by hand, stochastic weight averaging, and its schedule."""

import copy

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn


def make():
    return {"net": nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))}


def train(net, steps):
    rng = np.random.default_rng(0)
    batches = [
        (torch.from_numpy(rng.standard_normal((8, 6)).astype(np.float32)),
         torch.from_numpy(rng.standard_normal((8, 1)).astype(np.float32)))
        for _ in range(4)
    ]  # fmt: skip
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    ema = copy.deepcopy(net)
    for p in ema.parameters():
        p.requires_grad_(False)
    swa, schedule = AveragedModel(net), SWALR(optimizer, swa_lr=0.02, anneal_epochs=3)
    criterion, losses = nn.MSELoss(), []
    for step in range(steps):
        x, y = batches[step % 4]
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for averaged, p in zip(ema.parameters(), net.parameters()):
                averaged.mul_(0.9).add_(p, alpha=0.1)
            for averaged, buffer in zip(ema.buffers(), net.buffers()):
                averaged.copy_(buffer)
        if step >= steps // 2:
            swa.update_parameters(net)
            schedule.step()
        losses.append(loss.item())
    update_bn([x for x, _ in batches], swa)
    swa.eval()
    ema.eval()
    with torch.no_grad():
        losses += [criterion(model(x), y).item() for model in (swa, ema)]
    return losses
