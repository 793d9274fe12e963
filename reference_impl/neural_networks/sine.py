"""One hidden layer of hinges that learns the sine between -3 and 3 by gradient descent."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

Curve = Callable[[Float[np.ndarray, " points"]], Float[np.ndarray, " points"]]


def sine_network(width: int = 64, seed: int = 0, steps: int = 2000) -> Curve:
    """A trained network of `width` hidden ReLU units, as a function of an array of numbers.

    It sees 200 points of the sine, evenly spaced from -3 to 3, all at each step. PyTorch's own
    start, Adam with a rate that falls from 0.01 to 0, mean squared error.

    >>> network = sine_network(width=16, steps=300)
    >>> bool(abs(network(np.array([0.0]))[0]) < 0.1)  # sin(0) = 0
    True
    """
    generator_state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, 1))
    torch.random.set_rng_state(generator_state)  # the caller's random numbers stay theirs
    x = torch.linspace(-3, 3, 200)[:, None]  # points 1
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.mse_loss(network(x), x.sin()).backward()
        optimizer.step()
        schedule.step()

    def curve(points: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.tensor(points, dtype=torch.float32)[:, None])[:, 0].numpy()

    return curve
