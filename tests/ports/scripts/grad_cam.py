"""Hooks: features and their gradients for Grad-CAM, a frozen trunk, and gradients that a hook changes."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU())
        self.pool, self.head = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(torch.flatten(self.pool(self.trunk(x)), 1))


def make():
    return {"net": Net()}


def train(net, steps):
    rng = np.random.default_rng(0)
    features, gradients, losses = {}, {}, []
    net.trunk[2].register_forward_hook(lambda module, args, output: features.update(value=output))
    net.trunk[2].register_full_backward_hook(lambda module, into, out: gradients.update(value=out[0]))
    net.trunk[0].bias.requires_grad = False
    net.head.weight.register_hook(lambda grad: grad * 0.5)
    optimizer = torch.optim.SGD(filter(lambda p: p.requires_grad, net.parameters()), lr=0.1)
    for _ in range(steps):
        x = torch.from_numpy(rng.standard_normal((2, 1, 8, 8)).astype(np.float32))
        optimizer.zero_grad()
        score = net(x)
        loss = F.cross_entropy(score, torch.tensor([0, 2]))
        loss.backward()
        optimizer.step()
        weights = gradients["value"].mean(dim=(2, 3), keepdim=True)
        cam = F.relu((weights * features["value"]).sum(dim=1, keepdim=True))
        cam = F.interpolate(cam.detach(), size=x.shape[2:], mode="bilinear", align_corners=False)
        losses += [loss.item(), cam.sum().item()]
    return losses
