"""SmolLM2-135M: decode, prefill and loading, against transformers in the same run.

    python benchmarks/bench_decode.py [--tokens 64] [--repeat 5] [--prefill 512] [--threads 2]

Prints a table and writes results/decode.json beside this file. The two take turns, so that a busy
moment hits both. "decode" is one over the median time between two tokens; its share of bandwidth
is the bytes of weights that each token reads, against the speed at which PyTorch sums as many
bytes in the same run. "first token" is a fresh process, from its start until the first token of an
answer is there; the file is in the system's cache. Needs `transformers` and `accelerate`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median

os.environ["TQDM_DISABLE"] = "1"  # read when tqdm is imported
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("GOMP_SPINCOUNT", "2500")  # for both sides, as reference_impl.chat says

from hardware import describe

RESULTS = Path(__file__).parent / "results" / "decode.json"
QUESTION = [{"role": "user", "content": "What is gravity?"}]
SIDES = ("ours", "transformers")

Run = Callable[[list[int], int], list[float]]  # prompt, number of tokens -> when each came


def load_ours(dtype):
    from reference_impl.chat import encode_chat
    from reference_impl.fast_decoder import FastDecoder
    from reference_impl.generation import generate
    from reference_impl.weights import load_smollm2

    model, tokenizer = load_smollm2(dtype=dtype)
    fast = FastDecoder(model)
    n_bytes = sum(parameter.nbytes for parameter in model.parameters())

    def run(token_ids: list[int], n: int) -> list[float]:
        return [time.perf_counter() for _ in generate(fast, token_ids, n)]

    return run, encode_chat(tokenizer, QUESTION), n_bytes


def load_transformers(dtype):
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.generation.streamers import BaseStreamer

    from reference_impl.weights import find_weights

    transformers.logging.set_verbosity_error()
    path = find_weights()
    where = {"gguf_file": path.name, "local_files_only": True}
    model = AutoModelForCausalLM.from_pretrained(path.parent, dtype=dtype, **where)
    tokenizer = AutoTokenizer.from_pretrained(path.parent, **where)
    prompt = tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True, return_dict=True)
    n_bytes = sum(parameter.nbytes for parameter in model.parameters())

    class Clock(BaseStreamer):
        def __init__(self):
            self.times = []

        def put(self, value):
            self.times.append(time.perf_counter())

        def end(self):
            pass

    def run(token_ids: list[int], n: int) -> list[float]:
        ids, clock = torch.tensor([token_ids]), Clock()
        model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=n,
            min_new_tokens=n,
            do_sample=False,
            streamer=clock,
        )
        return clock.times[1:]  # the first thing put is the prompt

    return run, prompt["input_ids"], n_bytes


LOADERS = {"ours": load_ours, "transformers": load_transformers}


def first_token(side: str, threads: int) -> None:
    """Child process: load, answer with one token, print when that was and the peak memory."""
    import torch

    torch.set_num_threads(threads)
    run, prompt, _ = LOADERS[side](torch.float32)
    run(prompt, 1)
    print(json.dumps({"at": time.time(), "peak_mb": peak_mb()}))


def peak_mb() -> float | None:
    """This process's largest memory so far; None on systems that do not tell."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure_first_token(repeat: int, threads: int) -> dict:
    seconds, peaks = {side: [] for side in SIDES}, {side: [] for side in SIDES}
    for _ in range(repeat):
        for side in SIDES:
            start = time.time()
            command = [sys.executable, __file__, "--first-token", side, "--threads", str(threads)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            child = json.loads(output.splitlines()[-1])
            seconds[side].append(child["at"] - start)
            peaks[side].append(child["peak_mb"])
    row = compare("load to first token f32", "s", *(median(seconds[side]) for side in SIDES))
    return row | {f"{side}_peak_mb": peaks[side] and round(max(peaks[side])) for side in SIDES}


def compare(what: str, unit: str, ours: float, theirs: float) -> dict:
    """One line of the table; `ratio` says how many times better ours is."""
    ratio = theirs / ours if unit == "s" else ours / theirs
    return {
        "what": what,
        "unit": unit,
        "ours": round(ours, 2),
        "transformers": round(theirs, 2),
        "ratio": round(ratio, 2),
    }


def measure_model(dtype, tokens: int, repeat: int, prefill: int) -> list[dict]:
    import torch

    name = {torch.float32: "f32", torch.bfloat16: "bf16"}[dtype]
    runs, prompts, sizes = zip(*(LOADERS[side](dtype) for side in SIDES), strict=True)
    assert list(prompts[0]) == list(prompts[1]), "both sides must read the same prompt"
    assert sizes[0] == sizes[1], "both sides must hold the same weights"
    numbers = torch.ones(sizes[0] // 4)  # float32, as many bytes as the weights
    text = torch.randint(0, 49152, (prefill,), generator=torch.Generator().manual_seed(0)).tolist()
    gaps, prefills, reads = ([], []), ([], []), []
    for turn in range(repeat + 1):  # the first turn warms up and does not count
        start = time.perf_counter()
        numbers.sum()
        read = time.perf_counter() - start
        for side, run in enumerate(runs):
            times = run(prompts[side], tokens)
            start = time.perf_counter()
            seconds = run(text, 1)[0] - start
            if turn:
                gaps[side].extend(b - a for a, b in pairwise(times))
                prefills[side].append(seconds)
        reads += [read] if turn else []
    bandwidth = numbers.nbytes / median(reads)
    speeds = [1 / median(side) for side in gaps]
    decode = compare(f"decode {name}", "tokens/s", *speeds)
    decode |= {
        "bandwidth_gb_per_s": round(bandwidth / 1e9, 1),
        "share_of_bandwidth": round(speeds[0] * sizes[0] / bandwidth, 2),
        "transformers_share_of_bandwidth": round(speeds[1] * sizes[1] / bandwidth, 2),
    }
    fills = [prefill / median(side) for side in prefills]
    return [decode, compare(f"prefill {prefill} {name}", "tokens/s", *fills)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=64, help="tokens of each answer")
    parser.add_argument("--repeat", type=int, default=5, help="turns, of which the median counts")
    parser.add_argument("--prefill", type=int, default=512, help="tokens of the long prompt")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the JSON goes")
    parser.add_argument("--first-token", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.first_token:
        first_token(options.first_token, options.threads)
        return
    report = describe(("torch", "transformers", "accelerate", "gguf"))
    report["settings"] = {
        name: getattr(options, name) for name in ("tokens", "repeat", "prefill", "threads")
    } | {"GOMP_SPINCOUNT": os.environ["GOMP_SPINCOUNT"]}
    print("loading in fresh processes ...", file=sys.stderr)
    rows = [measure_first_token(options.repeat, options.threads)]

    import torch

    torch.set_num_threads(options.threads)
    for dtype in (torch.float32, torch.bfloat16):
        print(f"decode and prefill, {dtype} ...", file=sys.stderr)
        rows += measure_model(dtype, options.tokens, options.repeat, options.prefill)
    print(f"{'':26} {'':9} {'ours':>9} {'transformers':>13} {'ratio':>7}")
    for row in rows:
        print(
            f"{row['what']:26} {row['unit']:9} {row['ours']:9.2f} {row['transformers']:13.2f} "
            f"{row['ratio']:6.2f}x"
        )
        extra = {key: row[key] for key in row if key.endswith(("mb", "bandwidth", "per_s"))}
        for key, value in extra.items():
            print(f"    {key.replace('_', ' ')}: {value}")
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(report | {"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
