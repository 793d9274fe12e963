"""Records the slow experiments of chapter 6, the decoder.

    .venv/bin/python benchmarks/record_decoder.py

writes book/_data/decoder.json, which the chapter reads. Two parts, in about five minutes on one
thread; with names behind it, only those are run again: lens norms.

lens    SmolLM2-135M-Instruct on 36 prompts: rank and probability of the right answer, of the answer
        to another prompt (the control) and of the model's own answer, in every state of the stream,
        and the size of the stream at the first and the last position; and, for 200 ordinary tokens
        of the plays, the layer after which the model's guess is on top for good.
norms   small decoders, trained on the plays by characters with the norm before, after and nowhere,
        with and without warm-up, three seeds each.
"""

from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from recording import run_parts
from rich.progress import track
from torch import Tensor, nn

from reference_impl.decoder.attention import Attention
from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.feed_forward import SwiGLU
from reference_impl.decoder.functions import logit_lens
from reference_impl.decoder.norms import RMSNorm
from reference_impl.embeddings_and_positions.positions import rope_angles
from reference_impl.published.weights import load_smollm2
from reference_impl.text_before_transformers.plays import load_plays

RESULT = Path(__file__).resolve().parents[1] / "book" / "_data" / "decoder.json"
COMMAND = ".venv/bin/python benchmarks/record_decoder.py"
SEEDS = (0, 1, 2)


# --- the logit lens ------------------------------------------------------------------------------

PROMPTS = {  # the answers are one token each, with the space before it
    "The capital of France is": "Paris",
    "The capital of Italy is": "Rome",
    "The capital of Japan is": "Tokyo",
    "The capital of Spain is": "Madrid",
    "The capital of Germany is": "Berlin",
    "The capital of Russia is": "Moscow",
    "The capital of Egypt is": "Cairo",
    "The capital of England is": "London",
    "The capital of Canada is": "Ottawa",
    "The capital of Australia is": "Canberra",
    "The opposite of hot is": "cold",
    "The opposite of up is": "down",
    "The opposite of black is": "white",
    "The opposite of early is": "late",
    "The opposite of left is": "right",
    "The opposite of true is": "false",
    "The day after Monday is": "Tuesday",
    "The day after Thursday is": "Friday",
    "The month after March is": "April",
    "The month after July is": "August",
    "The Eiffel Tower is in the city of": "Paris",
    "The Colosseum is in the city of": "Rome",
    "Romeo and Juliet was written by William": "Shakespeare",
    "The theory of evolution was proposed by Charles": "Darwin",
    "The theory of relativity was developed by Albert": "Einstein",
    "The largest planet in the solar system is": "Jupiter",
    "The chemical symbol for gold is": "Au",
    "The chemical symbol for iron is": "Fe",
    "Water is made of hydrogen and": "oxygen",
    "A baby dog is called a": "puppy",
    "A baby cat is called a": "kitten",
    "Bees make": "honey",
    "The language spoken in Brazil is": "Portuguese",
    "The language spoken in Austria is": "German",
    "The currency of the United States is the": "dollar",
    "The number of legs of a spider is": "eight",
}


def streams_of(model, ids: Tensor) -> Tensor:
    """The stream at every position, before layer 0 and after each layer: n_streams seq d_model."""
    x, angles = model.token_embedding(ids[None]), model.angles(ids[None], start=0)
    states = [x]
    for block in model.blocks:
        states.append(block(states[-1], angles))
    return torch.cat(states)


def record_lens() -> dict:
    model, tokenizer = load_smollm2()
    model.requires_grad_(False)
    lens = partial(
        logit_lens,
        final_norm=model.final_norm.weight,
        token_embedding=model.token_embedding.weight,
    )
    answers = [tokenizer.encode(f" {answer}") for answer in PROMPTS.values()]
    assert all(len(answer) == 1 for answer in answers), [a for a in answers if len(a) > 1]
    rows = []
    for i, prompt in enumerate(track(PROMPTS, description="prompts")):
        streams = streams_of(model, torch.tensor(tokenizer.encode(prompt)))
        states = streams[:, -1]  # n_streams d_model
        logits = model.lm_head(model.final_norm(states[-1]))
        tokens = {"answer": answers[i][0], "own": logits.argmax().item()}
        tokens["control"] = _another(answers, i)
        row = {
            "prompt": prompt,
            "answer": PROMPTS[prompt],
            "own": tokenizer.decode([tokens["own"]]),
        }
        for name, token in tokens.items():
            ranks, p = lens(states, token_id=token)
            row[f"{name}_ranks"] = ranks.tolist()
            row[f"{name}_p"] = [round(x, 4) for x in p.tolist()]
        for name, position in {"first": 0, "last": -1}.items():
            sizes = streams[:, position].square().mean(dim=-1).sqrt()  # n_streams
            row[f"{name}_sizes"] = [round(x, 4) for x in sizes.tolist()]
        rows.append(row)
    return {"prompts": rows, "settled": settled(model, tokenizer)}


def _another(answers: list[list[int]], i: int) -> int:
    """The answer of the next prompt behind i that has another one, five prompts further on."""
    for step in range(5, 5 + len(answers)):
        other = answers[(i + step) % len(answers)][0]
        if other != answers[i][0]:
            return other
    raise AssertionError("all answers are alike")


def settled(model, tokenizer) -> list[int]:
    """For 200 tokens of running text: the state from which on the final guess stays on top."""
    ids = torch.tensor(tokenizer.encode(load_plays()["hamlet"][20_000:22_000])[:201])
    states = streams_of(model, ids)[:, 1:]  # n_streams seq d_model
    tops = torch.stack([model.lm_head(model.final_norm(state)).argmax(-1) for state in states])
    wrong = (tops != tops[-1]).int()  # n_streams seq
    last_wrong = wrong * torch.arange(len(tops))[:, None]
    return (last_wrong.amax(dim=0) + wrong.amax(dim=0)).tolist()


# --- where the norm stands ----------------------------------------------------------------------

WAYS = {  # place of the norm, steps of warm-up
    "before": ("pre", 0),
    "after": ("post", 0),
    "after, warm-up": ("post", 50),
    "none": ("none", 0),
}
CONFIG = ModelConfig(70, 32, d_model=64, n_layers=6, n_heads=4, n_kv_heads=4, head_dim=16, d_ff=176)
STEPS, BATCH, SEQ, RATE, EVERY = 100, 16, 32, 6e-3, 5


class SmallDecoder(nn.Module):
    """Six layers with the norm before each half, after each addition, or nowhere."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place, width = place, CONFIG.d_model
        self.embedding = nn.Embedding(CONFIG.vocab_size, width)
        self.halves = nn.ModuleList()
        for _ in range(CONFIG.n_layers):
            self.halves += [Attention(CONFIG), SwiGLU(width, CONFIG.d_ff)]
        for matrix in self.halves.parameters():  # keeps the size of what it reads
            nn.init.normal_(matrix, std=matrix.shape[1] ** -0.5)
        self.norms = nn.ModuleList(RMSNorm(width) for _ in self.halves)
        self.final_norm = RMSNorm(width) if place == "pre" else nn.Identity()
        self.output = nn.Linear(width, CONFIG.vocab_size, bias=False)
        self.angles = rope_angles(torch.arange(SEQ), CONFIG.head_dim)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        for half, norm in zip(self.halves, self.norms, strict=True):
            read = norm(x) if self.place == "pre" else x
            x = x + (half(read, self.angles) if isinstance(half, Attention) else half(read))
            x = norm(x) if self.place == "post" else x
        return self.output(self.final_norm(x))


def record_norms() -> dict:
    text = play_characters()
    runs = [(way, seed) for way in WAYS for seed in SEEDS]
    losses: dict[str, list] = {way: [] for way in WAYS}
    for way, seed in track(runs, description="runs"):
        losses[way].append(train(*WAYS[way], seed, text))
    steps = list(range(EVERY, STEPS + 1, EVERY))
    return {"rate": RATE, "batch": BATCH, "seq": SEQ, "steps": steps, "losses": losses}


def play_characters() -> Tensor:
    """The plays as ids of their 69 commonest characters; 69 stands for all others."""
    text = "\n".join(load_plays().values())[:1_000_000]
    common = sorted(set(text), key=lambda c: -text.count(c))[: CONFIG.vocab_size - 1]
    place = {character: i for i, character in enumerate(common)}
    return torch.tensor([place.get(character, CONFIG.vocab_size - 1) for character in text])


def train(place: str, warm_up: int, seed: int, text: Tensor) -> list[float]:
    """The mean training loss of every 5 steps, in nats a character."""
    torch.manual_seed(seed)
    model = SmallDecoder(place)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    losses = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / max(warm_up, 1))
        starts = torch.randint(len(text) - SEQ, (BATCH,))
        batch = torch.stack([text[start : start + SEQ + 1] for start in starts])
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return [round(float(x), 4) for x in torch.tensor(losses).view(-1, EVERY).mean(dim=1)]


PARTS = {"lens": record_lens, "norms": record_norms}


def main() -> None:
    torch.set_num_threads(1)
    run_parts(RESULT, COMMAND, __doc__, PARTS)


if __name__ == "__main__":
    main()
