"""Records the fine-tuning runs of chapter 11.

    .venv/bin/python benchmarks/record_fine_tuning.py

writes book/_data/fine_tuning.json, which the chapter and an exercise read. With names behind it,
only those parts are run again: template smollm2 small. One thread, 3 GB, about twelve minutes.
"""

import copy
import os
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "2500")

import torch
from hardware import describe
from recording import rounded, run_parts, write
from rich.progress import track
from torch import Tensor, nn

from reference_impl.decoder.decoder import Decoder
from reference_impl.fine_tuning.chat import END, encode_chat, render_chat
from reference_impl.fine_tuning.fine_tuning import PaddedBatches, SFTExample, encode_example
from reference_impl.fine_tuning.lora import add_lora, merge_lora, trainable_parameters
from reference_impl.fine_tuning.short_answers import (
    OPEN_PROMPTS,
    dialogue,
    held_out_pairs,
    keeps_format,
    trained_pairs,
)
from reference_impl.fine_tuning.small_talk import (
    CONTEXT_LENGTH,
    N_TOKENS,
    base_model,
    character_tokenizer,
    facts,
    small_talk,
)
from reference_impl.inference.fast_decoder import FastDecoder
from reference_impl.inference.generation import generate
from reference_impl.inference.sampling import Sampler
from reference_impl.pretraining.characters import decode_characters, load_characters
from reference_impl.pretraining.data import Batch, sequential_batches, shift
from reference_impl.pretraining.loss import IGNORE_ID, token_losses
from reference_impl.pretraining.optimizer import AdamW, decay_groups
from reference_impl.pretraining.schedule import warmup_cosine
from reference_impl.pretraining.training import evaluate, train
from reference_impl.pretraining.training_attention import for_training
from reference_impl.published.weights import load_smollm2
from reference_impl.tokenization.tokenization import Tokenizer

OUT = Path(__file__).parents[1] / "book" / "_data" / "fine_tuning.json"
COMMAND = ".venv/bin/python benchmarks/record_fine_tuning.py"
SEEDS = (0, 1, 2)
CONTEXT = 96
N_STEPS, BATCH_SIZE = 16, 4
MEASURED_AFTER = (4, 8, 16)
METHODS = {"LoRA": 2e-3, "full": 3e-5}  # the highest learning rate of each
RANK, ALPHA = 8, 16
N_OPEN = 30  # tokens of an open reply


@cache
def tokenizer() -> Tokenizer:
    return load_smollm2()[1]


def reply(model: FastDecoder, token_ids: list[int], limit: int) -> tuple[list[int], bool]:
    """What the model says, greedily, and whether it ended by itself."""
    stop_ids = {tokenizer().special_tokens[END], 0}  # 0 ends a text without a template
    new_ids = list(generate(model, token_ids, limit, stop_ids=stop_ids))
    return new_ids, len(new_ids) < limit


# --- a template that is a little wrong ----------------------------------------------------------

N_SAID = 16
TEMPLATES: dict[str, Callable[[str], str]] = {
    "right": lambda right: right,
    "no system message": lambda right: right[right.index("<|im_start|>user") :],
    "no generation prompt": lambda right: right.removesuffix("<|im_start|>assistant\n"),
    "a space behind it": lambda right: right + " ",
    "end mark missing": lambda right: right.replace("<|im_end|>\n<|im_start|>a", "\n<|im_start|>a"),
    "opens the user's turn": lambda right: right.removesuffix("assistant\n") + "user\n",
    "question alone": lambda right: right[right.index("user\n") + 5 : right.rindex("<|im_end|>")],
}


def template() -> list[dict]:
    """How surprised the model is by its own right reply behind each template, and what it says."""
    model, _ = load_smollm2()
    fast = FastDecoder(model.requires_grad_(False))
    prompts = [question for question, _ in held_out_pairs()]
    rendered = {p: render_chat([{"role": "user", "content": p}]) for p in prompts}
    encode = partial(tokenizer().encode, allowed_special="all")
    replies = {p: reply(fast, encode(text), N_SAID)[0] for p, text in rendered.items()}
    rows = []
    for name, change in TEMPLATES.items():
        texts = {p: change(rendered[p]) for p in prompts}
        losses = [reply_loss(model, encode(texts[p]), replies[p]) for p in track(prompts, name)]
        said = [tokenizer().decode(reply(fast, encode(texts[p]), N_SAID)[0]) for p in prompts]
        same = sum(a == tokenizer().decode(replies[p]) for a, p in zip(said, prompts, strict=True))
        rows.append({"template": name, "loss": sum(losses) / len(losses), "same": same})
        rows[-1] |= {"prompts": len(prompts), "said": dict(zip(prompts, said, strict=True))}
    return rows


def reply_loss(model: Decoder, prompt: list[int], said: list[int]) -> float:
    """Nats for each token of a reply behind a prompt."""
    inputs, targets = shift(torch.tensor([[*prompt, *said]]))
    return token_losses(model(inputs), targets)[0, len(prompt) - 1 :].mean().item()


# --- SmolLM2 learns a format --------------------------------------------------------------------


def examples(pairs: list[tuple[str, str]]) -> list[SFTExample]:
    return [encode_example(tokenizer(), dialogue(*pair), CONTEXT) for pair in pairs]


def whole(batches: list[SFTExample]) -> list[Batch]:
    """All examples once, some rows at a time."""
    n = 6
    return [
        PaddedBatches(batches[i : i + n], len(batches[i : i + n]), 0)[0]
        for i in range(0, len(batches), n)
    ]


@cache
def measured_on() -> dict[str, list[Batch]]:
    """Batches of the held-out answers, of verse, and of the model's own earlier open replies."""
    act = decode_characters(load_characters()[1])[:1400]
    verse = shift(torch.tensor([[0, *tokenizer().encode(act)]]))
    return {
        "held_out": whole(examples(held_out_pairs())),
        "verse": [verse],
        "earlier_replies": [
            (shift(torch.tensor([ids]))[0], targets_of(ids, start)) for ids, start in earlier()
        ],
    }


def targets_of(ids: list[int], start: int) -> Tensor:
    targets = torch.tensor([ids[1:]])
    targets[:, : start - 1] = IGNORE_ID
    return targets


@cache
def earlier() -> list[tuple[list[int], int]]:
    """The model's open replies before any tuning, with their prompts, and where each begins."""
    fast = FastDecoder(load_smollm2()[0].requires_grad_(False))
    prompts = [encode_chat(tokenizer(), [{"role": "user", "content": p}]) for p in OPEN_PROMPTS]
    return [([*prompt, *reply(fast, prompt, N_OPEN)[0]], len(prompt)) for prompt in prompts]


def losses(model: nn.Module) -> dict[str, float]:
    return {name: evaluate(model, batches) for name, batches in measured_on().items()}


def counts(fast: FastDecoder) -> dict:
    """How many replies keep the format, of which kinds, and what becomes of open prompts."""
    pairs = held_out_pairs()
    prompts = [encode_chat(tokenizer(), [{"role": "user", "content": q}]) for q, _ in pairs]
    said = [tokenizer().decode(reply(fast, prompt, 20)[0]) for prompt in prompts]
    kept = [keeps_format(text) for text in said]
    named = [a.lower() in text.lower() for (_, a), text in zip(pairs, said, strict=True)]
    n_own = len(pairs) - 10
    prompts = [encode_chat(tokenizer(), [{"role": "user", "content": p}]) for p in OPEN_PROMPTS]
    open_said = [tokenizer().decode(reply(fast, prompt, N_OPEN)[0]) for prompt in prompts]
    return {
        "kept": [sum(kept[:n_own]), sum(kept[n_own:])],
        "asked": [n_own, len(pairs) - n_own],
        "answer_named": [sum(named[:n_own]), sum(named[n_own:])],
        "said": {q: text for (q, _), text in list(zip(pairs, said, strict=True))[::4]},
        "open_in_format": sum(text.startswith('{"answer"') for text in open_said),
        "open_said": dict(zip(OPEN_PROMPTS, open_said, strict=True)),
    }


def smollm2() -> list[dict]:
    """Three seeds of LoRA and of full tuning: losses on the way, and counts before and after."""
    model = load_smollm2()[0].requires_grad_(False)
    rows = [{"method": "before"} | losses(model) | counts(FastDecoder(model))]
    del model
    for method in METHODS:
        for seed in SEEDS:
            rows.append(tuned(method, seed))
            write(OUT, {"smollm2": rounded(rows, 5)})
    return rows


def tuned(method: str, seed: int) -> dict:
    torch.manual_seed(seed)
    model = for_training(load_smollm2()[0])
    if method == "LoRA":
        add_lora(model, RANK, ALPHA)
    row = {"method": method, "seed": seed, "trained": trainable_parameters(model)}
    batches = PaddedBatches(examples(trained_pairs()), BATCH_SIZE, seed)
    row |= {"steps": N_STEPS, "batch_size": BATCH_SIZE}
    row["tokens"] = sum(batches[step][0].numel() for step in range(N_STEPS))
    row["learned"] = sum(int((batches[s][1] != IGNORE_ID).sum()) for s in range(N_STEPS))
    curve = []
    steps = tune(model, batches, N_STEPS, METHODS[method])
    row["training"] = []
    for step in track(steps, f"{method}, seed {seed}", total=N_STEPS):
        row["training"].append(step.loss)
        if step.number + 1 in MEASURED_AFTER:
            curve.append({"step": step.number + 1} | losses(model))
    if method == "LoRA":
        merge_lora(model)
    return row | {"curve": curve} | counts(FastDecoder(model.requires_grad_(False)))


def tune(model: nn.Module, batches: PaddedBatches, n_steps: int, rate: float) -> Iterator:
    schedule = partial(warmup_cosine, n_steps=n_steps, max_lr=rate, warmup_steps=n_steps // 10)
    optimizer = AdamW(decay_groups(model, 0.0), betas=(0.9, 0.95))
    return train(model, optimizer, batches, n_steps, schedule)


# --- a small model, and five ways to fail -------------------------------------------------------

TALK_STEPS, TALK_BATCH, TALK_RATE = 300, 16, 8e-3
REPLY_LIMIT = 16


class Changed:
    """Batches whose targets are changed."""

    def __init__(self, batches: PaddedBatches, change: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.batches, self.change = batches, change

    def __getitem__(self, step: int) -> Batch:
        inputs, targets = self.batches[step]
        return inputs, self.change(inputs, targets)


END_ID = N_TOKENS - 1


def without_end(inputs: Tensor, targets: Tensor) -> Tensor:
    return targets.masked_fill(targets == END_ID, IGNORE_ID)


def not_shifted(inputs: Tensor, targets: Tensor) -> Tensor:
    """The mask is right and the ids are those that are read."""
    return inputs.masked_fill(targets == IGNORE_ID, IGNORE_ID)


FAULTS = ("targets not shifted", "four examples again and again", "end mark not learned")


def small() -> list[dict]:
    """A base model and what it says, tuned to answer; and tuned with one fault each."""
    rows = []
    for seed in SEEDS:
        base = base_model(seed)
        row = {"fault": "before", "seed": seed} | talk_counts(base)
        rows.append(row | {"completions": completions(base, seed)})
        sound = copy.deepcopy(base)
        run = talk_run(sound, batches_of("none", seed))
        rows.append({"fault": "none", "seed": seed} | run)
        # Asked in another template, it is the same run: only what is said afterwards differs.
        asked = talk_counts(sound, add_generation_prompt=False)
        rows.append({"fault": "asked in another template", "seed": seed} | run | asked)
        rows.append({"fault": "nothing is trained", "seed": seed} | untrained_run(base, seed))
        for fault in track(FAULTS, f"small, seed {seed}"):
            run = talk_run(copy.deepcopy(base), batches_of(fault, seed))
            rows.append({"fault": fault, "seed": seed} | run)
            write(OUT, {"small": rounded(rows, 5)})
    return rows


def batches_of(fault: str, seed: int) -> PaddedBatches | Changed:
    """The batches of a run, with its fault where that is in them."""
    training, _ = talk_examples()
    if fault == "four examples again and again":
        training = training[:20:5]  # of four facts, one wording each
    batches = PaddedBatches(training, TALK_BATCH, seed)
    changes = {"end mark not learned": without_end, "targets not shifted": not_shifted}
    return Changed(batches, changes[fault]) if fault in changes else batches


def talk_run(model: Decoder, batches: PaddedBatches | Changed) -> dict:
    """Tune a small model; its losses, and what it then can do."""
    found = [step.loss for step in tune(model, batches, TALK_STEPS, TALK_RATE)]
    return {"losses": found[::10] + found[-1:]} | talk_counts(model)


def untrained_run(model: Decoder, seed: int) -> dict:
    """What a run with a rate of 0 reports: the losses of its batches under the same weights."""
    batches = batches_of("none", seed)
    found = [evaluate(model, [batches[step]]) for step in (0, TALK_STEPS - 1)]
    return {"losses": found} | talk_counts(model)


@cache
def talk_examples() -> tuple[list[SFTExample], list[SFTExample]]:
    training, held_out = small_talk()
    return tuple(
        [encode_example(character_tokenizer(), d, CONTEXT_LENGTH) for d in some]
        for some in (training, held_out)
    )


def talk_counts(model: Decoder, add_generation_prompt: bool = True) -> dict:
    """Losses on held-out answers and on verse; how many replies stop, and how many are right."""
    _, held_out = talk_examples()
    verse = list(sequential_batches(load_characters()[1][:6000], 64, 32))
    said = []
    for messages in small_talk()[1]:
        prompt = encode_chat(character_tokenizer(), messages[:2], add_generation_prompt)
        new_ids = list(generate(model, prompt, REPLY_LIMIT, stop_ids={END_ID}))
        text = character_tokenizer().decode(new_ids)
        said.append((text, len(new_ids) < REPLY_LIMIT, text == messages[2]["content"]))
    return {
        "held_out": evaluate(model, [PaddedBatches(held_out, len(held_out), 0)[0]]),
        "verse": evaluate(model, verse),
        "asked": len(said),
        "stopped": sum(stopped for _, stopped, _ in said),
        "right": sum(right for *_, right in said),
        "said": {m[1]["content"]: t for m, (t, *_) in zip(small_talk()[1][:6], said, strict=False)},
        "unknown": unknown(model),
    }


def unknown(model: Decoder) -> dict[str, str]:
    """What it says to questions whose answers it never saw: the same facts the other way round."""
    found = {}
    for _, answer in facts()[:4]:
        question = f"What is the opposite of {answer}?"
        prompt = encode_chat(
            character_tokenizer(),
            [{"role": "system", "content": ""}, {"role": "user", "content": question}],
        )
        new_ids = generate(model, prompt, REPLY_LIMIT, stop_ids={END_ID})
        found[question] = character_tokenizer().decode(list(new_ids))
    return found


def completions(model: Decoder, seed: int) -> dict[str, str]:
    """What a base model makes of plain questions, drawn from its ten likeliest tokens."""
    found = {}
    for question in ("What is the opposite of hot?", "Who are you?"):
        sampler = Sampler(temperature=0.8, top_k=10, seed=seed)
        new_ids = generate(model, character_tokenizer().encode(question), 70, sampler=sampler)
        found[question] = character_tokenizer().decode(list(new_ids))
    return found


# --- writing -------------------------------------------------------------------------------------

PARTS = {"template": template, "smollm2": smollm2, "small": small}


def main() -> None:
    torch.set_num_threads(1)
    machine = describe(("torch",))
    run_parts(OUT, COMMAND, __doc__, PARTS, digits=5)
    write(OUT, {"machine": machine})


if __name__ == "__main__":
    main()
