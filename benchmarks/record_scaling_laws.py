"""Records the sweep of chapter 10, scaling laws: many small runs on the plays, and a larger one.

    .venv/bin/python benchmarks/record_scaling_laws.py

writes book/_data/scaling_laws.json, which the chapter and exercises read. With names behind it,
only those parts are run again: sweep held_out. One thread, about ten minutes where nothing else
runs.

Every run ends its own schedule. All learning rates and seeds of a size run side by side, as one
model whose weights have an axis `runs` more: at these sizes the calls cost more than the numbers.
"""

import math
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from statistics import mean

os.environ.setdefault("GOMP_SPINCOUNT", "2500")


import torch
from hardware import describe
from jaxtyping import Float, Int
from recording import rounded, run_parts, write
from rich.progress import track
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.pretraining.characters import CHARACTERS, load_characters
from reference_impl.pretraining.data import RandomBatches, sequential_batches
from reference_impl.pretraining.loss import token_losses
from reference_impl.pretraining.schedule import warmup_cosine
from reference_impl.scaling_laws.accounting import parameter_counts, training_flops

OUT = Path(__file__).parents[1] / "book" / "_data" / "scaling_laws.json"
DIGITS = 5  # of every number written
COMMAND = ".venv/bin/python benchmarks/record_scaling_laws.py"
SEEDS = (0, 1)
CONTEXT, BATCH = 64, 4  # a step reads 256 characters
MEASURED_ON = 16_384  # characters of the held-out act
FIRST_RATE = 0.032  # of each budget's first size; the others begin with the best so far
WIDTHS = {  # budget in FLOPs, 6 N D: the widths that spend it
    6e7: (4, 6, 8),
    1.9e8: (4, 6, 8, 12),
    6e8: (4, 6, 8, 12, 16, 24),
    1.9e9: (6, 8, 12, 16, 24),
    6e9: (8, 12, 16, 24, 32),
}
# Ten times the largest budget. The size was set before the sweep had ended.
HELD_OUT = {"budget": 6e10, "width": 32, "rate": 0.016}
READ_AT = (0.316, 0.5)  # shares of a run at which the loss is read, too


@lru_cache
def texts() -> tuple[Tensor, Tensor]:
    """The plays, and the beginning of the act to measure on."""
    plays, act = load_characters()
    return plays, act[: MEASURED_ON + 1]


def config_of(width: int) -> ModelConfig:
    """Two layers; a head for every 16 numbers of the width."""
    n_heads = max(width // 16, 1)
    d_ff = 8 * round(width / 3)
    return ModelConfig(len(CHARACTERS), CONTEXT, width, 2, n_heads, n_heads, width // n_heads, d_ff)


def n_steps_for(width: int, budget: float) -> int:
    """Steps with which a model of this width spends the budget, 6 N D."""
    n_parameters = parameter_counts(config_of(width)).total
    return round(budget / (6 * n_parameters * CONTEXT * BATCH))


# --- runs side by side ----------------------------------------------------------------------------


def train_together(
    width: int, n_steps: int, rates: tuple[float, ...], seeds: tuple[int, ...]
) -> dict[float, list[float]]:
    """Losses on the held-out text at shares of the run (1 is its end), for each rate and seed."""
    runs = [(rate, seed) for rate in rates for seed in seeds]
    models = StackedDecoders(config_of(width), [seed for _, seed in runs])
    batches = {seed: RandomBatches(texts()[0], CONTEXT, BATCH, seed) for seed in seeds}
    read_at = {round(share * n_steps): share for share in READ_AT} | {n_steps: 1.0}
    found = {}
    for step in track(range(n_steps), f"width {width}, {n_steps} steps, {len(runs)} runs"):
        drawn = [batches[seed][step] for _, seed in runs]
        inputs, targets = (torch.stack(column) for column in zip(*drawn, strict=True))
        models.add_gradients(inputs, targets)
        share = warmup_cosine(step, n_steps, 1.0, n_steps // 10)
        models.step(torch.tensor([share * rate for rate, _ in runs]))
        if step + 1 in read_at:
            found[read_at[step + 1]] = models.losses()
    return found


class StackedDecoders:
    """Decoders of one config and several seeds, which train side by side with AdamW.

    All weights of a run are one row of `weights`; each run is clipped and has its own rate.
    """

    def __init__(self, config: ModelConfig, seeds: list[int]) -> None:
        stacked, _ = stack_module_state([new_decoder(config, seed) for seed in seeds])
        self.base = new_decoder(config, 0)
        self.shapes = {name: weight.shape[1:] for name, weight in stacked.items()}
        self.weights = torch.cat([w.detach().flatten(1) for w in stacked.values()], dim=1)
        self.weights.requires_grad_()  # runs numbers
        decays = [torch.full((s.numel(),), 0.1 * (len(s) > 1)) for s in self.shapes.values()]
        self.decay = torch.cat(decays)  # numbers: of matrices, not of gains
        self.first, self.second = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self.n_steps = 0

    def logits(self, inputs: Int[Tensor, "runs batch seq"]) -> Tensor:
        """Each run's logits: runs batch seq vocab."""
        sizes = [shape.numel() for shape in self.shapes.values()]
        parts = zip(self.shapes.items(), self.weights.split(sizes, dim=1), strict=True)
        weights = {name: part.unflatten(1, shape) for (name, shape), part in parts}
        return vmap(lambda w, x: functional_call(self.base, w, (x,)))(weights, inputs)

    def add_gradients(self, inputs: Tensor, targets: Tensor) -> None:
        """The gradient of each run's mean loss."""
        self.weights.grad = None
        losses = token_losses(self.logits(inputs).flatten(0, 1), targets.flatten(0, 1))
        (losses.sum() / targets[0].numel()).backward()

    @torch.no_grad()
    def step(self, rates: Float[Tensor, " runs"], betas=(0.9, 0.95), max_norm=1.0) -> None:
        """One step of AdamW for all runs."""
        self.n_steps += 1
        gradient, rate = self.weights.grad, rates[:, None]
        gradient = gradient * (max_norm / gradient.norm(dim=1, keepdim=True)).clamp(max=1)
        self.first.lerp_(gradient, 1 - betas[0])
        self.second.lerp_(gradient.square(), 1 - betas[1])
        root = (self.second / (1 - betas[1] ** self.n_steps)).sqrt() + 1e-8
        self.weights.mul_(1 - rate * self.decay)
        self.weights.sub_(rate * self.first / (1 - betas[0] ** self.n_steps) / root)

    @torch.no_grad()
    def losses(self) -> list[float]:
        """The mean loss of each run on the held-out text; infinite where a run diverged."""
        total, n_runs = torch.zeros(len(self.weights)), len(self.weights)
        for inputs, targets in sequential_batches(texts()[1], CONTEXT, 8):
            logits = self.logits(inputs.expand(n_runs, -1, -1))
            losses = token_losses(logits.flatten(0, 1), targets.repeat(n_runs, 1))
            total += losses.view(n_runs, -1).sum(dim=1)
        means = (total / (len(texts()[1]) - 1)).tolist()
        return [loss if math.isfinite(loss) else math.inf for loss in means]


def new_decoder(config: ModelConfig, seed: int) -> Decoder:
    """Drawn with a spread of half of 1 / sqrt(width). With the usual 0.02, meant for models that
    are a hundred times as wide, these would not leave the plateau of the unigram in time."""
    torch.manual_seed(seed)
    model = Decoder(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter *= 0.5 * config.d_model**-0.5 / 0.02
    return model


# --- the sweep ------------------------------------------------------------------------------------


def sweep() -> list[dict]:
    """Every size of every budget, each at the best of its learning rates."""
    rows = []
    for budget, widths in WIDTHS.items():
        rate = FIRST_RATE
        for width in widths:
            rows += best_of_rates(budget, width, rate)
            rate = rows[-1]["rate"]
            write(OUT, {"sweep": rounded(rows, DIGITS)})
    return rows


def best_of_rates(budget: float, width: int, rate: float) -> list[dict]:
    """A row a seed, at the rate whose mean over the seeds is lowest; it lies between two others."""
    n_steps = n_steps_for(width, budget)
    rates, tried = (rate / 2, rate, 2 * rate), {}
    while rates:
        tried |= losses_by_rate(width, n_steps, rates)
        best = min(tried, key=lambda r: mean(tried[r][1.0]))
        rates = tuple({max(tried): [2 * best], min(tried): [best / 2]}.get(best, []))
    return rows_of(budget, width, tried)


def losses_by_rate(width: int, n_steps: int, rates: tuple[float, ...]) -> dict:
    """For each rate and share of the run the losses of the seeds."""
    found = train_together(width, n_steps, rates, SEEDS)
    parts = [slice(i * len(SEEDS), (i + 1) * len(SEEDS)) for i in range(len(rates))]
    return {
        rate: {share: losses[part] for share, losses in found.items()}
        for rate, part in zip(rates, parts, strict=True)
    }


def rows_of(budget: float, width: int, tried: dict) -> list[dict]:
    """What is written of a size: a row a seed, at the best rate."""
    best = min(tried, key=lambda r: mean(tried[r][1.0]))
    print(budget, width, {r: tried[r][1.0] for r in sorted(tried)}, flush=True)
    return [
        {"budget": budget, **sizes(width, n_steps_for(width, budget)), "rate": best, "seed": seed}
        | {"loss": tried[best][1.0][i]}
        | {"early": [tried[best][share][i] for share in READ_AT]}
        | {"rates_tried": {str(r): tried[r][1.0][i] for r in sorted(tried)}}
        for i, seed in enumerate(SEEDS)
    ]


def sizes(width: int, n_steps: int) -> dict:
    """Parameters, tokens and operations of a run."""
    config = config_of(width)
    counts = parameter_counts(config)
    return {
        "width": width,
        "n_parameters": counts.total,
        "non_embedding": counts.non_embedding,
        "n_tokens": n_steps * CONTEXT * BATCH,
        "flops": training_flops(config, BATCH, CONTEXT) * n_steps,  # every product counted
    }


# --- the larger run -------------------------------------------------------------------------------


def held_out() -> list[dict]:
    """A run of a larger budget: a row a seed, at the best of its rates."""
    return best_of_rates(**HELD_OUT)


PARTS: dict[str, Callable] = {"sweep": sweep, "held_out": held_out}


def main() -> None:
    torch.set_num_threads(1)
    machine = describe(("torch",))
    run_parts(OUT, COMMAND, __doc__, PARTS, digits=DIGITS)
    write(OUT, {"machine": machine})


if __name__ == "__main__":
    main()
