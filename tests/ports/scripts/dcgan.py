"""A DCGAN: transposed convolutions, initial values by `apply`, two optimizers, detach."""

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        torch.nn.init.normal_(m.weight, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        torch.nn.init.normal_(m.weight, 1.0, 0.02)
        torch.nn.init.zeros_(m.bias)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(5, 8, 4, 1, 0, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
            nn.ConvTranspose2d(8, 1, 4, 2, 1, bias=False), nn.Tanh(),
        )  # fmt: skip

    def forward(self, input):
        return self.main(input)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(1, 6, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(6, 1, 4, 1, 0, bias=False), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, input):
        return self.main(input).view(-1, 1).squeeze(1)


def make():
    generator, discriminator = Generator(), Discriminator()
    generator.apply(weights_init)
    discriminator.apply(weights_init)
    return {"generator": generator, "discriminator": discriminator}


def train(generator, discriminator, steps):
    rng = np.random.default_rng(0)
    criterion = nn.BCELoss()
    of_d = optim.Adam(discriminator.parameters(), lr=0.0002, betas=(0.5, 0.999))
    of_g = optim.Adam(generator.parameters(), lr=0.0002, betas=(0.5, 0.999))
    losses = []
    for _ in range(steps):
        discriminator.zero_grad()
        real = torch.from_numpy(rng.standard_normal((4, 1, 8, 8)).astype(np.float32))
        label = torch.full((4,), 1, dtype=real.dtype)
        loss_real = criterion(discriminator(real), label)
        loss_real.backward()
        noise = torch.from_numpy(rng.standard_normal((4, 5, 1, 1)).astype(np.float32))
        fake = generator(noise)
        label.fill_(0)
        loss_fake = criterion(discriminator(fake.detach()), label)
        loss_fake.backward()
        of_d.step()
        generator.zero_grad()
        label.fill_(1)
        loss_g = criterion(discriminator(fake), label)
        loss_g.backward()
        of_g.step()
        losses.append((loss_real + loss_fake).item() + loss_g.item())
    return losses
