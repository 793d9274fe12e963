"""How fast an assembled model converses, beside the course's plain decoder in the same run.

    python benchmarks/bench_own_model.py [--tokens 24] [--repeat 3]

Two turns of a conversation with SmolLM2-135M-Instruct, answered greedily to the same length, the
sides by turns. "mine" is what `course assemble` writes without anybody's answers: the simple
versions of all parts, as a learner writes them. "plain" is `Decoder` with its cache, and
`Conversation`. The aim is at least half the plain decoder's speed. One thread, seconds of CPU.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch
from report import print_rows, write_result

from grading.learner.assembly import LOAD, assemble
from grading.learner.own_model import module_text, names_in
from grading.learner.talk import OwnConversation
from reference_impl.fine_tuning.chat import Conversation
from reference_impl.published.weights import load_smollm2

TURNS = ("What is gravity?", "Explain it to a child in two sentences.")
AIM = 0.5


def plain() -> Callable[[str, int], Iterator[str]]:
    """The course's decoder as it is read, not the one arranged for speed."""
    talk = Conversation(*load_smollm2())
    return lambda asked, n: talk.reply(asked, None, n)


def mine() -> Callable[[str, int], Iterator[str]]:
    """An assembled model."""
    names = names_in(module_text(assemble()), Path("my_model.py"))
    talk = OwnConversation(names[LOAD]())
    return lambda asked, n: talk.reply(asked, None, n)


def seconds(reply: Callable[[str, int], Iterator[str]], n_tokens: int) -> tuple[float, str]:
    """CPU seconds of two turns, and what was answered."""
    start, said = time.process_time(), ""
    for asked in TURNS:
        said += "".join(reply(asked, n_tokens))
    return time.process_time() - start, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    took: dict[str, list[float]] = {"plain": [], "mine": []}
    said = {}
    for _ in range(arguments.repeat):
        for name, make in (("plain", plain), ("mine", mine)):
            found, said[name] = seconds(make(), arguments.tokens)
            took[name].append(found)
    n = len(TURNS) * arguments.tokens
    ratio = median(took["plain"]) / median(took["mine"])
    row = {"what": f"{len(TURNS)} turns, {n} tokens at most", "unit": "s of CPU"}
    row |= {name: round(median(values), 2) for name, values in took.items()}
    row |= {"ratio": round(ratio, 2), "aim": AIM, "same text": said["plain"] == said["mine"]}
    print_rows([row])
    print(write_result("own_model", [row], "torch"))


if __name__ == "__main__":
    main()
