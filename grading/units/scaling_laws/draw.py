"""Fresh inputs for the exercises of this unit: runs that follow a law, with scatter."""

import numpy as np


def quiet(callable_name: str) -> dict[str, str]:
    """An edit that keeps NumPy's warnings of a wrong answer out of the logs."""
    line = f"def {callable_name}("
    return {line: f"@np.errstate(all='ignore')\n{line}"}


def law(rng: np.random.Generator) -> tuple[float, float, float, float, float]:
    """E, A, B, alpha, beta, no two alike; A and B are such that all three terms matter."""
    return (
        float(rng.uniform(1.2, 1.9)),
        float(rng.uniform(300, 500)),
        float(rng.uniform(1000, 2000)),
        float(rng.uniform(0.28, 0.36)),
        float(rng.uniform(0.4, 0.48)),
    )


def scattered(rng: np.random.Generator, n: int, a: float, spread: float) -> tuple:
    """x over some decades and y near k x^a."""
    x = np.exp(np.sort(rng.uniform(1, 9, n)))
    y = rng.uniform(2, 5) * x**a * np.exp(spread * rng.standard_normal(n))
    return x, y
