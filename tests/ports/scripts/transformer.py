"""A Transformer that translates: positional encoding in a buffer, masks, padding, a schedule by a lambda."""

import math

import numpy as np
import torch
from torch import nn


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=50):
        super().__init__()
        pe = torch.zeros(max_len, d_model)
        position = torch.arange(0, max_len, dtype=torch.float).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(10000.0) / d_model))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe.unsqueeze(0))

    def forward(self, x):
        return x + self.pe[:, : x.size(1)]


class Translator(nn.Module):
    def __init__(self, words=20, width=8):
        super().__init__()
        self.source, self.target = nn.Embedding(words, width, padding_idx=0), nn.Embedding(words, width, padding_idx=0)
        self.position = PositionalEncoding(width)
        self.transformer = nn.Transformer(width, 2, 1, 1, 16, dropout=0.0, batch_first=True)
        self.out = nn.Linear(width, words)
        self.width = width

    def forward(self, src, tgt):
        causal = nn.Transformer.generate_square_subsequent_mask(tgt.size(1))
        padded = src.eq(0)
        src = self.position(self.source(src) * math.sqrt(self.width))
        tgt = self.position(self.target(tgt) * math.sqrt(self.width))
        return self.out(
            self.transformer(
                src, tgt, tgt_mask=causal, src_key_padding_mask=padded, memory_key_padding_mask=padded
            )
        )  # fmt: skip


def make():
    return {"model": Translator()}


def train(model, steps):
    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-9)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) ** -0.5, (step + 1) / 4))
    criterion, losses = nn.CrossEntropyLoss(ignore_index=0), []
    for _ in range(steps):
        src = torch.from_numpy(rng.integers(1, 20, (3, 6)))
        src[0, 4:] = 0
        tgt = src.flip(1)
        output = model(src, tgt[:, :-1])
        loss = criterion(output.reshape(-1, output.shape[-1]), tgt[:, 1:].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses
