"""Actor and critic with a shared trunk: a smooth L1 loss of values, an entropy bonus, stacked losses."""

from collections import namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical

SavedAction = namedtuple("SavedAction", ["log_prob", "value", "entropy"])


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(3, 12)
        self.action_head = nn.Linear(12, 4)
        self.value_head = nn.Linear(12, 1)
        self.saved_actions = []

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


def make():
    return {"model": Policy()}


def train(model, steps):
    rng = np.random.default_rng(0)
    optimizer = optim.RMSprop(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(steps):
        rewards = []
        for _ in range(6):
            state = torch.from_numpy(rng.standard_normal(3).astype(np.float32))
            probs, value = model(state)
            distribution = Categorical(probs)
            action = torch.tensor(int(rng.integers(4)))
            model.saved_actions.append(SavedAction(distribution.log_prob(action), value, distribution.entropy()))
            rewards.append(float(state[0]) * (1 if action == 2 else -1))
        future, returns, policy_losses, value_losses = 0, [], [], []
        for reward in reversed(rewards):
            future = reward + 0.9 * future
            returns.insert(0, future)
        returns = torch.tensor(returns)
        returns = (returns - returns.mean()) / (returns.std() + 1e-6)
        for (log_prob, value, entropy), target in zip(model.saved_actions, returns):
            advantage = target - value.item()
            policy_losses.append(-log_prob * advantage - 0.01 * entropy)
            value_losses.append(F.smooth_l1_loss(value, torch.tensor([target])))
        optimizer.zero_grad()
        loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum()
        loss.backward()
        optimizer.step()
        del model.saved_actions[:]
        losses.append(loss.item())
    return losses
