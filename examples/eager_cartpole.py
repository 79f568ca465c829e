"""Teaches a network to balance a pole on a cart: actor and critic, in a script for PyTorch with other imports.

    python examples/eager_cartpole.py
    python examples/eager_cartpole.py --episodes 400 --seed 1

The environment is in this file, because the ones of gymnasium would have to be installed. An episode ends when the pole
falls, the cart leaves the track, or after 300 steps. The agent acts without recording a graph. After each episode one
call of the model over all its states, whose number is different each time, gives the losses.

On two CPU cores the 200 episodes take a minute, and the mean return of the last 50 is 223.
"""

import argparse
import math
import pathlib

import matplotlib
import numpy as np

from funcvision import eager as torch
from funcvision import enable_compilation_cache
from funcvision.eager import nn, optim
from funcvision.eager.distributions import Categorical
from funcvision.eager.nn import functional as F

matplotlib.use("Agg")
import matplotlib.pyplot as plt

LONGEST = 300  # steps of an episode


class CartPole:
    """The cart and pole of Barto, Sutton and Anderson 1983, with gymnasium's constants, by Euler's method."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def reset(self):
        self.state = self.rng.uniform(-0.05, 0.05, 4)
        return self.state.astype(np.float32)

    def step(self, action):
        """Pushes the cart to the left (0) or to the right (1) for 0.02 s: (state, reward, whether the pole fell)."""
        speed, angle, turning = self.state[1:]
        force = 10.0 if action == 1 else -10.0
        push = (force + 0.05 * turning**2 * math.sin(angle)) / 1.1
        inertia = 0.5 * (4 / 3 - 0.1 * math.cos(angle) ** 2 / 1.1)
        turn = (9.8 * math.sin(angle) - math.cos(angle) * push) / inertia
        acceleration = push - 0.05 * turn * math.cos(angle) / 1.1
        self.state = self.state + 0.02 * np.array([speed, acceleration, turning, turn])
        fallen = abs(self.state[0]) > 2.4 or abs(self.state[2]) > math.radians(12)
        return self.state.astype(np.float32), 1.0, fallen


class Policy(nn.Module):
    """The chances of the two actions, as logits, and the value of a state, from a shared layer."""

    def __init__(self, width):
        super().__init__()
        self.affine = nn.Linear(4, width)
        self.action_head = nn.Linear(width, 2)
        self.value_head = nn.Linear(width, 1)

    def forward(self, x):
        x = F.relu(self.affine(x))
        return self.action_head(x), self.value_head(x).squeeze(-1)


@torch.no_grad()
def play(policy, environment):
    """One episode: the states, the actions and the rewards."""
    states, actions, rewards = [], [], []
    state, fallen = environment.reset(), False
    while not fallen and len(rewards) < LONGEST:
        logits, _ = policy(torch.from_numpy(state))
        action = Categorical(logits=logits).sample().item()
        states.append(state)
        actions.append(action)
        state, reward, fallen = environment.step(action)
        rewards.append(reward)
    return torch.from_numpy(np.stack(states)), torch.tensor(actions), rewards


def learn(policy, optimizer, states, actions, rewards, gamma):
    future, returns = 0.0, []
    for reward in reversed(rewards):
        future = reward + gamma * future
        returns.append(future)
    returns = torch.tensor(returns[::-1])
    returns = (returns - returns.mean()) / (returns.std() + 1e-6)
    logits, values = policy(states)
    distribution = Categorical(logits=logits)
    advantages = returns - values.detach()
    loss = -(distribution.log_prob(actions) * advantages).sum() + F.smooth_l1_loss(values, returns, reduction="sum")
    loss = loss - 0.01 * distribution.entropy().sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def draw(path, lengths):
    figure, axes = plt.subplots(figsize=(10, 6.6), layout="constrained")
    axes.plot(lengths, ".", color="lightsteelblue", label="one episode")
    means = [np.mean(lengths[max(0, i - 19) : i + 1]) for i in range(len(lengths))]
    axes.plot(means, color="navy", label="mean of the last 20")
    axes.axhline(LONGEST, color="gray", linewidth=0.7, linestyle="--")
    axes.set(xlabel="episode", ylabel="return: steps for which the pole stands", title="Actor and critic on CartPole")
    axes.legend(loc="upper left")
    figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--gamma", type=float, default=0.99, help="the discount of rewards")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="out")
    options = parser.parse_args(arguments)
    enable_compilation_cache()  # a second run need not compile again
    torch.manual_seed(options.seed)

    environment, policy = CartPole(options.seed), Policy(options.width)
    optimizer = optim.Adam(policy.parameters(), lr=options.lr)
    lengths = []
    for episode in range(options.episodes):
        states, actions, rewards = play(policy, environment)
        learn(policy, optimizer, states, actions, rewards, options.gamma)
        lengths.append(sum(rewards))
        if (episode + 1) % 20 == 0:
            print(f"episode {episode + 1}: mean return of the last 20 {np.mean(lengths[-20:]):.1f}", flush=True)
    path = pathlib.Path(options.out)
    path.mkdir(parents=True, exist_ok=True)
    draw(path / "eager_cartpole.png", lengths)
    result = float(np.mean(lengths[-50:]))
    print(f"mean return of the last 50 episodes {result:.1f}; see {path / 'eager_cartpole.png'}")
    return result


if __name__ == "__main__":
    main()
