"""A conversation with SmolLM2 in the terminal."""

import secrets
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from grading.course.errors import CourseError

LEAVE = ("exit", "quit", "bye")
ENDED = {
    "limit": "(stopped after {} tokens: --max-new-tokens N allows more)",
    "context": "(the context is full: the model can take in no more of this conversation)",
}


def talk(
    prompt: str | None,
    temperature: float,
    max_new_tokens: int,
    seed: int | None,
    own: Path | None = None,
) -> None:
    """Answer one prompt or, without one, whatever the learner types until an empty end of input.

    `own` is the folder of the learner whose own model speaks; the course's does without. Raises
    CourseError where the weights are not there or the conversation no longer fits.
    """
    if own is None:
        conversation, sampler = _load(temperature, seed)
    else:
        conversation, sampler = _load_own(own, temperature, seed), None
    try:
        for asked in [prompt] if prompt is not None else _typed():
            _answer(conversation, asked, sampler, max_new_tokens)
    except ValueError as error:
        raise CourseError(str(error)) from None


def _load(temperature: float, seed: int | None):
    """The model and its sampler. What is not the answer goes to stderr: the answer may be piped."""
    print("Loading SmolLM2-135M-Instruct ...", file=sys.stderr, flush=True)
    from reference_impl.fine_tuning.chat import Conversation, default_model
    from reference_impl.inference.sampling import Sampler

    try:
        return Conversation(*default_model()), Sampler(temperature, seed=seed)
    except (OSError, ValueError) as error:
        raise CourseError(str(error)) from None


def _load_own(place: Path, temperature: float, seed: int | None) -> "OwnConversation":
    """The learner's model: assembled now, but for a file that they changed."""
    from grading.learner import own_model

    path = own_model.write_model(place).path
    print(f"Loading SmolLM2-135M-Instruct into {path} ...", file=sys.stderr, flush=True)
    try:
        model = own_model.load_module(path)[own_model.LOAD]()
    except (OSError, ValueError) as error:
        raise CourseError(str(error)) from None
    return OwnConversation(model, temperature, secrets.randbelow(2**31) if seed is None else seed)


class OwnConversation:
    """A chat with the learner's own model; an answer that is stopped is forgotten."""

    def __init__(self, model: Any, temperature: float = 0.0, seed: int = 0) -> None:
        self.model, self.temperature, self.seed = model, temperature, seed
        self.messages: list[dict[str, str]] = []
        self.ended: str | None = None

    def reply(self, prompt: str, sampler: None, max_new_tokens: int) -> Iterator[str]:
        """Stream the answer. Raises CourseError where one of the learner's parts fails."""
        asked = [*self.messages, {"role": "user", "content": prompt}]
        answer: list[str] = []
        self.ended, self.seed = None, self.seed + 1
        try:
            for piece in self.model.reply(asked, self.temperature, max_new_tokens, self.seed):
                answer.append(piece)
                yield piece
        except ValueError:
            raise
        except Exception as error:
            raise CourseError(
                f"your model stopped ({type(error).__name__}: {error}). "
                "`course assemble` says which part it is."
            ) from None
        self.ended = self.model.ended
        self.messages = [*asked, {"role": "assistant", "content": "".join(answer)}]


def _typed() -> Iterator[str]:
    """What the learner types, line by line."""
    if sys.stdin.isatty():
        text = "Ask something. An empty line, `exit` or Ctrl-D ends the conversation."
        print(text, file=sys.stderr, flush=True)
    while True:
        try:
            line = input("you: " if sys.stdin.isatty() else "").strip()
        except EOFError:
            return
        if not line or line.lower() in LEAVE:
            return
        yield line


def _answer(conversation, asked: str, sampler, max_new_tokens: int) -> None:
    """Print an answer as it comes; Ctrl-C ends this answer, which is then forgotten."""
    try:
        _print(conversation.reply(asked, sampler, max_new_tokens))
    except KeyboardInterrupt:
        print("\n(stopped: this answer is forgotten)", file=sys.stderr)
        return
    if text := ENDED.get(conversation.ended):
        print(text.format(max_new_tokens), file=sys.stderr, flush=True)


def _print(pieces: Iterable[str]) -> None:
    for piece in pieces:
        print(piece, end="", flush=True)
    print(flush=True)
