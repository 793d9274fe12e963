"""Records the slow experiments of chapter 2, text before transformers.

    .venv/bin/python benchmarks/record_text_before_transformers.py

writes book/_data/text_before_transformers.json, which the chapter reads. With names behind it, only
those parts are run again: ngrams coverage recall tasks depth labels. One thread, about ten minutes.
"""

import gc
import math
import random
import string
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from recording import run_parts
from rich.progress import track
from sklearn.linear_model import LogisticRegression
from torch import nn

from reference_impl.published.weights import load_smollm2
from reference_impl.text_before_transformers.interpolation import InterpolatedNGram
from reference_impl.text_before_transformers.ngram import count_ngrams
from reference_impl.text_before_transformers.plays import (
    Vocabulary,
    held_out_act,
    load_plays,
    to_words,
)
from reference_impl.text_before_transformers.recurrent import GRU, RNN
from reference_impl.text_before_transformers.sequence_tasks import (
    LETTERS,
    LastStateClassifier,
    accuracy,
    letter_answers,
    one_hot_words,
    recall_batch,
    recall_batches,
    train_classifier,
)

OUT = Path(__file__).parents[1] / "book" / "_data" / "text_before_transformers.json"
COMMAND = ".venv/bin/python benchmarks/record_text_before_transformers.py"
SEEDS = (0, 1, 2)
VOCAB_SIZE, K = 10_000, 0.01
TOPICS = {  # 23 words each, every one a single token of SmolLM2
    "animal": "dog cat horse cow sheep pig goat lion tiger bear wolf fox rabbit mouse rat snake "
    "frog fish bird duck eagle whale shark",
    "food": "bread cheese butter milk rice pasta soup cake pie apple orange banana grape lemon "
    "carrot potato onion tomato bean corn meat beef pork",
    "tool": "hammer saw drill knife axe shovel rake wrench ladder rope brush bucket scissors "
    "needle pen pencil ruler clamp lever pump plow broom torch",
    "body": "hand arm leg foot head nose ear eye mouth tooth tongue neck shoulder elbow wrist "
    "finger thumb chest stomach hip knee ankle toe",
}


def encoded() -> tuple[list[list[int]], list[int]]:
    """The plays to count and the held-out act, as ids of the same 10,000 words."""
    texts, act = held_out_act()
    vocabulary = Vocabulary(texts, VOCAB_SIZE)
    return [vocabulary.encode(text) for text in texts], vocabulary.encode(act)


def unseen_share(act: list[int], n: int, counts) -> float:
    ngrams = count_ngrams(act, n)
    return sum(times for ngram, times in ngrams.items() if ngram not in counts) / ngrams.total()


class KneserNey:
    """Interpolated Kneser-Ney smoothing with one discount for each order.

    The full n-grams are counted as they come; a shorter one counts in how many different contexts
    it stands, one token longer. Each count gives its discount away, n1 / (n1 + 2 n2) for n1 n-grams
    that were counted once and n2 twice, and what was taken is shared out as the shorter context
    says. Source: Chen & Goodman 1998, section 2.7.
    """

    def __init__(self, n: int, texts: list[list[int]]) -> None:
        self.orders = {n: Counter()}
        for text in texts:
            self.orders[n].update(count_ngrams(text, n))
        for order in range(n - 1, 0, -1):
            self.orders[order] = Counter(ngram[1:] for ngram in self.orders[order + 1])
        self.totals = {order: Counter() for order in self.orders}
        self.kinds = {order: Counter() for order in self.orders}
        self.discounts = {}
        for order, counts in self.orders.items():
            for ngram, times in counts.items():
                self.totals[order][ngram[:-1]] += times
            self.kinds[order].update(ngram[:-1] for ngram in counts)
            often = Counter(counts.values())
            self.discounts[order] = often[1] / (often[1] + 2 * often[2]) if often[1] else 0.0

    def probability(self, ngram: tuple[int, ...]) -> float:
        """Of the last token after those before it; without any context left, 1 / VOCAB_SIZE."""
        order = len(ngram)
        if order == 0:
            return 1 / VOCAB_SIZE
        shorter, total = self.probability(ngram[1:]), self.totals[order][ngram[:-1]]
        if total == 0:
            return shorter
        discount = self.discounts[order]
        given = discount * self.kinds[order][ngram[:-1]]
        return (max(self.orders[order][ngram] - discount, 0) + given * shorter) / total

    def perplexity(self, text: list[int]) -> float:
        """Of a text whose first n - 1 tokens are context only."""
        ngrams = count_ngrams(text, max(self.orders))
        cost = -sum(times * math.log(self.probability(g)) for g, times in ngrams.items())
        return math.exp(cost / ngrams.total())

    def check(self, context: tuple[int, ...]) -> None:
        """After a context the probabilities of all tokens add up to 1."""
        total = sum(self.probability((*context, token)) for token in range(VOCAB_SIZE))
        assert math.isclose(total, 1, rel_tol=1e-9), total


def kneser_ney(n: int, texts: list[list[int]], act: list[int]) -> float:
    """The act's perplexity under Kneser-Ney smoothing."""
    model = KneserNey(n, texts)
    model.check(tuple(act[: n - 1]))
    return model.perplexity(act)


def ngrams() -> list[dict]:
    """Perplexity on a counted play and on the held-out act, for n from 1 to 5."""
    texts, act = encoded()
    counted = InterpolatedNGram(5, VOCAB_SIZE)
    for text in track(texts, "n-grams"):
        counted.count(text)
    rows = [row_of(n, counted, texts[20], act) for n in range(1, 6)]
    del counted
    return [row | {"kneser_ney": kneser_ney(row["n"], texts, act)} for row in rows]


def row_of(n: int, counted: InterpolatedNGram, play: list[int], act: list[int]) -> dict:
    """The figures of one order, from the counts of all orders."""
    mixed = InterpolatedNGram(n, VOCAB_SIZE)
    mixed.models, mixed.kinds = counted.models[:n], counted.kinds[:n]
    model = counted.models[n - 1]
    interpolated = math.exp(mixed.nats(act))
    model.k = K
    row = {
        "n": n,
        "counted": math.exp(model.nats(play)),
        "held_out": math.exp(model.nats(act)),
        "interpolated": interpolated,
        "unseen": unseen_share(act, n, model.ngram_counts),
        "different": len(model.ngram_counts),
    }
    model.k = 0
    return row


def coverage() -> list[dict]:
    """Share of the act's n-grams that were seen, by the number of words; 3 orders of the plays."""
    texts, act = encoded()
    rows = []
    for seed in SEEDS:
        order = random.Random(seed).sample(texts, len(texts))
        words = [token for text in order for token in text]
        for halvings in track(range(8), f"coverage, order {seed}"):
            part = words[: len(words) >> halvings]
            for n in (2, 3, 4, 5):
                seen = 1 - unseen_share(
                    act, n, set(zip(*(part[i:] for i in range(n)), strict=False))
                )
                rows.append({"seed": seed, "n": n, "words": len(part), "seen": seen})
    return rows


def recall() -> list[dict]:
    """How often the first symbol is recalled at the longest distance of the training."""
    rows = []
    for kind in (RNN, GRU):
        for distance in (10, 20, 40, 80):
            for seed in track(SEEDS, f"recall, {kind.__name__}, {distance}"):
                torch.manual_seed(seed)
                generator = torch.Generator().manual_seed(seed)
                model = LastStateClassifier(kind(8, 32), n_classes=4)
                train_classifier(model, recall_batches(300, distance, generator))
                test = recall_batch(1000, distance, torch.Generator().manual_seed(1000 + seed))
                right = accuracy(model, *test)
                rows.append(
                    {"model": kind.__name__, "distance": distance, "seed": seed, "accuracy": right}
                )
    return rows


def word_lists(seed: int) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """Different words of the plays by length, 4 to 9: four fifths to train, one fifth to test."""
    found = {word for text in load_plays().values() for word in to_words(text)}
    words = sorted(word for word in found if set(word) <= set(LETTERS) and 4 <= len(word) <= 9)
    random.Random(seed).shuffle(words)
    cut = len(words) * 4 // 5
    parts = words[:cut], words[cut:]
    return tuple(
        {length: [word for word in part if len(word) == length] for length in range(4, 10)}
        for part in parts
    )


def with_task(words: list[str], task: int) -> torch.Tensor:
    """The words as one-hot letters, and in front of them a sign that names the task."""
    x = one_hot_words(words, n_extra=2)
    sign = torch.zeros(len(words), 1, x.shape[2])
    sign[:, :, len(LETTERS) + task] = 1
    return torch.cat([sign, x], dim=1)


TASKS = {"first letter": 0, "last letter": -1}


def task_batches(train, trained_on: list[int], n_steps: int, seed: int, named: bool):
    draw = random.Random(seed)
    for _ in range(n_steps):
        words = draw.sample(train[draw.choice(range(4, 10))], 64)
        task = draw.choice(trained_on)
        x = with_task(words, task) if named else one_hot_words(words)
        yield x, letter_answers(words, list(TASKS.values())[task])


def tasks() -> list[dict]:
    """Two letter tasks by a GRU of its own each, tested on both; and by one that is told which."""
    rows = []
    trained = {
        "first letter": ([0], False),
        "last letter": ([1], False),
        "both, named": ([0, 1], True),
    }
    for seed in SEEDS:
        train, test = word_lists(seed)
        for name, (on, named) in track(trained.items(), f"tasks, seed {seed}"):
            torch.manual_seed(seed)
            model = LastStateClassifier(GRU(28 if named else 26, 64), n_classes=26)
            train_classifier(model, task_batches(train, on, 600, seed, named), lr=5e-3)
            for task, (asked, at) in enumerate(TASKS.items()):
                right = [
                    accuracy(
                        model,
                        with_task(w, task) if named else one_hot_words(w),
                        letter_answers(w, at),
                    )
                    for w in test.values()
                ]
                share = sum(r * len(w) for r, w in zip(right, test.values(), strict=True))
                total = sum(len(w) for w in test.values())
                rows.append(
                    {"trained": name, "asked": asked, "seed": seed, "accuracy": share / total}
                )
    return rows


class PlainLayer(nn.Module):
    """relu(norm(x W)): one layer of a net without skips."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(width, width), nn.LayerNorm(width)
        nn.init.kaiming_normal_(self.linear.weight, nonlinearity="relu")

    def forward(self, x):
        return torch.relu(self.norm(self.linear(x)))


def depth() -> list[dict]:
    """Training loss of a plain net that reads 8 characters and predicts the next, by depth."""
    text = "\n".join(load_plays().values()).lower()[:400_000]
    kept = sorted(set(string.ascii_lowercase + " .,;:?!'\n"))
    ids = torch.tensor([kept.index(c) for c in text if c in kept])
    windows = ids.unfold(0, 9, 1)  # positions 9
    rows = []
    for n_layers in (2, 8, 32):
        for seed in track(SEEDS, f"depth {n_layers}"):
            torch.manual_seed(seed)
            layers = [PlainLayer(64) for _ in range(n_layers)]
            embed = [nn.Embedding(len(kept), 16), nn.Flatten(), nn.Linear(128, 64)]
            net = nn.Sequential(*embed, *layers, nn.Linear(64, len(kept)))
            optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
            last = []
            for step in range(1000):
                batch = windows[torch.randint(len(windows), (128,))]
                loss = F.cross_entropy(net(batch[:, :8]), batch[:, 8])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if step >= 800:
                    last.append(loss.item())
            rows.append({"n_layers": n_layers, "seed": seed, "training_loss": float(np.mean(last))})
    return rows


def word_features() -> dict[str, np.ndarray]:
    """The 92 words described by counts of letters, by SmolLM2's embedding, by random numbers."""
    model, tokenizer = load_smollm2()
    words = [word for line in TOPICS.values() for word in line.split()]
    letters = np.array([[word.count(letter) for letter in LETTERS] for word in words], dtype=float)
    ids = [tokenizer.encode(" " + word) for word in words]
    assert all(len(one) == 1 for one in ids)
    table = model.token_embedding.weight.detach()
    embedding = table[[one[0] for one in ids]].numpy()
    noise = np.random.default_rng(0).standard_normal(embedding.shape)
    return {"letters": letters, "embedding": embedding, "random": noise}


def labels() -> list[dict]:
    """Accuracy of a linear classifier of the words, by labels a class; 20 draws of the labels."""
    topic = np.repeat(np.arange(4), 23)
    rows = []
    for name, x in word_features().items():
        x = (x - x.mean(0)) / (x.std(0) + 1e-9)
        for n_labels in (1, 2, 5, 10, 15):
            for seed in track(range(20), f"labels, {name}, {n_labels}"):
                draw = np.random.default_rng(seed)
                train = np.concatenate(
                    [
                        draw.choice(np.flatnonzero(topic == t), n_labels, replace=False)
                        for t in range(4)
                    ]
                )
                test = np.setdiff1d(np.arange(92), train)
                fitted = LogisticRegression(max_iter=1000).fit(x[train], topic[train])
                right = fitted.score(x[test], topic[test])
                rows.append({"features": name, "labels": n_labels, "seed": seed, "accuracy": right})
    return rows


PARTS = {part.__name__: part for part in (ngrams, coverage, recall, tasks, depth, labels)}


def main() -> None:
    torch.set_num_threads(1)
    gc.disable()  # millions of tuples and no cycles: walking over them would take most of the time
    run_parts(OUT, COMMAND, __doc__, PARTS)


if __name__ == "__main__":
    main()
