"""A graph convolutional network: a parameter matrix, a normalised adjacency, a loss of some nodes, accuracy."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.parameter import Parameter
from torch.optim import Adam


class GraphConv(nn.Module):
    def __init__(self, input_dim, output_dim, use_bias=True):
        super().__init__()
        self.kernel = Parameter(torch.empty(input_dim, output_dim))
        if use_bias:
            self.bias = Parameter(torch.zeros(output_dim))
        else:
            self.register_parameter("bias", None)
        bound = 1.0 / math.sqrt(output_dim)
        nn.init.uniform_(self.kernel, -bound, bound)

    def forward(self, input_tensor, adj_mat):
        output = torch.mm(adj_mat, torch.mm(input_tensor, self.kernel))
        return output if self.bias is None else output + self.bias


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.gc1, self.gc2 = GraphConv(5, 8), GraphConv(8, 3, use_bias=False)

    def forward(self, input_tensor, adj_mat):
        x = F.relu(self.gc1(input_tensor, adj_mat))
        x = F.dropout(x, 0.0, training=self.training)
        return F.log_softmax(self.gc2(x, adj_mat), dim=1)


def make():
    return {"model": GCN()}


def train(model, steps):
    rng = np.random.default_rng(0)
    adjacency = torch.eye(10)
    for a, b in rng.integers(0, 10, (15, 2)).tolist():
        adjacency[a, b] = 1.0
        adjacency[b, a] = 1.0
    degree = adjacency.sum(dim=1).pow(-0.5)
    degree[torch.isinf(degree)] = 0.0
    normalised = torch.diag(degree) @ adjacency @ torch.diag(degree)
    features = torch.from_numpy(rng.standard_normal((10, 5)).astype(np.float32))
    labels = torch.from_numpy(rng.integers(0, 3, 10))
    chosen = torch.arange(6)
    optimizer = Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    losses = []
    for _ in range(steps):
        model.train()
        optimizer.zero_grad()
        output = model(features, normalised)
        loss = F.nll_loss(output[chosen], labels[chosen])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        accuracy = (model(features, normalised).argmax(dim=1) == labels).float().mean()
    assert 0 <= accuracy.item() <= 1
    return losses
