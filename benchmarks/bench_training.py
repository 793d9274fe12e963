"""Character-level Shakespeare in equal time: a GPT-2-style recipe as the peer, and the course's.

    python benchmarks/bench_training.py [TEXT] [--seed 0] [--threads 2] [--cpu-time]

TEXT is tinyshakespeare.txt (1,115,394 characters; default: shared/data beside the repository).
The first 90 % train. The peer is the published small-machine recipe of nanoGPT, written out anew:
4 layers, 4 heads, 128 wide, blocks of 64, batches of 12, 2000 steps, published validation loss
1.88. Our recipe is the reference implementation's model, data, loop and optimizer, and gets as many
seconds as the peer took to train; measuring the validation loss is on neither's clock. It runs
twice, the second time without mixed precision, as on a processor that has no bfloat16. The losses
are means over the whole held-out text, in windows of each model's own context, and the lowest one
measured counts. Our sizes and rates were chosen by their losses on that same text: there is no
third part of it that nobody has looked at.

With --cpu-time the clock counts seconds of CPU in one thread, which a busy machine changes less.
Prints a table and writes results/training.json beside this file. Other seeds' rows that stand
there from the same day stay: one command measures one seed, and is short.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import torch
import torch.nn.functional as F
from report import RESULTS, print_rows, write_result
from torch import Tensor, nn

from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.pretraining.data import RandomBatches, sequential_batches
from reference_impl.pretraining.optimizer import AdamW, decay_groups
from reference_impl.pretraining.schedule import warmup_cosine, warmup_stable_decay
from reference_impl.pretraining.training import evaluate, train
from reference_impl.pretraining.training_attention import for_training

TEXT = Path(__file__).resolve().parents[2] / "shared" / "data" / "tinyshakespeare.txt"
PEER_STEPS = 2000
PEER_RECIPE = "AdamW (0.9, 0.99), decay 0.1, rate 1e-3 to 1e-4 by a cosine, batches of 12"
N_MEASURED = 5  # times that each run measures the validation loss


@dataclass
class Stopwatch:
    """Seconds of training alone: it is stopped while the validation loss is measured."""

    clock: Callable[[], float]
    seconds: float = 0.0
    started: float | None = None

    def start(self) -> None:
        self.started = self.clock()

    def stop(self) -> None:
        self.seconds, self.started = self.elapsed(), None

    def elapsed(self) -> float:
        return self.seconds + (0.0 if self.started is None else self.clock() - self.started)


@dataclass
class Run:
    """A model in training, its clock, and the validation losses on the way."""

    model: nn.Module
    context_length: int
    held_out: Tensor
    watch: Stopwatch
    losses: list[tuple[int, float, float]] = field(default_factory=list)  # step, seconds, loss

    def measure(self, n_steps: int) -> None:
        self.watch.stop()
        batches = sequential_batches(self.held_out, self.context_length, batch_size=64)
        self.losses.append((n_steps, self.watch.seconds, evaluate(self.model, batches)))
        step, seconds, loss = self.losses[-1]
        print(f"  step {step:5}  {seconds:6.1f} s  loss {loss:.4f}", file=sys.stderr, flush=True)
        self.watch.start()


# --- The peer -----------------------------------------------------------------------------------


class PeerBlock(nn.Module):
    """GPT-2's block: LayerNorm, attention, LayerNorm, GELU; no biases, no dropout."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = (nn.LayerNorm(width, bias=False) for _ in range(2))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)
        for layer in (self.qkv, self.up):
            nn.init.normal_(layer.weight, std=0.02)
        for layer in (self.out, self.down):
            nn.init.normal_(layer.weight, std=0.02 / (2 * layers) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(self.norm_1(x)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # batch heads seq head_dim
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).flatten(-2))
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class Peer(nn.Module):
    """GPT-2's model with learned positions and the output layer tied to the embedding."""

    def __init__(self, vocab: int, context: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab, width), nn.Embedding(context, width)
        for table in (self.tokens, self.positions):
            nn.init.normal_(table.weight, std=0.02)
        self.blocks = nn.Sequential(*(PeerBlock(width, heads, layers) for _ in range(layers)))
        self.norm = nn.LayerNorm(width, bias=False)

    def forward(self, token_ids: Tensor) -> Tensor:
        places = torch.arange(token_ids.shape[1], device=token_ids.device)
        x = self.blocks(self.tokens(token_ids) + self.positions(places))
        return F.linear(self.norm(x), self.tokens.weight)


def train_peer(
    train_ids: Tensor, held_out: Tensor, vocab: int, clock: Callable[[], float], seed: int
) -> Run:
    """nanoGPT's recipe for a small machine, with PyTorch's own loss, clipping and optimizer."""
    torch.manual_seed(seed)
    model = Peer(vocab, context=64, width=128, layers=4, heads=4)
    groups = decay_groups(model, weight_decay=0.1)
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    batches = RandomBatches(train_ids, context_length=64, batch_size=12, seed=seed)
    run = Run(model, 64, held_out, Stopwatch(clock))
    run.watch.start()
    for step in range(PEER_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = warmup_cosine(step, PEER_STEPS, 1e-3, warmup_steps=100, min_lr=1e-4)
        inputs, targets = batches[step]
        F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % (PEER_STEPS // N_MEASURED) == 0:
            run.measure(step + 1)
    run.watch.stop()
    return run


# --- Ours ---------------------------------------------------------------------------------------

OURS = {"d_model": 96, "n_layers": 3, "n_heads": 3, "n_kv_heads": 3, "head_dim": 32, "d_ff": 256}
CONTEXT, BATCH, LEARNING_RATE, DECAY = 128, 6, 4e-3, 0.5
OUR_RECIPE = (
    f"AdamW (0.9, 0.99), decay {DECAY}, rate {LEARNING_RATE} to 0 in a line, "
    f"batches of {BATCH}; {OURS}"
)


def our_model(vocab: int) -> Decoder:
    """A smaller decoder that reads further back, with larger first weights.

    The reference draws its matrices as GPT-2 did, with a deviation of 0.02, which is
    1 / sqrt(2500). Here it is 1 / sqrt(the input's width), so that a product starts about as large
    as its input.
    """
    model = for_training(Decoder(ModelConfig(vocab, CONTEXT, **OURS)))
    with torch.no_grad():
        for parameter in model.blocks.parameters():
            if parameter.dim() == 2:
                parameter.mul_(parameter.shape[1] ** -0.5 / 0.02)
    return model


def train_ours(
    train_ids: Tensor,
    held_out: Tensor,
    vocab: int,
    clock: Callable[[], float],
    seed: int,
    budget: float,
    mixed_precision: bool,
) -> Run:
    """The reference implementation for `budget` seconds.

    The learning rate and the weight decay are several times the peer's, and the rate falls in a
    line to nothing. The schedule follows the clock in place of the step, so that it
    ends in time on any machine.
    """
    torch.manual_seed(seed)
    model = our_model(vocab)
    optimizer = AdamW(decay_groups(model, DECAY), betas=(0.9, 0.99))
    batches = RandomBatches(train_ids, CONTEXT, BATCH, seed)
    run = Run(model, CONTEXT, held_out, Stopwatch(clock))

    def share() -> float:
        return run.watch.elapsed() / budget

    def learning_rate(step: int) -> float:
        parts = min(int(10_000 * share()), 9_999)
        return warmup_stable_decay(parts, 10_000, LEARNING_RATE, 300, decay_steps=9_700)

    run.watch.start()
    for step in train(
        model, optimizer, batches, 10**9, learning_rate, mixed_precision=mixed_precision, seed=seed
    ):
        if share() >= min((len(run.losses) + 1) / N_MEASURED, 1.0):
            over = share() >= 1.0
            run.measure(step.number + 1)
            if over:
                break
    run.watch.stop()
    return run


# --- Both ---------------------------------------------------------------------------------------


def read_text(path: Path) -> tuple[Tensor, Tensor, int]:
    """Training ids, held-out ids and the number of different characters."""
    text = path.read_text(encoding="utf-8")
    characters = sorted(set(text))
    places = {character: i for i, character in enumerate(characters)}
    token_ids = torch.tensor([places[c] for c in text], dtype=torch.uint8)
    n_train = int(0.9 * len(token_ids))
    return token_ids[:n_train], token_ids[n_train:], len(characters)


def row(name: str, recipe: str, seed: int, run: Run) -> dict:
    step, _, loss = min(run.losses, key=lambda measured: measured[2])
    return {
        "recipe": name,
        "what": recipe,
        "seed": seed,
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "context": run.context_length,
        "steps": run.losses[-1][0],
        "training s": round(run.losses[-1][1], 1),
        "lowest validation loss": round(loss, 4),
        "at step": step,
    }


def measure(text: tuple[Tensor, Tensor, int], clock: Callable[[], float], seed: int) -> list[dict]:
    """The peer, then ours for as long, in both precisions."""
    print(f"peer, seed {seed}", file=sys.stderr)
    peer = train_peer(*text, clock, seed)
    rows = [row("peer", PEER_RECIPE, seed, peer)]
    for name, mixed in (("ours", True), ("ours, float32", False)):
        print(f"{name}, seed {seed}", file=sys.stderr)
        run = train_ours(*text, clock, seed, budget=peer.losses[-1][1], mixed_precision=mixed)
        rows.append(row(name, OUR_RECIPE, seed, run))
    return rows


def other_seeds(seed: int, clock: str) -> list[dict]:
    """The rows of other seeds that were measured today with this clock."""
    path = RESULTS / "training.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if before.get("date") != date.today().isoformat():
        return []
    return [each for each in before["rows"] if each["seed"] != seed and each["clock"] == clock]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="?", type=Path, default=TEXT)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu-time", action="store_true", help="seconds of CPU, in one thread")
    options = parser.parse_args()
    if not options.text.is_file():
        print(f"not measured: {options.text} is not there; give the path of tinyshakespeare.txt")
        sys.exit(2 if options.text != TEXT else 0)
    torch.set_num_threads(1 if options.cpu_time else options.threads)
    clock = time.process_time if options.cpu_time else time.perf_counter
    name = "CPU, 1 thread" if options.cpu_time else f"wall, {options.threads} threads"
    measured = measure(read_text(options.text), clock, options.seed)
    rows = other_seeds(options.seed, name) + [{**each, "clock": name} for each in measured]
    print_rows([{key: each[key] for key in each if key != "what"} for each in rows])
    print(write_result("training", rows, "torch"))


if __name__ == "__main__":
    main()
