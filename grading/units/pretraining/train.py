"""pretraining/train: a run, judged by what the trained model says of a text it has not read."""

from functools import lru_cache, partial
from types import CodeType

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception
from grading.judging.measures import Bound
from grading.units.pretraining import drive
from reference_impl.pretraining.characters import CHARACTERS, load_characters
from reference_impl.pretraining.data import RandomBatches
from reference_impl.pretraining.optimizer import AdamW, decay_groups
from reference_impl.pretraining.schedule import warmup_cosine
from reference_impl.pretraining.training import train as reference_train

LINK = "pretraining-run"
LIMIT = 2.55  # nats a character, on text not read; stated in the notebook
WORST = 30.0  # of a single character: a model that has learned calls nothing quite impossible
CONTEXT, N_WINDOWS = 32, 200


@lru_cache
def texts() -> tuple[np.ndarray, np.ndarray]:
    """The ids of the plays to train on, and of the act to measure on."""
    train, held_out = load_characters()
    return train.numpy(), held_out.numpy()


def cases(rng: np.random.Generator) -> list[Case]:
    """Windows of the act that is held out, and the windows of the run's first batch."""
    train, held_out = texts()
    first = torch.Generator().manual_seed(0)
    starts = torch.randint(len(train) - CONTEXT, (16,), generator=first).numpy()
    drawn = rng.integers(len(held_out) - CONTEXT, size=N_WINDOWS)
    new, read = windows(held_out, drawn), windows(train, starts)
    where = f"{N_WINDOWS} windows of an act that was not trained on"
    return [
        _case(where, new, LIMIT, np.mean, "the loss in nats a character"),
        _case("16 windows of the text that was trained on", read, LIMIT, np.mean, "the loss"),
        _case(f"{where}, the worst character", new, WORST, np.max, "its loss"),
    ]


def windows(text: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Inputs and one token more from each start."""
    return text[starts[:, None] + np.arange(CONTEXT + 1)].astype(np.int64)


def _case(says: str, ids: np.ndarray, limit: float, of, what: str) -> Case:
    bound = Bound(limit, _loss(ids[:, 1:], of), what)
    return Case(says, {"token_ids": ids[:, :-1]}, compare=bound)


def _loss(targets: np.ndarray, of):
    """Measures logits by the mean, or the maximum, of -log p of these targets."""

    def measure(inputs, logits) -> float:
        logits = np.asarray(logits, dtype=float)
        if logits.shape != (*targets.shape, len(CHARACTERS)):
            raise ValueError(f"logits of shape {logits.shape}")
        logits = logits - logits.max(axis=-1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        return float(of(-np.take_along_axis(log_p, targets[..., None], axis=-1)))

    return measure


_trained: dict[CodeType, torch.nn.Module | None] = {}


def trained(train):
    """What the notebook's run cell makes, of a smaller model: a table, a row for each character.

    The same code is not run twice.
    """
    key = train.__code__
    if key not in _trained:
        torch.manual_seed(0)
        table = torch.nn.Embedding(len(CHARACTERS), len(CHARACTERS))
        torch.nn.init.normal_(table.weight, std=0.02)
        _trained[key] = train(table, torch.tensor(texts()[0]), 200, 0.1)
    return _trained[key]


# --- right in other ways ---------------------------------------------------------------------


def with_the_reference(model, token_ids, n_steps, max_lr, context_length=32, batch_size=16):
    """The course's own loop, batches, optimizer and schedule."""
    batches = RandomBatches(token_ids, context_length, batch_size, seed=1)
    optimizer = AdamW(decay_groups(model, 0.1), betas=(0.9, 0.95))
    rate = partial(warmup_cosine, n_steps=n_steps, max_lr=max_lr, warmup_steps=n_steps // 10)
    list(reference_train(model, optimizer, batches, n_steps, rate))
    return model


# --- wrong in known ways -----------------------------------------------------------------------

MAKE = "trainer = Trainer(model, n_steps, max_lr)"
LOOP = "for step in range(n_steps):"
SEED = "generator = Generator().manual_seed(step)"
BATCH = "batch = random_batch(token_ids, context_length, batch_size, generator)"
STEP = "trainer.step([batch])"


def _on(batch: str) -> dict[str, str]:
    return {STEP: f"trainer.step([{batch}])"}


MISCONCEPTIONS = (
    Misconception(
        "knows-nothing",
        "The model says what it said before the first step: all 62 characters are about as likely, "
        "ln 62 = 4.13. Are steps made, more than one, and on this model?",
        "pretraining-first-loss",
        {STEP: "pass"},
    ),
    Misconception(
        "same-batch-each-time",
        "The model is good on the windows of the first batch and bad on all others. That is what "
        "comes of the same batch in every step: draw a new one for each.",
        "pretraining-batches",
        {SEED: "generator = Generator().manual_seed(0)"},
    ),
    Misconception(
        "one-batch-again-and-again",
        "The model is no better on the first batch than on others, and bad on both: it has learned "
        "a few windows by heart. Is the generator seeded with the number of the step?",
        "pretraining-batches",
        {SEED: "generator = Generator()"},
    ),
    Misconception(
        "settings-swapped",
        "The steps were far too large. Are the number of steps and the rate handed on in their "
        "order?",
        "pretraining-schedule",
        {MAKE: "trainer = Trainer(model, max_lr, n_steps)"},
    ),
    Misconception(
        "reads-a-corner",
        "The model knows a few characters very well and calls most others unlikely, as if it had "
        "read a small piece of the text over and over. Batches come from all of it.",
        "pretraining-batches",
        {BATCH: BATCH.replace("token_ids", "token_ids[:60]")},
    ),
    Misconception(
        "targets-not-shifted",
        "The model repeats what it reads: each character predicts itself, which it was trained to "
        "do. The targets have to be the next ones.",
        "pretraining-shift",
        _on("(batch[0], batch[0])"),
    ),
    Misconception(
        "inputs-and-targets-swapped",
        "The model predicts what came before, better than what comes next: inputs and targets have "
        "changed places.",
        "pretraining-shift",
        _on("(batch[1], batch[0])"),
    ),
    Misconception(
        "targets-of-another-row",
        "The model has learned how frequent each character is, and nothing of what follows what: "
        "the targets of a row do not belong to its inputs.",
        "pretraining-batches",
        _on("(batch[0], batch[1].roll(1, dims=0))"),
    ),
    Misconception(
        "too-little-learned",
        "The model has learned something, and far less than the steps allow: as after a tenth of "
        "the run, or with a new trainer in each step, whose rate stays that of the first.",
        "pretraining-schedule",
        {LOOP: "for step in range(n_steps // 10):"},
    ),
    Misconception(
        "windows-of-one-character",
        "The model has seen a small part of the characters that the steps should read: are "
        "`context_length` and `batch_size` handed on?",
        "pretraining-batches",
        {BATCH: BATCH.replace("context_length", "1")},
    ),
    Misconception(
        "uphill",
        "The loss is far above what a blind guess costs: the steps go uphill.",
        "pretraining-adamw",
        {MAKE: MAKE.replace("max_lr", "-max_lr")},
    ),
)

EXERCISE = Exercise(
    id="pretraining/train",
    callable="train",
    title="A run",
    parts={"all": 2},
    minutes=8,
    difficulty="medium",
    link=LINK,
    cases=cases,
    checks="model",
    prepare=trained,
    drive=drive.logits,
    seconds=120,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_the_reference,),
    equivalent=dict.fromkeys(
        (
            "`33` for `32`",
            "`31` for `32`",
            "`17` for `16`",
            "`15` for `16`",
            "`range(n_steps - 1)` for `range(n_steps)`",
            "`random_batch(token_ids, batch_size, context_length, generator)` for "
            "`random_batch(token_ids, context_length, batch_size, generator)`",
            "`context_length` for `max_lr`",
            "`batch_size` for `context_length`",
            "`context_length` for `batch_size`",
        ),
        "the run reaches its loss all the same, and nothing else is judged",
    ),
)
