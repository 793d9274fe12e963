"""A conversation with SmolLM2 in the terminal."""

import sys
from collections.abc import Iterable, Iterator

from grading.course.errors import CourseError

LEAVE = ("exit", "quit", "bye")
ENDED = {
    "limit": "(stopped after {} tokens: --max-new-tokens N allows more)",
    "context": "(the context is full: the model can take in no more of this conversation)",
}


def talk(prompt: str | None, temperature: float, max_new_tokens: int, seed: int | None) -> None:
    """Answer one prompt or, without one, whatever the learner types until an empty end of input.

    Raises CourseError where the weights are not there or the conversation no longer fits.
    """
    conversation, sampler = _load(temperature, seed)
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
