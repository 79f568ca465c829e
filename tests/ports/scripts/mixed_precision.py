"""Autocast and a gradient scaler, which here scales nothing."""

import warnings

import numpy as np
import torch
from torch import nn


def make():
    return {"net": nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.LayerNorm(16), nn.Linear(16, 3))}


TOLERANCE = 2e-2  # bfloat16 has 8 bits, and the libraries round at different places


def train(net, steps):
    rng = np.random.default_rng(0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scaler = torch.amp.GradScaler("cpu", enabled=False)
    criterion, losses = nn.CrossEntropyLoss(), []
    for _ in range(steps):
        x = torch.from_numpy(rng.standard_normal((16, 8)).astype(np.float32))
        y = torch.from_numpy(rng.integers(0, 3, 16))
        optimizer.zero_grad()
        with torch.autocast(device_type="cpu", dtype=torch.bfloat16):
            output = net(x)
            assert output.dtype == torch.bfloat16
            loss = criterion(output, y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        assert net[0].weight.grad.dtype == torch.float32
        losses.append(loss.item())
    return losses
