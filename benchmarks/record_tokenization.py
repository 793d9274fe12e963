"""Records the slow experiments of chapter 7, tokenization.

    .venv/bin/python benchmarks/record_tokenization.py

writes book/_data/tokenization.json, which the chapter reads. With names behind it, only those parts
are run again: premium vocabularies cuts sums letters counting. One thread, a few minutes.
"""

import math
import random
import re
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from recording import run_parts
from rich.progress import track
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from torch import nn

from reference_impl.fine_tuning.chat import encode_turn, start_of_reply
from reference_impl.inference.fast_decoder import FastDecoder
from reference_impl.inference.generation import generate
from reference_impl.published.tokenizer_files import (
    GPT2_PATTERN,
    tokenizer_from_gguf,
    tokenizer_from_tiktoken,
)
from reference_impl.published.weights import load_smollm2, open_weights
from reference_impl.text_before_transformers.plays import load_plays, to_words
from reference_impl.tokenization.bpe_training import tokenizer_from_merges, train_bpe
from reference_impl.tokenization.declaration import load_declaration
from reference_impl.tokenization.premium import premium as premium_of

OUT = Path(__file__).parents[1] / "book" / "_data" / "tokenization.json"
COMMAND = ".venv/bin/python benchmarks/record_tokenization.py"
SEEDS = (0, 1, 2)
D_MODEL = 576  # of SmolLM2, for the size of a table


def premium() -> list[dict]:
    """The premium of each language over English under four tokenizers, with its interval."""
    tokenizers = {
        "gpt2": tokenizer_from_tiktoken("r50k_base"),
        "cl100k": tokenizer_from_tiktoken("cl100k_base"),
        "o200k": tokenizer_from_tiktoken("o200k_base"),
        "SmolLM2": tokenizer_from_gguf(open_weights()),
    }
    resamples = np.random.default_rng(0).integers(0, 30, size=(2000, 30))
    rows = []
    for name, tokenizer in track(tokenizers.items(), "premium"):
        counts = {
            language: np.array([len(tokenizer.encode(text)) for text in articles])
            for language, articles in load_declaration().items()
        }
        for language, found in counts.items():
            middle, low, high = premium_of(found, counts["English"], resamples)
            rows.append(
                {
                    "language": language,
                    "tokenizer": name,
                    "tokens": int(found.sum()),
                    "premium": float(middle),
                    "low": float(low),
                    "high": float(high),
                }
            )
    return rows


def vocabularies() -> list[dict]:
    """Ways to cut Hamlet, learned from the other 37 plays."""
    plays = load_plays()
    hamlet = plays.pop("hamlet")
    rest = "\n".join(plays.values())
    n_bytes = len(hamlet.encode())
    known = set(rest)
    rows = [_row("characters", len(known), len(hamlet), sum(c not in known for c in hamlet))]
    words, here = set(to_words(rest)), to_words(hamlet)
    rows.append(_row("words", len(words), len(here), sum(word not in words for word in here)))
    merges = train_bpe(rest, 256 + 16_000, GPT2_PATTERN)
    for n in (0, 256, 1000, 4000, 16_000):
        tokenizer = tokenizer_from_merges(merges[:n], GPT2_PATTERN)
        rows.append(_row("subwords", tokenizer.vocab_size, len(tokenizer.encode(hamlet)), 0))
    return [{**row, "bytes": n_bytes, "table": row["vocabulary"] * D_MODEL} for row in rows]


def _row(cut: str, vocabulary: int, tokens: int, unknown: int) -> dict:
    return {"cut": cut, "vocabulary": vocabulary, "tokens": tokens, "unknown": unknown}


def cuts() -> list[dict]:
    """Bits per byte of SmolLM2 on 20 passages of the plays, each cut in three ways."""
    model, tokenizer = load_smollm2()
    model.requires_grad_(False)
    rng, plays = random.Random(0), load_plays()
    rows = []
    for name in track(rng.sample(sorted(plays), 20), "cuts"):
        start = plays[name].index("\n", rng.randrange(10_000, 60_000)) + 1
        text = plays[name][start : start + 200]
        ways = {
            "as trained": tokenizer.encode(text),
            "one word in four in other pieces": _some_words_cut(tokenizer, text, rng),
            "every byte alone": [tokenizer.vocabulary[bytes([b])] for b in text.encode()],
        }
        for way, ids in ways.items():
            assert tokenizer.decode(ids) == text
            bits = _nats(model, tokenizer, ids) / math.log(2) / len(text.encode())
            rows.append({"play": name, "cut": way, "tokens": len(ids), "bits_per_byte": bits})
    return rows


def _some_words_cut(tokenizer, text: str, rng: random.Random) -> list[int]:
    """As trained, but one word in four is cut at a random place and its halves encoded apart."""
    ids = []
    for word in tokenizer.pattern.findall(text):
        at = rng.randrange(1, len(word)) if len(word) > 2 and rng.random() < 0.25 else len(word)
        ids += tokenizer.encode(word[:at]) + tokenizer.encode(word[at:])
    return ids


def _nats(model, tokenizer, ids: list[int]) -> float:
    row = torch.tensor([[tokenizer.special_tokens["<|endoftext|>"], *ids]])
    return F.cross_entropy(model(row)[0, :-1], row[0, 1:], reduction="sum").item()


class Adder(nn.Module):
    """Reads its tokens' vectors side by side, and chooses one of the sums 0 to 198."""

    def __init__(self, n_tokens: int, vocab_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, 128 // n_tokens)
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 199)
        )

    def forward(self, ids):
        return self.layers(self.embedding(ids))


def sums() -> list[dict]:
    """Adding two numbers below 100: each number one token, or each digit one."""
    every = torch.cartesian_prod(torch.arange(100), torch.arange(100))
    inputs = {
        "numbers": (every, 100),
        "digits": (torch.stack([every // 10, every % 10], -1).flatten(1), 10),
    }
    rows = []
    for seed in SEEDS:
        order = torch.randperm(10_000, generator=torch.Generator().manual_seed(seed))
        for n_pairs in (1000, 6000):
            for cut, (ids, vocab_size) in track(inputs.items(), f"sums, {n_pairs}, seed {seed}"):
                torch.manual_seed(seed)
                model = Adder(ids.shape[1], vocab_size)
                seen, new = order[:n_pairs], order[6000:]
                _train(model, ids[seen], every[seen].sum(1))
                with torch.no_grad():
                    right = (model(ids[new]).argmax(1) == every[new].sum(1)).float().mean().item()
                rows.append({"cut": cut, "pairs": n_pairs, "seed": seed, "right": right})
    return rows


def _train(model: nn.Module, ids, answers, steps: int = 1500) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.1)
    for _ in range(steps):
        batch = torch.randint(0, len(ids), (128,))
        optimizer.zero_grad()
        F.cross_entropy(model(ids[batch]), answers[batch]).backward()
        optimizer.step()


def letters() -> list[dict]:
    """Can "contains this letter" be read off a token's embedding? Shuffled labels as control."""
    model, tokenizer = load_smollm2()
    table = model.token_embedding.weight.detach().numpy()
    words = {
        token.decode(): i
        for token, i in tokenizer.vocabulary.items()
        if re.fullmatch(rb" [a-z]{4,}", token)
    }
    rows = []
    for seed in SEEDS:
        drawn = random.Random(seed).sample(sorted(words), 6000)
        x = table[[words[word] for word in drawn]]
        x = (x - x.mean(0)) / x.std(0)
        for letter in track("rbom", f"letters, seed {seed}"):
            y = np.array([letter in word for word in drawn])
            shuffled = np.random.default_rng(seed).permutation(y)
            rows += [
                {"letter": letter, "seed": seed, "labels": name, "accuracy": _probe(x, labels)}
                for name, labels in (("true", y), ("shuffled", shuffled))
            ]
    return rows


def _probe(x: np.ndarray, labels: np.ndarray) -> float:
    """Balanced accuracy on the last third of a linear classifier of the first two."""
    probe = LogisticRegression(C=0.01, class_weight="balanced", max_iter=200)
    probe.fit(x[:4000], labels[:4000])
    return float(balanced_accuracy_score(labels[4000:], probe.predict(x[4000:])))


COUNTED = (  # words with no, one, two and three r
    "banana window silent pencil table jacket lemon cotton button village "
    "orange river tiger garden winter finger paper doctor summer market "
    "mirror carrot barrel arrow cherry terror error horror borrow prepare "
    "strawberry raspberry blackberrier referrer carrier courier terrier farrier "
    "refrigerator irregular"
).split()
ASKED = {
    "as a word": "How many times does the letter r occur in the word {word}?",
    "spelled out": "How many times does the letter r occur in {spelled}?",
}


def counting() -> list[dict]:
    """What SmolLM2 answers when asked for the r's of 40 words, whole and letter by letter."""
    decoder, tokenizer = load_smollm2()
    model = FastDecoder(decoder)
    rows = []
    for word in track(COUNTED, "counting"):
        for way, question in ASKED.items():
            asked = question.format(word=word, spelled=" ".join(word))
            ids = encode_turn(tokenizer, "user", asked) + start_of_reply(tokenizer)
            stop = {tokenizer.special_tokens["<|im_end|>"]}
            text = tokenizer.decode(list(generate(model, ids, 40, stop_ids=stop)))
            row = {"word": word, "asked": way, "true": word.count("r")}
            rows.append({**row, "answer": _number(text, word), "text": text})
    return rows


NUMBERS = {"no": 0, "zero": 0, "one": 1, "once": 1, "two": 2, "twice": 2, "three": 3, "four": 4}


def _number(text: str, word: str) -> int | None:
    """The first number in an answer, in digits or words."""
    for found in re.findall(r"\d+|[a-z]+", text.lower().replace(word, "")):
        if found.isdigit():
            return int(found)
        if found in NUMBERS:
            return NUMBERS[found]
    return None


PARTS = {
    "premium": premium,
    "vocabularies": vocabularies,
    "cuts": cuts,
    "sums": sums,
    "letters": letters,
    "counting": counting,
}


def main() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # weights that decay towards 0 would slow training tenfold
    run_parts(OUT, COMMAND, __doc__, PARTS)


if __name__ == "__main__":
    main()
