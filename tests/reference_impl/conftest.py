"""Independent oracles: transformers' Llama with the same weights, tiny and real."""

import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from reference_impl.config import ModelConfig
from reference_impl.decoder import Decoder
from reference_impl.gguf_file import GGUFFile
from reference_impl.weights import find_weights, load_decoder


def llama_of(config: ModelConfig) -> LlamaForCausalLM:
    """transformers' model of the same shape, its weights random, in eval mode."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocab_size,
            max_position_embeddings=config.context_length,
            hidden_size=config.d_model,
            num_hidden_layers=config.n_layers,
            num_attention_heads=config.n_heads,
            num_key_value_heads=config.n_kv_heads,
            head_dim=config.head_dim,
            intermediate_size=config.d_ff,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
            rms_norm_eps=config.norm_eps,
            tie_word_embeddings=config.tied_embeddings,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=None,
        )
    ).eval()


def to_halves(weight: Tensor, n_heads: int) -> Tensor:
    """Rows of q_proj or k_proj from interleaved rotary pairs to transformers' two halves."""
    pairs = weight.view(n_heads, -1, 2, weight.shape[1])  # heads pairs 2 d_model
    return pairs.transpose(1, 2).reshape(weight.shape)


def llama_weights(model: Decoder, of=lambda parameter: parameter.detach()) -> dict[str, Tensor]:
    """`of` every parameter (its value) under transformers' names, in its rotary layout."""
    config = model.config
    state = {
        "model.embed_tokens.weight": of(model.token_embedding.weight),
        "model.norm.weight": of(model.final_norm.weight),
        "lm_head.weight": of(model.lm_head.weight),
    }
    for i, block in enumerate(model.blocks):
        attention, feed_forward = block.attention, block.feed_forward
        layer = {
            "input_layernorm": of(block.attention_norm.weight),
            "self_attn.q_proj": to_halves(of(attention.q_proj.weight), config.n_heads),
            "self_attn.k_proj": to_halves(of(attention.k_proj.weight), config.n_kv_heads),
            "self_attn.v_proj": of(attention.v_proj.weight),
            "self_attn.o_proj": of(attention.o_proj.weight),
            "post_attention_layernorm": of(block.feed_forward_norm.weight),
            "mlp.gate_proj": of(feed_forward.gate_proj.weight),
            "mlp.up_proj": of(feed_forward.up_proj.weight),
            "mlp.down_proj": of(feed_forward.down_proj.weight),
        }
        state |= {f"model.layers.{i}.{name}.weight": weight for name, weight in layer.items()}
    return state


@pytest.fixture
def weights_for_llama():
    return llama_weights


@pytest.fixture
def threads():
    """Sets the number of threads, and puts it back afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def config_of():
    """A tiny config whose sizes differ from one another, with what the caller changes."""

    def make(**changes) -> ModelConfig:
        sizes = {
            "vocab_size": 53,
            "context_length": 37,
            "d_model": 24,
            "n_layers": 3,
            "n_heads": 6,
            "n_kv_heads": 2,
            "head_dim": 10,
            "d_ff": 31,
            "rope_theta": 500.0,
            "norm_eps": 1e-3,
        }
        return ModelConfig(**(sizes | changes))

    return make


@pytest.fixture
def model_of(config_of):
    """A tiny decoder with large random weights, norms included, so that every part matters."""

    def make(seed: int = 0, **changes) -> Decoder:
        model = Decoder(config_of(**changes)).eval()
        generator = torch.Generator().manual_seed(seed)
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.4, generator=generator)
        return model

    return make


@pytest.fixture
def pair_of(model_of):
    """The same tiny model twice: ours and transformers'."""

    def make(seed: int = 0, **changes) -> tuple[Decoder, LlamaForCausalLM]:
        model = model_of(seed, **changes)
        llama = llama_of(model.config)
        llama.load_state_dict(llama_weights(model))
        return model, llama

    return make


@pytest.fixture(scope="session")
def weights_file() -> GGUFFile:
    """The installed weights' file; skips where the weights are not installed."""
    try:
        return GGUFFile(find_weights())
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def smollm2(weights_file) -> Decoder:
    return load_decoder(weights_file)
