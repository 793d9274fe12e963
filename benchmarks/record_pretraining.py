"""Records the training runs of chapter 9, pretraining.

    .venv/bin/python benchmarks/record_pretraining.py

writes book/_data/pretraining.json, which the chapter and an exercise read. With names behind it,
only those parts are run again: faults spike run bits. One thread, about ten minutes.
"""

import math
import os
import zlib
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "2500")

import torch
from hardware import describe
from recording import run_parts, write
from rich.progress import track
from torch import Tensor, nn

from reference_impl.decoder.attention import Attention
from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.pretraining.characters import (
    CHARACTERS,
    decode_characters,
    encode_characters,
    load_characters,
)
from reference_impl.pretraining.data import Batch, RandomBatches, sequential_batches
from reference_impl.pretraining.loss import bits_per_byte
from reference_impl.pretraining.optimizer import AdamW, decay_groups
from reference_impl.pretraining.schedule import warmup, warmup_cosine
from reference_impl.pretraining.training import evaluate, train
from reference_impl.pretraining.training_attention import for_training
from reference_impl.published.weights import load_smollm2
from reference_impl.text_before_transformers.interpolation import InterpolatedNGram

OUT = Path(__file__).parents[1] / "book" / "_data" / "pretraining.json"
COMMAND = ".venv/bin/python benchmarks/record_pretraining.py"
SEEDS = (0, 1, 2)
N_STEPS, MAX_LR = 300, 6e-3  # of the small runs, in each of which one thing is changed
LONG_STEPS = 800
MEASURED_AT = (0, 20, 100, 299)


@lru_cache
def texts() -> tuple[Tensor, Tensor]:
    return load_characters()


def decoder(seed: int, std: float = 0.02, **sizes) -> Decoder:
    """A decoder of characters; the small one has about 60,000 parameters."""
    sizes = {"d_model": 48, "n_layers": 2, "n_heads": 3, "d_ff": 128, "context_length": 32} | sizes
    n_heads = sizes["n_heads"]
    config = ModelConfig(
        len(CHARACTERS), n_kv_heads=n_heads, head_dim=sizes["d_model"] // n_heads, **sizes
    )
    torch.manual_seed(seed)
    model = Decoder(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter *= std / 0.02
    return model


def small_batches(seed: int) -> RandomBatches:
    return RandomBatches(texts()[0], context_length=32, batch_size=16, seed=seed)


def optimizer_for(model: nn.Module, weight_decay: float = 0.1) -> AdamW:
    return AdamW(decay_groups(model, weight_decay), betas=(0.9, 0.95))


def cosine(n_steps: int = N_STEPS, max_lr: float = MAX_LR) -> Callable[[int], float]:
    return partial(warmup_cosine, n_steps=n_steps, max_lr=max_lr, warmup_steps=n_steps // 10)


def held_out_loss(model: nn.Module, context_length: int = 32) -> float:
    return evaluate(model, sequential_batches(texts()[1], context_length, 64))


@torch.no_grad()
def sample(model: Decoder, n: int, seed: int = 0) -> str:
    """Characters drawn one by one, each from the 20 likeliest, after the start of a line."""
    generator = torch.Generator().manual_seed(seed)
    ids = encode_characters("\n").long()[None]  # batch seq
    for _ in range(n):
        logits, tokens = model(ids[:, -model.config.context_length :])[0, -1].topk(20)
        drawn = tokens[torch.multinomial(logits.softmax(-1), 1, generator=generator)]
        ids = torch.cat([ids, drawn[None]], dim=1)
    return decode_characters(ids[0, 1:])


# --- one thing changed --------------------------------------------------------------------------


class Unmasked(Attention):
    """Attention that sees all positions, the next token too."""

    def forward(self, x, angles, cache=None):
        q, k, v = self.project(x, angles)
        k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], dim=1) for t in (k, v))
        seen = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.o_proj(seen.transpose(1, 2).flatten(-2))


def without_mask(model: Decoder) -> Decoder:
    for block in model.blocks:
        block.attention.__class__ = Unmasked
    return model


class NotShifted:
    """Batches whose targets are their inputs."""

    def __init__(self, batches: RandomBatches) -> None:
        self.batches = batches

    def __getitem__(self, step: int) -> Batch:
        inputs, _ = self.batches[step]
        return inputs, inputs


class Softmaxed(nn.Module):
    """A model that hands over probabilities where logits are wanted."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, token_ids: Tensor) -> Tensor:
        return self.model(token_ids).softmax(dim=-1)


def change(name: str, seed: int) -> dict:
    """Model, batches, schedule and settings of a run in which one thing is changed."""
    parts = {"model": for_training(decoder(seed)), "batches": small_batches(seed), "rate": cosine()}
    parts |= {"decay": 0.1, "max_norm": 1.0}
    match name:
        case "no mask":
            parts["model"] = without_mask(decoder(seed))
        case "targets not shifted":
            parts["batches"] = NotShifted(parts["batches"])
        case "softmax twice":
            parts["model"] = Softmaxed(parts["model"])
        case "ten times too wide a start":
            parts["model"] = for_training(decoder(seed, std=0.2))
        case "rate too high":
            parts["rate"] = cosine(max_lr=0.3)
        case "no decay of the rate":
            parts["rate"] = lambda step: MAX_LR * warmup(step, N_STEPS // 10)
        case "no warm-up":
            parts["rate"] = partial(warmup_cosine, n_steps=N_STEPS, max_lr=MAX_LR)
        case "no clipping":
            parts["max_norm"] = math.inf
        case "no weight decay":
            parts["decay"] = 0.0
    return parts


CHANGES = (
    "nothing changed",
    "no mask",
    "targets not shifted",
    "softmax twice",
    "ten times too wide a start",
    "rate too high",
    "no decay of the rate",
    "no warm-up",
    "no clipping",
    "no weight decay",
)


def faults() -> list[dict]:
    """Losses of small runs as their own code reports them, and the loss when they write."""
    return [fault(name, seed) for name in CHANGES for seed in track(SEEDS, name)]


def fault(name: str, seed: int) -> dict:
    run = change(name, seed)
    model, batches = run["model"], run["batches"]
    optimizer = optimizer_for(model, run["decay"])
    steps = train(model, optimizer, batches, N_STEPS, run["rate"], max_norm=run["max_norm"])
    losses = [step.loss for step in steps]
    row = {"change": name, "seed": seed, "losses": [losses[i] for i in MEASURED_AT]}
    row["last"] = sum(losses[-50:]) / 50
    row["held_out"] = held_out_loss(model)
    row["writing"] = loss_when_writing(getattr(model, "model", model))
    if seed == 0 and not isinstance(model, Softmaxed):
        row["sample"] = sample(model, 60)
    return row


def loss_when_writing(model: nn.Module, n_windows: int = 64, n_new: int = 24) -> float:
    """The loss on the act, the text read one token at a time: no later token is there to see."""
    held_out = texts()[1].long()
    starts = torch.arange(n_windows) * 570
    windows = held_out[starts[:, None] + torch.arange(n_new + 2)]  # windows seq
    losses = []
    with torch.no_grad():
        for end in range(2, n_new + 2):
            logits = model(windows[:, :end])[:, -1]
            losses.append(nn.functional.cross_entropy(logits, windows[:, end]))
    return torch.stack(losses).mean().item()


# --- a case made for clipping ------------------------------------------------------


class Spiked(nn.Module):
    """A model whose loss is multiplied by `factor` at one step: a batch that was not divided."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.factor = model, 1.0

    def forward(self, token_ids: Tensor) -> Tensor:
        logits = self.model(token_ids)
        if self.factor != 1 and logits.requires_grad:
            logits.register_hook(lambda gradient: gradient * self.factor)
        return logits


def spike() -> list[dict]:
    """A gradient 500 times too long at step 150, with clipping and without."""
    rows = []
    for max_norm in (1.0, math.inf):
        for seed in track(SEEDS, f"spike, limit {max_norm}"):
            model = Spiked(for_training(decoder(seed)))
            optimizer = optimizer_for(model)
            losses, norms = [], []
            for step in train(
                model, optimizer, small_batches(seed), 300, cosine(), max_norm=max_norm
            ):
                losses.append(step.loss)
                norms.append(step.gradient_norm)
                model.factor = 500.0 if step.number == 149 else 1.0
            rows.append(
                {
                    "clipped": max_norm == 1.0,
                    "seed": seed,
                    "losses": smoothed(losses, 10),
                    "norms": smoothed(norms[100:149], 49) + norms[150:151],
                    "held_out": held_out_loss(model),
                }
            )
    return rows


def smoothed(values: list[float], n: int) -> list[float]:
    """Means of n values at a time."""
    return [sum(values[i : i + n]) / n for i in range(0, len(values) - n + 1, n)]


# --- the run -------------------------------------------------------------------------------------


def long_model(seed: int) -> Decoder:
    """The model of the notebook's long run, 338,688 parameters."""
    return for_training(
        decoder(seed, d_model=96, n_layers=3, n_heads=3, d_ff=256, context_length=128)
    )


def run() -> list[dict]:
    """800 steps on the plays, three seeds; what the first writes on the way."""
    rows = []
    for seed in SEEDS:
        model = long_model(seed)
        batches = RandomBatches(texts()[0], context_length=128, batch_size=6, seed=seed)
        steps = train(model, optimizer_for(model), batches, LONG_STEPS, cosine(LONG_STEPS))
        row = {"seed": seed, "losses": [], "samples": {}, "held_out": []}
        if seed == 0:
            row["samples"]["0"] = sample(model, 120)
        losses = []
        for step in track(steps, f"run, seed {seed}", total=LONG_STEPS):
            losses.append(step.loss)
            done = step.number + 1
            if done in (100, 300, 800):
                row["held_out"].append([done, held_out_loss(model, 128)])
            if seed == 0 and done in (100, 300, 800):
                row["samples"][str(done)] = sample(model, 240 if done == LONG_STEPS else 120)
        row["first"], row["losses"] = losses[0], smoothed(losses, 50)
        rows.append(row)
        if seed == 0:
            torch.save(model.state_dict(), OUT.parents[2] / "_build" / "plays_model.pt")
    return rows


def bits() -> list[dict]:
    """Bits for a byte of the act: counts, a compressor, the run's model, SmolLM2."""
    ids, act_ids = texts()
    act = decode_characters(act_ids)
    n_bytes = len(act.encode())
    rows = [
        {"model": "zlib, this act alone", "bits": 8 * len(zlib.compress(act.encode(), 9)) / n_bytes}
    ]
    counted = InterpolatedNGram(5, len(CHARACTERS))
    counted.count(ids.tolist())
    for n in (1, 5):
        mixed = InterpolatedNGram(n, len(CHARACTERS))
        mixed.models, mixed.kinds = counted.models[:n], counted.kinds[:n]
        loss = mixed.nats(act_ids.tolist())
        rows.append({"model": f"{n}-gram of characters", "bits": loss / math.log(2)})
    model = long_model(0)
    model.load_state_dict(torch.load(OUT.parents[2] / "_build" / "plays_model.pt"))
    loss = held_out_loss(model, 128)
    rows.append({"model": "decoder of this chapter", "bits": bits_per_byte(loss, 1, 1)})
    rows.append({"model": "SmolLM2-135M-Instruct"} | smollm2(act))
    return rows


def smollm2(act: str) -> dict:
    """SmolLM2's loss on the act, in windows of 512 tokens."""
    model, tokenizer = load_smollm2()
    ids = torch.tensor(tokenizer.encode(act))
    batches = list(sequential_batches(ids, 512, 1))
    loss = evaluate(model.requires_grad_(False), track(batches, "SmolLM2"))
    predicted = tokenizer.decode(ids[1:].tolist())
    rate = bits_per_byte(loss, len(ids) - 1, len(predicted.encode()))
    return {"bits": rate, "loss": loss, "tokens": len(ids), "bytes": len(act.encode())}


# --- writing -------------------------------------------------------------------------------------

PARTS = {"faults": faults, "spike": spike, "run": run, "bits": bits}


def main() -> None:
    torch.set_num_threads(1)
    machine = describe(("torch",))
    run_parts(OUT, COMMAND, __doc__, PARTS, digits=5)
    write(OUT, {"machine": machine})


if __name__ == "__main__":
    main()
