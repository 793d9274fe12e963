"""The learner's assembled model beside the course's: layer by layer, and if they differ, which part
is the first that makes the difference.

Both have the same weights. A part is tried alone: in the course's module it takes the course's
place, and whatever it calls is the course's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from grading import kernel
from grading.course.exercise import Exercise
from grading.judging.judge import judge
from grading.judging.trial import trial
from grading.judging.verdict import Verdict
from grading.kernel.given import module_of
from grading.learner.assembly import MODEL, Assembly, assemble, exercise_of
from grading.learner.own_model import module_text, names_in
from grading.learner.parts import PARTS
from grading.learner.sealed import read
from reference_impl.capstone.joints import WEIGHT_NAMES, first_difference, sort_weights
from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.published.weights import SkipNormal

TEXT = "The capital of France is Paris, and the capital of Japan is"
MESSAGES = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Is 🐯 a cat?"},
    {"role": "assistant", "content": "Yes."},
    {"role": "user", "content": "Why?"},
)
TOLERANCE = 1e-3  # of the length of a vector


@dataclass(frozen=True)
class Weights:
    """What an assembled model is made with: sizes, tensors by the file's names, a tokenizer."""

    config: ModelConfig
    tensors: Mapping[str, Tensor]
    tokenizer: Any

    @classmethod
    def published(cls) -> "Weights":
        """Those of SmolLM2-135M-Instruct."""
        from reference_impl.published.tokenizer_files import tokenizer_from_gguf
        from reference_impl.published.weights import config_from_gguf, open_weights

        file = open_weights()
        tensors = {name: file.tensor(name) for name in file.tensors}
        return cls(config_from_gguf(file), tensors, tokenizer_from_gguf(file.metadata))


@dataclass(frozen=True)
class Comparison:
    """What differs: largest relative differences of the states (embedding, layers, logits), the
    first of them that is too large, what else differs, and the culprit with the judge's verdict."""

    differences: tuple[float, ...]
    first: int | None
    others: tuple[str, ...] = ()
    culprit: str | None = None
    verdict: Verdict | None = None
    error: str = ""

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return self.first is None and not self.others and not self.error

    def state(self, number: int) -> str:
        """How a state is called."""
        last = len(self.differences) - 1
        if number in (0, last):
            return "the embedding" if number == 0 else "the logits"
        return f"layer {number - 1}"


@dataclass
class Seen:
    """What one model did: its states on a text, and other results by name."""

    states: list[Tensor] = field(default_factory=list)
    others: dict[str, Any] = field(default_factory=dict)
    error: str = ""


def compare(path: Path, weights: Weights) -> Comparison:
    """Compare a learner's module with the course's decoder and functions.

    Raises CourseError where it does not run.
    """
    made, text = assemble(), read(path)
    wanted = _reference(weights, look(_course_names(made), weights))
    seen = look(names_in(text, path), weights)
    first, others = _different(seen, wanted)
    differences = tuple(_relative(a, b) for a, b in zip(seen.states, wanted.states, strict=False))
    if first is None and not others and not seen.error:
        return Comparison(differences, None)
    changed = [n for n in _in_order(made) if made.pieces[n].text not in text]
    culprit, verdict = _culprit(lambda: names_in(text, path), made, changed, weights, wanted)
    return Comparison(differences, first, tuple(others), culprit, verdict, seen.error)


# --- what is looked at ----------------------------------------------------------------------------


@torch.inference_mode()
def look(names: Mapping[str, Any], weights: Weights) -> Seen:
    """Run a module's model and its functions; an error ends it, and is noted."""
    seen = Seen()
    try:
        model = names[MODEL](weights.config, weights.tensors, weights.tokenizer)
        ids = weights.tokenizer.encode(TEXT)
        _run_layers(model, names, ids, seen.states)
        for name, observe in OBSERVATIONS.items():
            seen.others[name] = observe(model, names, ids)
    except Exception as error:
        seen.error = f"{type(error).__name__}: {error}".splitlines()[0]
    return seen


def _run_layers(model: Any, names: Mapping[str, Any], ids: list[int], states: list) -> None:
    def recording(layer: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def run(x: Tensor) -> Tensor:
            if not states:
                states.append(x.clone())
            after = layer(x)
            states.append(after.clone())
            return after

        return run

    layers = model.layers([names["LayerCache"]() for _ in model.blocks])
    logits = model.logits(torch.tensor([ids]), [recording(layer) for layer in layers])
    states.append(logits)


def _by_cache(model: Any, names: Mapping[str, Any], ids: list[int]) -> Tensor:
    """Logits after each of the last tokens, each run behind a cache."""
    first = len(ids) // 2
    return torch.stack([model.next_logits(ids[:n]) for n in (first, first + 1, len(ids))])


def _sampled(model: Any, names: Mapping[str, Any], ids: list[int]) -> list[int]:
    """Where chance has no say: greedy, and one token left."""
    logits = torch.tensor([[0.5, 2.0, -1.0, 1.0], [3.0, 0.0, 1.0, -2.0]])
    greedy = names["sample"](logits, 0.0, None, None, torch.Generator())
    single = names["sample"](logits, 0.7, 1, 0.9, torch.Generator())
    return [*greedy.tolist(), *single.tolist()]


def _generated(model: Any, names: Mapping[str, Any], ids: list[int]) -> list[int]:
    def choose(logits: Tensor) -> int:
        return int(logits.argmax())

    return list(names["generate"](model.next_logits, ids[:5], 3, choose))


def _as_it_comes(model: Any, names: Mapping[str, Any], ids: list[int]) -> tuple[str, bool]:
    """The pieces of a text together, and whether one shows half of a sign: 🐯 is several tokens."""
    pieces = list(names["stream_text"](iter(model.encode_chat(MESSAGES)), model.decode))
    return "".join(pieces), any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)


OBSERVATIONS: dict[str, Callable] = {
    "the logits behind a cache": _by_cache,
    "the token ids of a chat": lambda model, names, ids: model.encode_chat(MESSAGES),
    "the text of token ids": lambda model, names, ids: model.decode(model.encode_chat(MESSAGES)),
    "the text as it comes": _as_it_comes,
    "the tokens chosen": _sampled,
    "the tokens generated": _generated,
}


def _different(seen: Seen, wanted: Seen) -> tuple[int | None, list[str]]:
    """The first state that differs, and the other results that do."""
    n = len(seen.states)
    first = first_difference(seen.states, wanted.states[:n], TOLERANCE)
    if first is None and n < len(wanted.states):
        first = n  # the error came there
    others = [name for name in seen.others if not _same(seen.others[name], wanted.others[name])]
    return first, others


def _same(one: Any, other: Any) -> bool:
    if isinstance(other, Tensor):
        return first_difference([one], [other], TOLERANCE) is None
    return one == other


def _relative(state: Tensor, wanted: Tensor) -> float:
    if state.shape != wanted.shape:
        return float("inf")
    apart = (state - wanted).norm(dim=-1) / wanted.norm(dim=-1).clamp_min(1e-30)  # ... seq
    return apart.max().item()


# --- the reference --------------------------------------------------------------------------------


@torch.inference_mode()
def _reference(weights: Weights, of_course: Seen) -> Seen:
    """The states of `Decoder`, and what the course's functions gave beside them."""
    model = reference_decoder(weights)
    ids = torch.tensor([weights.tokenizer.encode(TEXT)])
    x, angles = model.token_embedding(ids), model.angles(ids, start=0)
    states = [x]
    for block in model.blocks:
        states.append(block(states[-1], angles))
    return Seen([*states, model.lm_head(model.final_norm(states[-1]))], of_course.others)


def reference_decoder(weights: Weights) -> Decoder:
    """The course's decoder on the very same tensors: nothing is held in memory twice."""
    embedding, blocks, final_norm = sort_weights(weights.tensors, WEIGHT_NAMES)
    with torch.device("meta"), SkipNormal():
        model = Decoder(weights.config)
    for block, tensors in zip(model.blocks, blocks, strict=True):
        for name, _ in list(block.named_parameters()):
            module = block.get_submodule(name.rpartition(".")[0])
            module.weight = _fixed(tensors[name.split(".")[-2]])
    model.token_embedding.weight = model.lm_head.weight = _fixed(embedding)
    model.final_norm.weight = _fixed(final_norm)
    return model.eval()


def _fixed(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor, requires_grad=False)


# --- which part it is -----------------------------------------------------------------------------


def _course_names(made: Assembly) -> dict[str, Any]:
    return module_of(module_text(made), "the_course_s_model", "the course's model")


def _culprit(
    load: Callable[[], dict[str, Any]],
    made: Assembly,
    candidates: list[str],
    weights: Weights,
    wanted: Seen,
) -> tuple[str | None, Verdict | None]:
    """The first part that by itself makes the course's model differ, and what the judge says."""
    defined = load()
    for name in candidates:
        alone = _course_names(made)
        if name not in defined:
            return name, None
        alone[name] = _alone(load, dict(alone), name)
        seen = look(alone, weights)
        first, others = _different(seen, wanted)
        if first is not None or others or seen.error:
            exercise = made.pieces[name].exercise
            return name, _judged(exercise, alone[name]) if exercise else None
    return None, None


def _in_order(made: Assembly) -> list[str]:
    """Parts in the order of the course, then what else is somebody's exercise, then the rest."""
    parts = [e.callable for e in map(exercise_of, PARTS) if e]
    exercises = [name for name, piece in made.pieces.items() if piece.exercise]
    return list(dict.fromkeys([*parts, *exercises, *made.pieces]))


def _alone(load: Callable[[], dict[str, Any]], course: dict[str, Any], name: str) -> Any:
    """The learner's function or class, with the course's in place of all else it calls."""
    theirs = load()
    theirs.update({n: thing for n, thing in course.items() if n != name and n in theirs})
    return theirs[name]


def _judged(exercise: Exercise, answer: Any) -> Verdict | None:
    """What the judge says of a part; None where it calls it right."""
    verdict = judge(exercise, 0, kernel.run(trial(exercise, 0).request, answer))
    return None if verdict.status == "pass" else verdict
