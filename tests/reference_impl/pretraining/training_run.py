"""A small training run as a program, for tests that kill it or start it several times at once.

    python training_run.py FOLDER N_STEPS [--every N] [--dropout SHARE] [--batch-parts N]

It resumes from the checkpoints in FOLDER, prints a line of JSON after each step, and writes the
final weights to FOLDER/weights.pt. The targets are unevenly ignored. With --sharded OTHER it does
the same again in the folder OTHER with the weights in pieces.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import torch
from torch import nn

from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.pretraining.checkpoints import Checkpoints
from reference_impl.pretraining.data import RandomBatches
from reference_impl.pretraining.distributed import World, join_processes, unwrapped, whole
from reference_impl.pretraining.loss import IGNORE_ID
from reference_impl.pretraining.optimizer import AdamW, decay_groups
from reference_impl.pretraining.schedule import warmup_cosine
from reference_impl.pretraining.training import train

CONFIG = ModelConfig(
    19, 16, d_model=12, n_layers=2, n_heads=4, n_kv_heads=2, head_dim=4, d_ff=20, norm_eps=1e-3
)


class Noisy(nn.Module):
    """A decoder with dropout before its output layer."""

    def __init__(self, decoder: Decoder, dropout: float) -> None:
        super().__init__()
        self.decoder, self.dropout = decoder, nn.Dropout(dropout)

    def forward(self, token_ids):
        return self.decoder.lm_head(self.dropout(self.decoder.hidden(token_ids)))


class UnevenBatches(RandomBatches):
    """Row r of a batch keeps r + 1 of its targets: a mean of the parts' means would be wrong."""

    def __getitem__(self, step):
        inputs, targets = super().__getitem__(step)
        kept = torch.arange(self.context_length) <= torch.arange(self.batch_size)[:, None]
        return inputs, targets.masked_fill(~kept, IGNORE_ID)


def text():
    """A few hundred token ids in which the next one is worth learning."""
    i = torch.arange(400)
    return (i * i // 7 + i) % CONFIG.vocab_size


def run(folder, n_steps, every=1, dropout=0.0, sharded=False, batch_parts=1, world=None):
    """Yield the steps of the run; the last thing it does is to write the weights."""
    world = world or World()
    torch.manual_seed(world.rank)  # other weights in each process, until they agree on the first's
    model = world.wrap(Noisy(Decoder(CONFIG), dropout), sharded)
    optimizer = AdamW(decay_groups(model, 0.1), betas=(0.9, 0.95))
    schedule = partial(warmup_cosine, n_steps=n_steps, max_lr=3e-2, warmup_steps=3)
    yield from train(
        model,
        optimizer,
        UnevenBatches(text(), 11, batch_size=12, seed=5),
        n_steps,
        schedule,
        n_micro_batches=batch_parts,
        max_norm=0.5,
        seed=7,
        checkpoints=Checkpoints(folder, every),
        world=world,
    )
    weights = {name: whole(value) for name, value in unwrapped(model).state_dict().items()}
    if world.rank == 0:
        torch.save(weights, folder / "weights.pt")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("n_steps", type=int)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--batch-parts", type=int, default=1)
    parser.add_argument("--sharded", type=Path)
    options = vars(parser.parse_args())
    sharded = options.pop("sharded")
    torch.set_num_threads(1)
    with join_processes() as world:
        report(run(**options, world=world), world)
        if sharded:
            report(run(**options | {"folder": sharded, "sharded": True}, world=world), world)


def report(steps, world):
    for step in steps:
        if world.rank == 0:
            print(json.dumps(vars(step)), flush=True)


if __name__ == "__main__":
    main()
