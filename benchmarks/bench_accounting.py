"""Memory and time of a training step, predicted from the config alone and then measured.

    python benchmarks/bench_accounting.py [--threads 2] [--steps 10] [--only WORD] [--cpu-time]

First the machine's rates are measured (`machine.measure_rates`), on operations of none of these
models. Then each model trains for a few steps by `training.train` in a fresh process, which
reports the growth of its resident memory and the seconds of each step. Memory is measured twice:
as it is, and after `machine.return_freed_memory` (glibc keeps what is freed, and can seldom use it
again for a tensor of the same size); what that costs in time is in the table, too. With
--cpu-time, seconds are of CPU in one thread, for a machine that is busy. Prints a table and writes
results/accounting.json beside this file. Needs Linux, for the peak of the resident memory.
"""

import argparse
import ctypes
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from report import print_rows, write_result

from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.pretraining.data import RandomBatches
from reference_impl.pretraining.optimizer import AdamW, decay_groups
from reference_impl.pretraining.training import train
from reference_impl.scaling_laws.accounting import parameter_counts, peak_bytes, step_seconds
from reference_impl.scaling_laws.machine import TINY, Clock, measure_rates, return_freed_memory

# width: vocab, context, d_model, layers, heads, KV heads, head_dim, d_ff; then batch and seq.
MODELS = {
    "128 wide, 2 layers, 4 x 64": (ModelConfig(1000, 64, 128, 2, 4, 2, 32, 384), 4),
    "128 wide, 4 layers, 8 x 256": (ModelConfig(1000, 256, 128, 4, 4, 2, 32, 384), 8),
    "256 wide, 4 layers, 4 x 128": (ModelConfig(4096, 128, 256, 4, 8, 4, 32, 704), 4),
    "256 wide, 4 layers, 2 x 1024": (ModelConfig(4096, 1024, 256, 4, 8, 8, 32, 704), 2),
    "384 wide, 6 layers, 4 x 256": (ModelConfig(4096, 256, 384, 6, 6, 2, 64, 1024), 4),
    "512 wide, 8 layers, 4 x 256": (ModelConfig(8192, 256, 512, 8, 8, 4, 64, 1408), 4),
    "768 wide, 12 layers, 2 x 128": (ModelConfig(16384, 128, 768, 12, 12, 4, 64, 2048), 2),
    # Added when the prediction was finished, and never used to improve it.
    "192 wide, 3 layers, 3 x 160": (ModelConfig(3000, 160, 192, 3, 6, 2, 32, 512), 3),
    "640 wide, 6 layers, 1 x 384": (ModelConfig(10000, 384, 640, 6, 10, 5, 64, 1728), 1),
}


def run(
    config: ModelConfig, batch: int, n_steps: int, clock: Clock, at_least: float = 0.0
) -> list[float]:
    """Train a new model; the seconds of each step, of `at_least` so many seconds together."""
    token_ids = torch.randint(config.vocab_size, (10_000,))
    model = Decoder(config)
    optimizer = AdamW(decay_groups(model, 0.1))
    batches = RandomBatches(token_ids, config.context_length, batch, seed=0)
    steps = train(model, optimizer, batches, 10_000, lambda step: 1e-3)
    seconds: list[float] = []
    while len(seconds) < n_steps or sum(seconds) < at_least:
        start = clock()
        next(steps)
        seconds.append(clock() - start)
    return seconds


def resident(field: str) -> int:
    """Bytes of this process in memory: now (VmRSS) or at most so far (VmHWM)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def measure(name: str, n_steps: int, clock: Clock) -> dict:
    """What a fresh process measures."""
    bring_in_code(clock)
    before = resident("VmRSS")
    seconds = run(*MODELS[name], n_steps, clock, at_least=2.0)
    # The first step makes what the others find.
    return {"bytes": resident("VmHWM") - before, "seconds": seconds[1:]}


def bring_in_code(clock: Clock) -> None:
    """Load all code by way of a tiny model; a large product lets the libraries fill their own
    buffers, which stay a few MB whatever the model. What was only held for them is given back."""
    run(TINY, 1, 2, clock)
    matrix = torch.randn(1024, 1024, requires_grad=True)
    (matrix @ matrix).sum().backward()
    del matrix
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def in_fresh_process(name: str, options: argparse.Namespace, returning: bool) -> dict:
    flags = ["--threads", str(options.threads), "--steps", str(options.steps), "--child", name]
    flags += ["--cpu-time"] * options.cpu_time + ["--returning"] * returning
    command = [sys.executable, __file__, *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def row(name: str, predicted_seconds: float, measured: dict, returned: dict) -> dict:
    config, batch = MODELS[name]
    predicted_bytes = peak_bytes(config, batch, config.context_length)
    seconds = statistics.median(measured["seconds"])
    return {
        "model": name,
        "parameters": parameter_counts(config).total,
        "predicted MB": round(predicted_bytes / 1e6, 1),
        "measured MB": round(measured["bytes"] / 1e6, 1),
        "if returned MB": round(returned["bytes"] / 1e6, 1),
        "memory ratio": round(predicted_bytes / measured["bytes"], 3),
        "if returned": round(predicted_bytes / returned["bytes"], 3),
        "predicted s": round(predicted_seconds, 4),
        "median s": round(seconds, 4),
        "fastest s": round(min(measured["seconds"]), 4),
        "time ratio": round(predicted_seconds / seconds, 3),
        "if returned s": round(statistics.median(returned["seconds"]), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    text = "of each model, or for two seconds; the first is left out"
    parser.add_argument("--steps", type=int, default=10, help=text)
    parser.add_argument("--only", default="", help="models whose name holds this; writes no file")
    parser.add_argument("--cpu-time", action="store_true", help="seconds of CPU, in one thread")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--returning", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1 if options.cpu_time else options.threads)
    clock = time.process_time if options.cpu_time else time.perf_counter
    if options.returning and not return_freed_memory():
        parser.error("the memory of freed tensors can only be returned under glibc")
    if options.child:
        print(json.dumps(measure(options.child, options.steps, clock)))
        return
    rates = measure_rates(clock=clock)
    print(f"slowdown {rates.slowdown:.3f}, overhead {rates.overhead:.2e} s", file=sys.stderr)
    rows = []
    for name in (name for name in MODELS if options.only in name):
        print(name, file=sys.stderr)
        config, batch = MODELS[name]
        predicted = step_seconds(config, batch, config.context_length, rates)
        measured = in_fresh_process(name, options, returning=False)
        returned = in_fresh_process(name, options, returning=True)
        rows.append(row(name, predicted, measured, returned))
    print_rows(rows)
    for each in rows:
        each["clock"] = (
            "CPU, one thread" if options.cpu_time else f"wall, {options.threads} threads"
        )
    for what in ("memory ratio", "if returned", "time ratio"):
        print(f"{what}: at most {max(abs(each[what] - 1) for each in rows):.1%} off")
    if not options.only:
        print(write_result("accounting", rows, "torch"))


if __name__ == "__main__":
    main()
