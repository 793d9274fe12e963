"""What twelve faulty models do, each with one planted fault, beside the sound one.

    python benchmarks/record_capstone.py [PASSAGE ...]

SmolLM2-135M-Instruct is run by an assembled module, whose text is edited for each fault
(`grading/units/capstone/faults.py`). For two passages: the loss in nats a token in ten
experiments, the largest logit, how far the last token reaches back, and a text written greedily
behind a cache. Some minutes on one core. Writes grading/units/capstone/evidence.json.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from recording import rounded, write

from grading.course.sources import apply_edits
from grading.kernel.given import module_of
from grading.learner.assembly import MODEL, assemble
from grading.learner.comparison import Weights
from grading.learner.own_model import module_text
from grading.units.capstone.faults import EXPERIMENTS, FAULTS

RESULT = Path(__file__).resolve().parents[1] / "grading" / "units" / "capstone" / "evidence.json"
SHIFT = {"torch.arange(": "SHIFT + torch.arange("}
PASSAGES = (
    (
        "The river rises in the hills. At first it is a narrow stream, but after the winter it"
        " becomes wide and slow.",
        "The capital of France is",
    ),
    (
        "To bake bread you need flour, water, salt and yeast. Mix them and put the dough into a hot"
        " oven.",
        "The sun rises in the",
    ),
)
N_NEW = 10
Loss = float


def main() -> None:
    torch.set_num_threads(1)
    weights, text = Weights.published(), module_text(assemble())
    passages = [int(number) for number in sys.argv[1:]] or range(len(PASSAGES))
    kept = json.loads(RESULT.read_text())["models"] if RESULT.exists() else []
    made = {"sound": {}} | {name: edits for name, (_, edits) in FAULTS.items()}
    rows = [row for row in kept if row["passage"] not in passages]
    for name, edits in made.items():
        names = module_of(_edited(text, edits, name), "faulty", name)
        for number in passages:
            passage, prompt = PASSAGES[number]
            print(name, number, flush=True)
            found = observe(names, weights, passage, prompt)
            rows.append({"model": name, "passage": number} | rounded(found, 5))
    texts = [{"passage": passage, "prompt": prompt} for passage, prompt in PASSAGES]
    command = "python benchmarks/record_capstone.py"
    write(RESULT, {"command": command, "texts": texts, "models": rows})


def _edited(text: str, edits: dict[str, str], name: str) -> str:
    """The module with the fault; the positions of `attend_with_cache` may be shifted."""
    start = text.index("def attend_with_cache")
    head, rest = text[:start], apply_edits_once(text[start:], SHIFT)
    edited = {
        find.replace("torch.arange(", "SHIFT + torch.arange("): new for find, new in edits.items()
    }
    edited = {f: n.replace("torch.arange(", "SHIFT + torch.arange(") for f, n in edited.items()}
    return "SHIFT = 0\n" + apply_edits(head + rest, edited, name)


def apply_edits_once(text: str, edits: dict[str, str]) -> str:
    """The first place of each."""
    for find, new in edits.items():
        text = text.replace(find, new, 1)
    return text


@torch.inference_mode()
def observe(names: dict[str, Any], weights: Weights, passage: str, prompt: str) -> dict[str, Any]:
    """All that is shown of one model."""
    model = names[MODEL](weights.config, weights.tensors, weights.tokenizer)
    ids = torch.tensor([weights.tokenizer.encode(passage)])
    logits = at_once(model, names, ids)
    other = ids.clone()
    other[0, -1] = ids[0, 0]
    reach = (at_once(model, names, other) - logits)[:, :-1].abs().max().item()
    losses = {name: EXPERIMENT[name](model, names, ids) for name in EXPERIMENTS}
    return {
        "losses": losses,
        "largest logit": logits.abs().max().item(),
        "reach": reach,
        "text": written(model, weights.tokenizer.encode(prompt)),
    }


def at_once(model: Any, names: dict[str, Any], ids: torch.Tensor) -> torch.Tensor:
    """Logits at every position, without what a cache holds."""
    return model.logits(ids, model.layers([names["LayerCache"]() for _ in model.blocks]))


def loss(logits: torch.Tensor, ids: torch.Tensor) -> Loss:
    """Mean nats a token of the next tokens."""
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item()


def by_one(model: Any, names: dict[str, Any], ids: torch.Tensor) -> Loss:
    layers = model.layers([names["LayerCache"]() for _ in model.blocks])
    return loss(torch.cat([model.logits(token, layers) for token in ids.split(1, dim=1)], 1), ids)


def alone(model: Any, names: dict[str, Any], ids: torch.Tensor) -> Loss:
    return loss(at_once(model, names, ids.T).transpose(0, 1), ids)


def later(model: Any, names: dict[str, Any], ids: torch.Tensor) -> Loss:
    names["SHIFT"] = 100
    found = loss(at_once(model, names, ids), ids)
    names["SHIFT"] = 0
    return found


def other_theta(model: Any, names: dict[str, Any], ids: torch.Tensor) -> Loss:
    config = model.config
    model.config = type(config)(**{**vars(config), "rope_theta": 100.0})
    found = loss(at_once(model, names, ids), ids)
    model.config = config
    return found


def scaled(factors: dict[str, float], final: float = 1.0):
    """An experiment in which weights of all layers, and of the final norm, are multiplied."""

    def run(model: Any, names: dict[str, Any], ids: torch.Tensor) -> Loss:
        blocks, norm = model.blocks, model.final_norm
        model.blocks = [
            {**block, **{n: factor * block[n] for n, factor in factors.items()}} for block in blocks
        ]
        model.final_norm = final * norm
        found = loss(at_once(model, names, ids), ids)
        model.blocks, model.final_norm = blocks, norm
        return found

    return run


def two_layers(model: Any, names: dict[str, Any], ids: torch.Tensor) -> Loss:
    blocks = model.blocks
    model.blocks = blocks[:2]
    found = loss(at_once(model, names, ids), ids)
    model.blocks = blocks
    return found


EXPERIMENT = {
    "at once": lambda model, names, ids: loss(at_once(model, names, ids), ids),
    "by one": by_one,
    "alone": alone,
    "later": later,
    "theta": other_theta,
    "q / 8": scaled({"q_proj": 1 / 8}),
    "norms": scaled({"attention_norm": 2.0, "feed_forward_norm": 2.0}, final=2.0),
    "no o": scaled({"o_proj": 0.0}),
    "no down": scaled({"down_proj": 0.0}),
    "two": two_layers,
}


def written(model: Any, prompt: list[int]) -> str:
    """Ten tokens, the likeliest each time, behind a cache."""
    ids = list(prompt)
    for _ in range(N_NEW):
        ids.append(int(model.next_logits(ids).argmax()))
    return model.decode(ids[len(prompt) :])


if __name__ == "__main__":
    main()
