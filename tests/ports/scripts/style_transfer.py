"""Style transfer: losses inside a sequential network, Gram matrices, the image as the parameter, frozen weights."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim


class ContentLoss(nn.Module):
    def __init__(self, target):
        super().__init__()
        self.target = target.detach()

    def forward(self, input):
        self.loss = F.mse_loss(input, self.target)
        return input


def gram_matrix(input):
    a, b, c, d = input.size()
    features = input.view(a * b, c * d)
    return torch.mm(features, features.t()).div(a * b * c * d)


class StyleLoss(nn.Module):
    def __init__(self, target_feature):
        super().__init__()
        self.target = gram_matrix(target_feature).detach()

    def forward(self, input):
        self.loss = F.mse_loss(gram_matrix(input), self.target)
        return input


def make():
    vgg = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=True),
        nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(inplace=True),
    )  # fmt: skip
    return {"vgg": vgg}


def build(vgg, style, content):
    model, contents, styles, i = nn.Sequential(), [], [], 0
    for layer in vgg.children():
        if isinstance(layer, nn.Conv2d):
            i += 1
            name = f"conv_{i}"
        elif isinstance(layer, nn.ReLU):
            name = f"relu_{i}"
            layer = nn.ReLU(inplace=False)
        elif isinstance(layer, nn.MaxPool2d):
            name = f"pool_{i}"
        model.add_module(name, layer)
        if name == "conv_2":
            contents.append(ContentLoss(model(content)))
            model.add_module(f"content_loss_{i}", contents[-1])
        if name.startswith("conv"):
            styles.append(StyleLoss(model(style).detach()))
            model.add_module(f"style_loss_{i}", styles[-1])
    return model, contents, styles


def train(vgg, steps):
    rng = np.random.default_rng(0)
    content, style = (torch.from_numpy(rng.random((1, 3, 8, 8)).astype(np.float32)) for _ in range(2))
    vgg.eval()
    model, contents, styles = build(vgg, style, content)
    input_img = content.clone()
    input_img.requires_grad_(True)
    model.requires_grad_(False)
    optimizer = optim.Adam([input_img], lr=0.02)
    losses = []
    for _ in range(steps):
        with torch.no_grad():
            input_img.clamp_(0, 1)
        optimizer.zero_grad()
        model(input_img)
        style_score, content_score = 0, 0
        for layer in styles:
            style_score += layer.loss
        for layer in contents:
            content_score += layer.loss
        loss = style_score * 1000 + content_score
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is None for p in model.parameters())
    return losses
