"""What chapter 08 and its notebook say of many texts and of long ones, measured.

    python benchmarks/record_inference.py [PART ...]

Parts: texts, agreement, recall, repeats, first_tokens, speed; without a name all of them, some
minutes on one core. SmolLM2-135M-Instruct chooses verbs for 24 subjects, beside the same program
with random weights, and names that it was told. It continues ten beginnings greedily and at
temperature 1, in three runs: how often does a stretch of 8 tokens come again? How many different
tokens follow one beginning? It reads prompts and writes tokens at several lengths: seconds of CPU.
Writes book/_data/inference.json, and texts for the question `which_setting` into
grading/units/inference/texts.json.
"""

import json
import sys
import time
from pathlib import Path
from statistics import median

import torch

from reference_impl.decoder.config import SMOLLM2_135M
from reference_impl.decoder.decoder import Decoder
from reference_impl.inference.fast_decoder import FastDecoder
from reference_impl.inference.generation import generate_batch
from reference_impl.inference.sampling import Sampler
from reference_impl.inference.text_statistics import choices, repeats
from reference_impl.published.weights import load_smollm2
from reference_impl.scaling_laws.machine import measure_machine

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "book" / "_data" / "inference.json"
TEXTS = ROOT / "grading" / "units" / "inference" / "texts.json"
COMMAND = "python benchmarks/record_inference.py"
N_RUNS = 3  # of what is drawn
BEGINNINGS = (
    "The old keeper of the lighthouse",
    "My favourite way to cook potatoes is",
    "In the year 2050, most cities will",
    "The children found a door behind the",
    "A good teacher should always",
    "When the rain finally stopped, we",
    "The history of the bicycle begins",
    "Nobody in the village had ever seen",
    "The best thing about winter is",
    "Scientists have discovered that",
)
N_NEW = 60
LENGTHS = (16, 64, 256, 512)
SETTINGS = {  # of the question: how each text is drawn
    "greedy": {},
    "plain": {"temperature": 1.0},
    "hot": {"temperature": 1.5},
    "top-k": {"temperature": 1.0, "top_k": 5},
    "top-p": {"temperature": 1.0, "top_p": 0.6},
    "min-p": {"temperature": 1.0, "min_p": 0.1},
}
N_TOKENS, N_TEXTS = 18, 6  # of each text, of each setting
HEADS = "key door book letter picture window car road cup chair box tree".split()
NEAR = "cabinet garden house teacher king room city river table kitchen boy lake".split()
NAMES = "Anna Peter Maria John Laura David Sarah Paul Emma Mark Alice James Clara Tom Julia Frank"
NAMES = f"{NAMES} Helen Simon Rosa Adam".split()
FILLER = " and I live near the sea. You ask for my name. I say: my name is"


PARTS = ("texts", "agreement", "recall", "repeats", "first_tokens", "speed")


def main(parts: list[str]) -> None:
    if unknown := set(parts) - set(PARTS):
        sys.exit(f"no part of this: {', '.join(sorted(unknown))}; parts are {', '.join(PARTS)}")
    torch.set_num_threads(1)
    model, tokenizer = load_smollm2()
    model.requires_grad_(False)
    fast = FastDecoder(model)
    if not parts or "texts" in parts:
        prompts = [tokenizer.encode(text) for text in BEGINNINGS]
        texts = {name: question_texts(fast, tokenizer, prompts, name) for name in SETTINGS}
        write(TEXTS, {"command": COMMAND, "texts": texts})
    figures = {
        "agreement": lambda: agreement(model, tokenizer),
        "recall": lambda: recall(model, tokenizer),
        "repeats": lambda: repetition(fast, tokenizer),
        "first_tokens": lambda: first_tokens(fast, tokenizer),
        "speed": lambda: speed(model, fast),
    }
    result = json.loads(RESULT.read_text(encoding="utf-8"))  # parts that are not run stay
    for name in [name for name in figures if not parts or name in parts]:
        result[name] = figures[name]()
        print(json.dumps({name: result[name]}, indent=1))
    write(RESULT, result)


def write(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")


# --- what the model knows ------------------------------------------------------------------------


@torch.inference_mode()
def last_logits(decoder: Decoder, tokenizer, texts: list[str]) -> torch.Tensor:
    """Logits behind each of several texts, run together: what is filled up stands behind them."""
    rows = [tokenizer.encode(text) for text in texts]
    lengths = torch.tensor([len(row) for row in rows])
    filled = [row + [0] * (max(lengths) - len(row)) for row in rows]
    hidden = decoder.hidden(torch.tensor(filled))  # batch seq d_model
    return decoder.lm_head(hidden[torch.arange(len(rows)), lengths - 1])  # batch vocab


def agreement(model: Decoder, tokenizer) -> dict:
    """How many subjects get the verb that agrees with them: trained, and with random weights."""
    untrained = []
    for seed in range(N_RUNS):
        torch.manual_seed(seed)
        untrained.append(agreements(Decoder(SMOLLM2_135M), tokenizer))
    trained = agreements(model, tokenizer)
    return {"subjects": 2 * len(HEADS), "trained": trained, "random": untrained}


def agreements(decoder: Decoder, tokenizer) -> int:
    """For how many subjects, each near a noun of the other number, the right verb is likelier."""
    numbers = [
        (head, near, many) for head, near in zip(HEADS, NEAR, strict=True) for many in (True, False)
    ]
    texts = [f"The {head}{'s' * m} near the {near}{'s' * (not m)}" for head, near, m in numbers]
    logits = last_logits(decoder, tokenizer, texts)
    [is_id], [are_id] = tokenizer.encode(" is"), tokenizer.encode(" are")
    says_are = logits[:, are_id] > logits[:, is_id]
    return sum(says == m for says, (_, _, m) in zip(says_are.tolist(), numbers, strict=True))


def recall(model: Decoder, tokenizer) -> dict[str, int]:
    """For how many names the right one is likelier, by its first token, than the 19 others."""
    first = [tokenizer.encode(" " + name)[0] for name in NAMES]
    told = [f"My name is {name},{FILLER}" for name in NAMES]
    best = last_logits(model, tokenizer, told)[:, first].argmax(dim=1)
    return {"names": len(NAMES), "told": (best == torch.arange(len(NAMES))).sum().item()}


# --- what it writes ------------------------------------------------------------------------------


def repetition(fast: FastDecoder, tokenizer) -> dict:
    """By temperature: in how many of the texts 8 tokens come again; a number for each run."""
    prompts = [tokenizer.encode(text) for text in BEGINNINGS]
    found = {"texts": len(prompts), "tokens": N_NEW}
    for temperature, runs in ((0.0, 1), (1.0, N_RUNS)):
        sampler = Sampler(temperature, seed=0)
        texts = generate_batch(fast, prompts, N_NEW, sampler=sampler, n_samples=runs)
        again = [repeats(text, 8) for text in texts]  # those of one beginning stand together
        found[str(temperature)] = [sum(again[run::runs]) for run in range(runs)]
    return found


def first_tokens(fast: FastDecoder, tokenizer) -> dict[str, list[int]]:
    """By temperature: how many different tokens 200 draws put behind one beginning."""
    ids = torch.tensor([tokenizer.encode("The capital of France is")])
    logits = fast.next_logits(ids, fast.new_cache()).expand(200, -1)
    return {
        str(t): [len(set(Sampler(t, seed=seed)(logits).tolist())) for seed in range(N_RUNS)]
        for t in (0.5, 1.0, 1.5, 2.0)
    }


# --- texts for the question ----------------------------------------------------------------------


def question_texts(fast, tokenizer, prompts, name: str) -> list[list[list]]:
    """Texts of a setting that show it: rows of piece, rank, p, before."""
    kept, seed = [], 0
    while len(kept) < N_TEXTS:
        sampler = Sampler(**SETTINGS[name], seed=seed)
        for prompt, new in zip(
            prompts, generate_batch(fast, prompts, N_TOKENS, sampler=sampler), strict=True
        ):
            logits = fast(torch.tensor([prompt + new]))[0, len(prompt) - 1 : -1]  # seq vocab
            facts = choices(logits, torch.tensor(new))
            if len(kept) < N_TEXTS and tells(name, facts):
                pieces = [tokenizer.decode([i]) for i in new]
                kept.append([list(row) for row in zip(pieces, *rounded(facts), strict=True)])
        seed += 1
    return kept


def rounded(facts: dict[str, list[float]]) -> list[list[float]]:
    return [facts["rank"], *([round(x, 3) for x in facts[key]] for key in ("p", "before"))]


def tells(name: str, facts: dict[str, list[float]]) -> bool:
    """Whether a text shows that it is, or is not, of top-p: where it is not, a token came that
    likelier ones left no room for, unless none but the likeliest ever came."""
    rank, before = max(facts["rank"]), max(facts["before"])
    return {
        "greedy": rank == 1,
        "plain": before > 0.9 and 20 < rank < 1000,
        "hot": before > 0.9 and rank > 1000,
        "top-k": 3 <= rank <= 5 and before > 0.62,
        "top-p": rank > 5 and before < 0.59,
        "min-p": rank > 5 and before > 0.62,
    }[name]


# --- speed ---------------------------------------------------------------------------------------


def speed(model, fast) -> dict:
    """Seconds of passes at several lengths, and this machine's own speeds; one thread."""
    machine = measure_machine(clock=time.process_time)
    rows = {}
    for length in LENGTHS:
        ids = torch.arange(100, 100 + length)[None]  # batch seq
        rows[str(length)] = {
            "prefill": seconds(
                lambda ids=ids: fast.next_logits(ids, fast.new_cache(1, ids.shape[1]))
            ),
            "decode": step_seconds(fast, ids),
            "plain_decode": step_seconds(model, ids),
            "plain_recomputed": seconds(lambda ids=ids: model.next_logits(ids)),
        }
    return {
        "flops_per_second": machine.flops_per_second,
        "bytes_per_second": machine.bytes_per_second,
        "context_length": SMOLLM2_135M.context_length,
        "seconds": rows,
    }


def step_seconds(model, ids: torch.Tensor) -> float:
    """Of one token behind `ids`, which the cache holds."""
    length = ids.shape[1]
    cache = model.new_cache(1, length + 1)
    with torch.inference_mode():
        model.next_logits(ids, cache)

        def step() -> None:
            cache.truncate(length)
            model.next_logits(ids[:, -1:], cache)

        return seconds(step)


def seconds(work, n_times: int = 2) -> float:
    """Of CPU, with one thread: the median of several runs, after one that is not counted."""
    times = []
    with torch.inference_mode():
        for _ in range(n_times + 1):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
    return round(median(times[1:]), 5)


if __name__ == "__main__":
    main(sys.argv[1:])
