"""SmolLM2-135M itself: token for token what transformers says, along every path."""

import pytest
import torch

from reference_impl.decoder.decoder import attention_maps
from reference_impl.fine_tuning.chat import encode_chat
from reference_impl.inference.fast_decoder import FastDecoder
from reference_impl.inference.generation import generate
from reference_impl.published.tokenizer_files import tokenizer_from_gguf

PROMPTS = [
    "What is gravity?",
    "Write a Python function that reverses a list.",
    "Translate to French: The cat sleeps on the sofa.",
    "Why do I need a bank account, and what is a river bank?",
    "Count from 1 to 10.",
]


@pytest.fixture(scope="module")
def tokenizer(weights_file):
    return tokenizer_from_gguf(weights_file.metadata)


def test_24_tokens_by_generate(smollm2, llama_smollm2, tokenizer):
    """One prompt by everybody's own loop and cache."""
    ids = encode_chat(tokenizer, [{"role": "user", "content": PROMPTS[0]}])
    expected = llama_smollm2.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids)),
        max_new_tokens=24,
        do_sample=False,
    )[0, len(ids) :].tolist()
    assert len(expected) == 24
    assert list(generate(FastDecoder(smollm2), ids, 24)) == expected
    assert list(generate(smollm2, ids, 8)) == expected[:8]  # the plain decoder takes seconds


@pytest.mark.parametrize(
    "prompt", [PROMPTS[1], *(pytest.param(p, marks=pytest.mark.thorough) for p in PROMPTS[2:])]
)
def test_64_tokens_are_the_ones_transformers_would_choose(
    smollm2, llama_smollm2, tokenizer, prompt
):
    """Ours generates; transformers, given that text in one pass, would choose each of its tokens.

    If it agrees at every step it generates the same, and one pass costs far less than 64.
    """
    ids = encode_chat(tokenizer, [{"role": "user", "content": prompt}])
    tokens = list(generate(FastDecoder(smollm2), ids, 64))
    assert len(tokens) == 64
    text = torch.tensor([ids + tokens])
    with torch.no_grad():
        theirs, plain = llama_smollm2(text).logits, smollm2(text)
    for logits in (theirs, plain):
        assert logits[0, len(ids) - 1 : -1].argmax(dim=-1).tolist() == tokens


def test_logits_are_transformers_(smollm2, llama_smollm2, tokenizer):
    ids = torch.tensor([encode_chat(tokenizer, [{"role": "user", "content": PROMPTS[3]}])])
    with torch.no_grad():
        expected = llama_smollm2(ids).logits
        plain, fast = smollm2(ids), FastDecoder(smollm2)(ids)
    # Logits reach 30 or so; float32 sums in another order differ in the sixth digit.
    torch.testing.assert_close(plain, expected, atol=2e-3, rtol=1e-4)
    torch.testing.assert_close(fast, expected, atol=2e-3, rtol=1e-4)


def test_chunks_and_cache_make_no_difference(smollm2, tokenizer):
    ids = torch.tensor([encode_chat(tokenizer, [{"role": "user", "content": PROMPTS[1]}])])
    fast = FastDecoder(smollm2)
    whole = fast(ids)
    for sizes in ([ids.shape[1]], [7, 1, 1, ids.shape[1] - 9], [1] * ids.shape[1]):
        cache = fast.new_cache(capacity=ids.shape[1])
        parts = [fast(part, cache) for part in ids.split(sizes, dim=1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=2e-3, rtol=1e-4)


def test_attention_maps_are_distributions_over_the_past(smollm2, tokenizer):
    ids = torch.tensor([tokenizer.encode("Dhoni is the tiger")])
    with torch.no_grad():
        maps = attention_maps(smollm2, ids)
    assert maps.shape == (30, 1, 9, ids.shape[1], ids.shape[1])
    torch.testing.assert_close(maps.sum(-1), torch.ones(maps.shape[:-1]))
    assert (maps.triu(1) == 0).all()
