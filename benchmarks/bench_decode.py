"""SmolLM2-135M: decode, prefill and loading, against transformers and llama.cpp in the same run.

    python benchmarks/bench_decode.py [--tokens 64] [--repeat 5] [--prefill 512] [--threads 2]
                                      [--llama-python PYTHON]

Prints a table and writes results/decode.json beside this file. The sides take turns, so that a
busy moment hits all. "decode" is one over the median time between two tokens. Its limit is the
time to multiply once by every matrix, each shape in PyTorch's fastest way (matvec.py).
"one core busy" is the same beside a process that never rests. "first token" is a fresh process,
from its start until the first token of an answer is there; the file is in the system's cache.
Needs `transformers` and `accelerate`. llama.cpp takes part where `llama_cpp` can be imported,
here or by the Python of --llama-python.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median

os.environ["TQDM_DISABLE"] = "1"  # read when tqdm is imported
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault(
    "GOMP_SPINCOUNT", "2500"
)  # for both sides, as reference_impl.fine_tuning.chat says

from decode_sides import LOADERS, Run, has_llama, llama_child, llama_run, run_of
from hardware import describe

RESULTS = Path(__file__).parent / "results" / "decode.json"
SIDES = ("ours", "transformers")
BUSY = "while True: pass"


def first_token(side: str, threads: int) -> None:
    """Child process: load, answer with one token, print when that was and the peak memory."""
    import torch

    torch.set_num_threads(threads)
    run, prompt, *_ = LOADERS[side](torch.float32)
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
    return row | {f"{side}_peak_mb": max(peaks[side]) and round(max(peaks[side])) for side in SIDES}


def compare(what: str, unit: str, ours: float, theirs: float, peer: str = "transformers") -> dict:
    """One line of the table; `ratio` says how many times better ours is."""
    ratio = theirs / ours if unit == "s" else ours / theirs
    return {
        "what": what,
        "unit": unit,
        "ours": round(ours, 2),
        "peer": peer,
        "theirs": round(theirs, 2),
        "ratio": round(ratio, 2),
    }


def decode_speeds(runs: dict[str, Run], prompt, tokens: int, repeat: int) -> dict[str, float]:
    """Tokens a second of each, which take turns; the first turn warms up and does not count."""
    gaps = {name: [] for name in runs}
    for turn in range(repeat + 1):
        for name, run in runs.items():
            times = run(prompt, tokens)
            gaps[name] += [b - a for a, b in pairwise(times)] if turn else []
    return {name: 1 / median(gaps[name]) for name in runs}


def prefill_speeds(runs: dict[str, Run], length: int, repeat: int) -> dict[str, float]:
    """Prompt tokens a second until the first new one is there."""
    import torch

    text = torch.randint(0, 49152, (length,), generator=torch.Generator().manual_seed(0)).tolist()
    seconds = {name: [] for name in runs}
    for turn in range(repeat + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            took = run(text, 1)[0] - start
            seconds[name] += [took] if turn else []
    return {name: length / median(seconds[name]) for name in runs}


@contextmanager
def one_core_busy() -> Iterator[None]:
    """Another process computes all the while."""
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def limit(products: float, n_bytes: int, speed: float) -> dict:
    """What the products alone allow, in tokens a second, and the share of it reached."""
    return {
        "products_alone_tokens_per_s": round(products, 1),
        "products_gb_per_s": round(n_bytes * products / 1e9, 1),
        "share_of_that": round(speed / products, 2),
    }


def measure_model(dtype, options, more: dict[str, Run]) -> tuple[list[dict], dict[str, float]]:
    """Decode and prefill of both sides in one dtype; and the speed of decoding of all.

    `more` runs take their turns in decoding, and so do the products alone.
    """
    from matvec import fastest_products, passes, row_for, weights_of

    name = str(dtype).removeprefix("torch.")
    loaded = {side: LOADERS[side](dtype) for side in SIDES}
    prompt, n_bytes, decoder = loaded["ours"][1:]
    assert list(prompt) == list(loaded["transformers"][1]), "both sides must read the same prompt"
    assert n_bytes == loaded["transformers"][2], "both sides must hold the same weights"
    both = {side: loaded[side][0] for side in SIDES}
    products, ways = fastest_products(decoder)
    rows = [row_for(weight) for weight in weights_of(decoder)]
    alone = {"products": lambda _, n: passes(products, rows, n)}
    speeds = decode_speeds(both | more | alone, prompt, options.tokens, options.repeat)
    fills = prefill_speeds(both, options.prefill, options.repeat)
    with one_core_busy():
        busy = decode_speeds(both, prompt, options.tokens // 4, 2)
    decode = compare(f"decode {name}", "tokens/s", *(speeds[side] for side in SIDES))
    decode |= limit(speeds["products"], n_bytes, speeds["ours"]) | {"fastest_ways": ways}
    return [
        decode,
        compare(f"prefill {options.prefill} {name}", "tokens/s", *(fills[side] for side in SIDES)),
        compare(f"decode {name}, one core busy", "tokens/s", *(busy[side] for side in SIDES)),
    ], speeds


def measure_narrow(options) -> list[dict]:
    """bfloat16, and 8 bits against the peers with the fewest bits."""
    import torch
    from matvec import passes, products_of, row_for

    from reference_impl.inference.int8_decoder import Int8Decoder
    from reference_impl.published.weights import load_smollm2

    int8 = Int8Decoder(load_smollm2()[0])
    products = products_of(int8)
    inputs = [row_for(product.levels).float() for product in products]
    more = {"int8": run_of(int8), "int8 alone": lambda _, n: passes(products, inputs, n)}
    if has_llama(options.llama_python):
        more["llama.cpp"] = llama_run(options.llama_python, options.threads)
    rows, speeds = measure_model(torch.bfloat16, options, more)
    n_bytes = sum(product.levels.nbytes + product.scale.nbytes for product in products)
    for peer, name in (("transformers", "transformers bf16"), ("llama.cpp", "llama.cpp Q4_1")):
        if peer in speeds:
            row = compare("decode int8", "tokens/s", speeds["int8"], speeds[peer], name)
            rows.append(row | limit(speeds["int8 alone"], n_bytes, speeds["int8"]))
    return rows


def measure_all(options) -> list[dict]:
    import torch

    print("loading in fresh processes ...", file=sys.stderr)
    rows = [measure_first_token(min(3, options.repeat), options.threads)]
    torch.set_num_threads(options.threads)
    print("float32 ...", file=sys.stderr)
    rows += measure_model(torch.float32, options, {})[0]
    print("bfloat16 and 8 bits ...", file=sys.stderr)
    return rows + measure_narrow(options)


def show(rows: list[dict]) -> None:
    print(f"{'':32} {'':9} {'ours':>9} {'theirs':>9} {'ratio':>7}  against")
    for row in rows:
        print(
            f"{row['what']:32} {row['unit']:9} {row['ours']:9.2f} {row['theirs']:9.2f} "
            f"{row['ratio']:6.2f}x  {row['peer']}"
        )
        for key in list(row)[6:]:
            print(f"    {key.replace('_', ' ')}: {row[key]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=64, help="tokens of each answer")
    parser.add_argument("--repeat", type=int, default=5, help="turns, of which the median counts")
    parser.add_argument("--prefill", type=int, default=512, help="tokens of the long prompt")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--llama-python", default=sys.executable, help="a Python with llama_cpp")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the JSON goes")
    parser.add_argument("--first-token", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--llama", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.llama:
        llama_child(**options.llama)
        return
    if options.first_token:
        first_token(options.first_token, options.threads)
        return
    report = describe(("torch", "transformers", "accelerate", "gguf"))
    report["settings"] = {
        name: getattr(options, name) for name in ("tokens", "repeat", "prefill", "threads")
    } | {"GOMP_SPINCOUNT": os.environ["GOMP_SPINCOUNT"]}
    rows = measure_all(options)
    show(rows)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(report | {"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
