"""Learning-rate schedules: the step's number in, the learning rate out. They hold no state.

Steps are counted from 0 to n_steps - 1. No step has a learning rate of 0, since it would do
nothing: the warm-up starts one step above 0, and the decay would end at step n_steps.
"""

import math


def warmup(step: int, warmup_steps: int) -> float:
    """The share of the full rate: a line from 1 / (warmup_steps + 1) at step 0 up to 1.

    It is 1 from step `warmup_steps` on. Source: Goyal et al. 2017, section 2.2.

    >>> [warmup(step, warmup_steps=3) for step in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    return min((step + 1) / (warmup_steps + 1), 1.0)


def warmup_cosine(
    step: int, n_steps: int, max_lr: float, warmup_steps: int = 0, min_lr: float = 0.0
) -> float:
    """Linear warm-up to `max_lr`, then half a cosine wave down towards `min_lr`.

    From step n_steps on it stays at `min_lr`. The length of the wave is the length of the run: a
    loss read in the middle of it is not what a shorter run would reach (Hoffmann et al. 2022,
    appendix B). Raises ValueError where the warm-up would not leave a step for the decay.
    Source: Loshchilov & Hutter 2017, equation 5.

    >>> [round(warmup_cosine(step, 6, max_lr=8.0, warmup_steps=2), 2) for step in range(7)]
    [2.67, 5.33, 8.0, 6.83, 4.0, 1.17, 0.0]
    """
    _check_fits(n_steps, warmup_steps, decay_steps=1)
    if step < warmup_steps:
        return max_lr * warmup(step, warmup_steps)
    progress = min((step - warmup_steps) / (n_steps - warmup_steps), 1.0)
    return min_lr + (max_lr - min_lr) * (1 + math.cos(math.pi * progress)) / 2


def warmup_stable_decay(
    step: int,
    n_steps: int,
    max_lr: float,
    warmup_steps: int = 0,
    decay_steps: int = 0,
    min_lr: float = 0.0,
) -> float:
    """Linear warm-up, a plateau at `max_lr`, then a line down towards `min_lr` at the very end.

    Unlike with a cosine the plateau does not depend on n_steps, so that one run can be decayed
    from several of its checkpoints. Raises ValueError where warm-up and decay do not fit in.
    Source: Hu et al. 2024, section 4 (there with another curve for the decay).

    >>> [round(warmup_stable_decay(step, 7, 8.0, 1, decay_steps=2), 2) for step in range(8)]
    [4.0, 8.0, 8.0, 8.0, 8.0, 8.0, 4.0, 0.0]
    """
    _check_fits(n_steps, warmup_steps, decay_steps)
    if step < warmup_steps:
        return max_lr * warmup(step, warmup_steps)
    left = max(n_steps - step, 0)  # steps until the end
    if left >= decay_steps:
        return max_lr if left else min_lr
    return min_lr + (max_lr - min_lr) * left / decay_steps


def _check_fits(n_steps: int, warmup_steps: int, decay_steps: int) -> None:
    if min(warmup_steps, decay_steps) < 0 or warmup_steps + decay_steps > n_steps:
        raise ValueError(
            f"warmup_steps={warmup_steps} and {decay_steps} or more steps of decay do not fit into "
            f"n_steps={n_steps}: make the run longer, or these shorter"
        )
