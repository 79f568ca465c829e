"""Training that is interrupted: a checkpoint in memory with the model, optimizer, scheduler, epoch and best loss."""

import io

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Dropout(0.0), nn.Linear(8, 2))

    def forward(self, x):
        return self.layers(x)


def make():
    return {"net": MLP()}


def parts(net):
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, amsgrad=True)
    return optimizer, torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 3], gamma=0.5)


def train(net, steps):
    rng = np.random.default_rng(0)
    data = TensorDataset(
        torch.from_numpy(rng.standard_normal((16, 5)).astype(np.float32)), torch.from_numpy(rng.integers(0, 2, 16))
    )
    loader = DataLoader(data, batch_size=4, shuffle=False, num_workers=0)
    optimizer, scheduler = parts(net)
    criterion, losses, best = nn.CrossEntropyLoss(), [], float("inf")
    for epoch in range(steps // 4):
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(net(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
        best = min(best, losses[-1])
        file = io.BytesIO()
        torch.save(
            {
                "epoch": epoch + 1, "state_dict": net.state_dict(), "best": best,
                "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
            },
            file,
        )  # fmt: skip
        file.seek(0)
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
        net = MLP()
        net.load_state_dict(checkpoint["state_dict"])
        optimizer, scheduler = parts(net)
        optimizer.load_state_dict(checkpoint["optimizer"])
        scheduler.load_state_dict(checkpoint["scheduler"])
        assert checkpoint["epoch"] == epoch + 1
    return losses
