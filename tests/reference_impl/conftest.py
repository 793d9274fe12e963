"""Independent oracles: transformers' Llama with the same weights, tiny and real."""

import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import dequantize, quantize
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from reference_impl.decoder.config import SMOLLM2_135M, ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.published.gguf_file import GGUFFile
from reference_impl.published.weights import find_weights, load_decoder


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


@pytest.fixture
def write_gguf(tmp_path):
    """Writes a decoder as a GGUF file with the `gguf` package, and returns its path.

    `metadata` and `tensors` replace what would be written, and None leaves it out. Matrices are
    stored as Q8_0 where their rows are long enough, so sizes had better be multiples of 32.
    """

    def write(model: Decoder, metadata=None, tensors=None, name="tiny.gguf"):
        config = model.config
        fields = {
            "general.architecture": "llama",
            "llama.vocab_size": config.vocab_size,
            "llama.context_length": config.context_length,
            "llama.embedding_length": config.d_model,
            "llama.block_count": config.n_layers,
            "llama.attention.head_count": config.n_heads,
            "llama.attention.head_count_kv": config.n_kv_heads,
            "llama.rope.dimension_count": config.head_dim,
            "llama.feed_forward_length": config.d_ff,
            "llama.rope.freq_base": config.rope_theta,
            "llama.attention.layer_norm_rms_epsilon": config.norm_eps,
        } | (metadata or {})
        arrays = {
            gguf_name(name): parameter.detach().numpy()
            for name, parameter in model.named_parameters()
        } | (tensors or {})
        writer = GGUFWriter(tmp_path / name, arch=fields.pop("general.architecture"))
        for key, value in fields.items():
            add_field(writer, key, value)
        for key, array in arrays.items():
            if array is not None and array.ndim == 2 and array.shape[1] % 32 == 0:
                kind = GGMLQuantizationType.Q8_0
                writer.add_tensor(key, quantize(array, kind), raw_dtype=kind)
            elif array is not None:
                writer.add_tensor(key, array)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return tmp_path / name

    return write


def gguf_name(name: str) -> str:
    """A parameter's name in GGUF's words, written out apart from the table that is tested."""
    for ours, theirs in [
        ("token_embedding", "token_embd"),
        ("final_norm", "output_norm"),
        ("lm_head", "output"),
        ("blocks", "blk"),
        ("attention_norm", "attn_norm"),
        ("feed_forward_norm", "ffn_norm"),
        ("attention.o_proj", "attn_output"),
        ("attention.", "attn_"),
        ("feed_forward.", "ffn_"),
        ("_proj", ""),
    ]:
        name = name.replace(ours, theirs)
    return name


def add_field(writer: GGUFWriter, key: str, value) -> None:
    """Write one metadata value under the GGUF type that converters use for it."""
    if isinstance(value, str):
        writer.add_string(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, list):
        writer.add_array(key, value)
    elif value is not None:
        writer.add_uint32(key, value)


@pytest.fixture(scope="session")
def weights_file() -> GGUFFile:
    """The installed weights' file; skips where the weights are not installed."""
    try:
        return GGUFFile(find_weights())
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def gguf_tensors(weights_file) -> dict[str, Tensor]:
    """The installed weights as the `gguf` package reads them."""
    tensors = GGUFReader(weights_file.path).tensors
    return {
        tensor.name: torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        for tensor in tensors
    }


@pytest.fixture(scope="session")
def smollm2(weights_file) -> Decoder:
    return load_decoder(weights_file)


@pytest.fixture(scope="session")
def llama_smollm2(gguf_tensors) -> LlamaForCausalLM:
    """transformers' model with the real weights, read by the `gguf` package, not by ours."""
    names = {
        "attn_norm": "input_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    heads = {"attn_q": SMOLLM2_135M.n_heads, "attn_k": SMOLLM2_135M.n_kv_heads}
    state = {
        "model.embed_tokens.weight": gguf_tensors["token_embd.weight"],
        "lm_head.weight": gguf_tensors["token_embd.weight"],
        "model.norm.weight": gguf_tensors["output_norm.weight"],
    }
    for i in range(SMOLLM2_135M.n_layers):
        for theirs, llamas in names.items():
            weight = gguf_tensors[f"blk.{i}.{theirs}.weight"]
            weight = to_halves(weight, heads[theirs]) if theirs in heads else weight
            state[f"model.layers.{i}.{llamas}.weight"] = weight
    llama = llama_of(SMOLLM2_135M)
    llama.load_state_dict(state)
    return llama
