"""Unit 08 beyond the generic tests: its answers beside the reference, its question, its records."""

import json
from collections import Counter

import numpy as np
import pytest
import torch

from grading.course.places import ROOT
from grading.course.unit import load_exercise
from grading.judging.trial import trial
from grading.units.inference import drive, which_setting
from reference_impl.decoder.attention import Attention, merge_heads, split_heads
from reference_impl.decoder.cache import LayerCache
from reference_impl.decoder.config import ModelConfig
from reference_impl.embeddings_and_positions.positions import rope_angles
from reference_impl.inference import generation, sampling
from reference_impl.scaling_laws.accounting import forward_flops, kv_cache_bytes

CONFIG = ModelConfig(97, 32, 29, n_layers=3, n_heads=6, n_kv_heads=2, head_dim=10, d_ff=41)


def solution(topic):
    return trial(load_exercise(f"inference/{topic}"), 1).solution()


@pytest.mark.parametrize(("q_seq", "kv_seq"), [(1, 1), (7, 7), (1, 8), (3, 11)])
def test_costs_are_the_references(q_seq, kv_seq):
    table = CONFIG.vocab_size * CONFIG.d_model
    expected = forward_flops(CONFIG, 1, q_seq, kv_seq) - 2 * (q_seq - 1) * table
    assert solution("pass_flops")(CONFIG, q_seq, kv_seq) == expected
    expected = kv_cache_bytes(CONFIG, 5, kv_seq, bytes_per_number=4)
    assert solution("cache_bytes")(CONFIG, 5, kv_seq, 4) == expected


def test_attention_with_a_cache_is_the_references():
    torch.manual_seed(0)
    layer, answer = Attention(CONFIG), solution("attend_with_cache")
    x = torch.randn(2, 7, CONFIG.d_model)
    cache = LayerCache(torch.empty(2, 2, 7, 10), torch.empty(2, 2, 7, 10))
    ours = drive.Cache()
    for start, end in ((0, 4), (4, 5), (5, 7)):
        new = x[:, start:end]
        q = split_heads(layer.q_proj(new), 6)
        k, v = (split_heads(project(new), 2) for project in (layer.k_proj, layer.v_proj))
        expected = layer(new, rope_angles(torch.arange(start, end), 10, 10000.0), cache)
        found = layer.o_proj(merge_heads(answer(q, k, v, ours)))
        assert torch.allclose(found, expected, atol=1e-5)


def test_filters_are_the_references():
    logits = 3 * torch.randn(20, 97, generator=torch.Generator().manual_seed(1))
    for p in (0.05, 0.3, 0.6, 0.9, 0.99):
        for name in ("top_p", "min_p"):
            assert torch.equal(solution(name)(logits, p), getattr(sampling, name)(logits, p)), p


def test_until_is_the_references():
    rng = np.random.default_rng(2)
    for _ in range(200):
        pieces = ["".join(rng.choice(list("ab#"), size=rng.integers(4))) for _ in range(6)]
        stops = [["##"], ["a#b"], ["bb", "#a"]][rng.integers(3)]
        shown = drive.stream(solution("until"), pieces, stops)
        assert shown == drive.stream(generation.until, pieces, stops), (pieces, stops)


def test_the_made_up_model_reads_every_token_and_its_place():
    seen = {tuple(drive.made_up_logits(ids).tolist()) for ids in ([1, 2], [2, 1], [2], [1, 2, 1])}
    assert len(seen) == 4


# --- the question ---------------------------------------------------------------------------------


def test_every_text_shows_its_setting():
    limits = {  # what only one of them keeps: highest rank, largest sum before, smallest p
        name: [(max(r[1] for r in text), max(r[3] for r in text)) for text in texts]
        for name, texts in which_setting.texts().items()
    }
    assert all(rank == 1 for rank, _ in limits["greedy"])
    assert all(rank > 5 and before < 0.6 for rank, before in limits["top-p"])
    assert all(2 < rank <= 5 and before > 0.6 for rank, before in limits["top-k"])
    assert all(rank > 5 and before > 0.6 for rank, before in limits["min-p"])
    assert all(before > 0.9 and 20 < rank < 1000 for rank, before in limits["plain"])
    assert all(rank > 1000 for rank, _ in limits["hot"])


def test_the_letters_are_drawn_evenly_and_hide_the_setting():
    questions = [which_setting.draw(np.random.default_rng(seed)) for seed in range(300)]
    counts = Counter(question.right for question in questions)
    assert set(counts) == set("ABCDEF") and max(counts.values()) < 90
    assert not any(name in str(questions[0].shown) for name in which_setting.texts())
    assert list(questions[0].shown) == list("ABCDEF")


# --- what the chapter says of many texts ----------------------------------------------------------


def test_records_hold_on_every_seed():
    text = (ROOT / "book" / "_data" / "inference.json").read_text(encoding="utf-8")
    recorded = json.loads(text)
    agreement = recorded["agreement"]
    assert agreement["trained"] > agreement["subjects"] * 0.8 > max(agreement["random"])
    assert recorded["recall"]["told"] > recorded["recall"]["names"] * 0.8
    [greedy] = recorded["repeats"]["0.0"]
    assert len(recorded["repeats"]["1.0"]) == 3
    assert greedy > max(recorded["repeats"]["1.0"])
    different = [recorded["first_tokens"][t] for t in ("0.5", "1.0", "1.5", "2.0")]
    for colder, hotter in zip(different, different[1:], strict=False):
        assert max(colder) < min(hotter)
    speed = recorded["speed"]["seconds"]
    saved = [row["plain_recomputed"] / row["plain_decode"] for row in speed.values()]
    assert saved == sorted(saved) and saved[-1] > 3
