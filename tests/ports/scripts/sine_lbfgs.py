"""LSTM cells that continue sine waves, trained by LBFGS in float64 where that exists."""

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm1 = nn.LSTMCell(1, 6)
        self.lstm2 = nn.LSTMCell(6, 6)
        self.linear = nn.Linear(6, 1)

    def forward(self, input, future=0):
        outputs = []
        h_t = torch.zeros(input.size(0), 6, dtype=input.dtype)
        c_t = torch.zeros(input.size(0), 6, dtype=input.dtype)
        h_t2 = torch.zeros(input.size(0), 6, dtype=input.dtype)
        c_t2 = torch.zeros(input.size(0), 6, dtype=input.dtype)
        for input_t in input.split(1, dim=1):
            h_t, c_t = self.lstm1(input_t, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        for _ in range(future):
            h_t, c_t = self.lstm1(output, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        return torch.cat(outputs, dim=1)


def make():
    return {"seq": Sequence()}


def train(seq, steps):
    data = np.sin((np.arange(12) + np.array([[0.0], [1.0], [2.5]])) / 2).astype(np.float32)
    input, target = torch.from_numpy(data[:, :-1]), torch.from_numpy(data[:, 1:])
    criterion = nn.MSELoss()
    optimizer = optim.LBFGS(seq.parameters(), lr=0.5, max_iter=2)
    losses = []
    for _ in range(steps // 2):

        def closure():
            optimizer.zero_grad()
            loss = criterion(seq(input), target)
            loss.backward()
            losses.append(loss.item())
            return loss

        optimizer.step(closure)
    with torch.no_grad():
        pred = seq(input, future=3)
        losses.append(criterion(pred[:, :-3], target).item())
    return losses
