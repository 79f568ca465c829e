"""REINFORCE on a small CartPole. Actions come from a list, because the generators of the two libraries differ."""

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical


class CartPole:
    """Barto, Sutton and Anderson's cart with a pole, by Euler's method."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def reset(self):
        self.state = self.rng.uniform(-0.05, 0.05, 4)
        return self.state.astype(np.float32)

    def step(self, action):
        x, speed, angle, turning = self.state
        force = 10.0 if action == 1 else -10.0
        push = (force + 0.05 * turning**2 * math.sin(angle)) / 1.1
        turn = (9.8 * math.sin(angle) - math.cos(angle) * push) / (0.5 * (4 / 3 - 0.1 * math.cos(angle) ** 2 / 1.1))
        along = push - 0.05 * turn * math.cos(angle) / 1.1
        self.state = np.array([x + 0.02 * speed, speed + 0.02 * along, angle + 0.02 * turning, turning + 0.02 * turn])
        done = abs(self.state[0]) > 2.4 or abs(self.state[2]) > 0.2095
        return self.state.astype(np.float32), 1.0, done


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(4, 16)
        self.dropout = nn.Dropout(p=0.0)
        self.affine2 = nn.Linear(16, 2)
        self.saved_log_probs = []
        self.rewards = []

    def forward(self, x):
        x = F.relu(self.dropout(self.affine1(x)))
        return F.softmax(self.affine2(x), dim=1)


def select_action(policy, state, chance):
    probs = policy(torch.from_numpy(state).float().unsqueeze(0))
    m = Categorical(probs)
    action = torch.tensor([int(chance > probs[0, 0].item())])
    policy.saved_log_probs.append(m.log_prob(action))
    return action.item()


def finish_episode(policy, optimizer):
    eps = np.finfo(np.float32).eps.item()
    future, policy_loss, returns = 0, [], []
    for r in policy.rewards[::-1]:
        future = r + 0.99 * future
        returns.insert(0, future)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + eps)
    for log_prob, value in zip(policy.saved_log_probs, returns):
        policy_loss.append(-log_prob * value)
    optimizer.zero_grad()
    policy_loss = torch.cat(policy_loss).sum()
    policy_loss.backward()
    optimizer.step()
    del policy.rewards[:]
    del policy.saved_log_probs[:]
    return policy_loss.item()


def make():
    return {"policy": Policy()}


def train(policy, steps):
    optimizer, environment, rng = optim.Adam(policy.parameters(), lr=1e-2), CartPole(0), np.random.default_rng(1)
    losses = []
    for episode in range(steps):
        state = environment.reset()
        for _ in range(9 + episode % 5):
            state, reward, done = environment.step(select_action(policy, state, rng.random()))
            policy.rewards.append(reward)
            if done:
                break
        losses.append(finish_episode(policy, optimizer))
    return losses
