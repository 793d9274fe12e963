"""LoRA: fine-tuning with two thin matrices beside each weight, which itself stays as it is.

    add_lora(model, rank=8, alpha=16)   # the model computes what it did, and few weights train
    ...                                 # train it: `decay_groups` takes only what trains
    save_lora(model, path)              # the thin matrices alone, a small file
    merge_lora(model)                   # plain weights again, as fast as before

Does not handle: dropout on the thin path, embeddings, layers that share their weight.
Source: Hu et al. 2022.
"""

import math
import pickle
import zipfile
from collections.abc import Collection
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reference_impl.pretraining.distributed import plain_name

ATTENTION_LAYERS = ("q_proj", "v_proj")  # those that the paper adapts (section 5.1)


class LoRAError(ValueError):
    """Adapters that do not fit the model, or a file that holds none."""


class LoRALinear(nn.Module):
    """A linear layer and its adapter: W x + (alpha / rank) B A x, where only A and B train.

    B starts at 0, so at first nothing changes. A starts random: were both 0, neither would ever
    have a gradient. Raises LoRAError where the rank is not from 1 to the layer's smaller
    side, or alpha is not above 0.
    Source: Hu et al. 2022, equation 3.

    >>> layer = LoRALinear(nn.Linear(3, 2, bias=False), rank=1, alpha=2.0)
    >>> for weight in layer.linear.weight, layer.a, layer.b:
    ...     _ = nn.init.ones_(weight)
    >>> layer(torch.tensor([1.0, 2.0, 3.0])).detach()  # 6, and 2 / 1 times 1 times 6
    tensor([18., 18.])
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: int | float) -> None:
        super().__init__()
        check_rank(linear, rank)
        check_alpha(alpha)
        self.linear = linear.requires_grad_(False)
        self.rank, self.alpha = rank, alpha
        d_out, d_in = linear.weight.shape
        self.a = nn.Parameter(linear.weight.new_empty(rank, d_in).normal_(std=d_in**-0.5))
        self.b = nn.Parameter(linear.weight.new_zeros(d_out, rank))

    def forward(self, x: Float[Tensor, "... d_in"]) -> Float[Tensor, "... d_out"]:
        thin = x @ self.a.T  # ... rank
        return self.linear(x) + self.alpha / self.rank * (thin @ self.b.T)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The plain layer that computes the same; this one is not to be used any more."""
        self.linear.weight += self.alpha / self.rank * (self.b @ self.a)
        return self.linear.requires_grad_(True)


def add_lora(
    model: nn.Module, rank: int, alpha: int | float, layers: Collection[str] = ATTENTION_LAYERS
) -> None:
    """Freeze the model and give an adapter to every linear layer whose name is in `layers`.

    A name is the last part of a module's path, such as "q_proj" or "down_proj". What trains are
    rank * (d_in + d_out) numbers a layer. Raises LoRAError, and leaves the model as it was, where
    it has adapters already, a name fits no layer, or a layer shares its weight.
    """
    check_alpha(alpha)
    chosen = linear_layers(model, layers)
    for layer in chosen.values():
        check_rank(layer, rank)
        check_not_shared(model, layer)
    model.requires_grad_(False)
    for path, layer in chosen.items():
        put(model, path, LoRALinear(layer, rank, alpha))


def merge_lora(model: nn.Module) -> None:
    """Add each adapter to its weight and take it out: the same model in plain weights.

    All weights can be trained again afterwards. Raises LoRAError where there are no adapters.
    """
    for path, adapter in needed_adapters(model).items():
        put(model, path, adapter.merged())
    model.requires_grad_(True)


def save_lora(model: nn.Module, path: str | PathLike) -> None:
    """Write the adapters, and nothing else, to a file. Raises LoRAError where there are none."""
    found = needed_adapters(model)
    first = next(iter(found.values()))
    weights = {
        plain_name(name): {"a": layer.a.detach().cpu(), "b": layer.b.detach().cpu()}
        for name, layer in found.items()
    }
    torch.save({"rank": first.rank, "alpha": first.alpha, "adapters": weights}, Path(path))


def load_lora(model: nn.Module, path: str | PathLike) -> None:
    """Add the adapters of a file to the model they were trained on, without its adapters.

    Raises FileNotFoundError, or LoRAError where the file is none of `save_lora` or belongs to a
    model of other sizes. The frozen weights are not in the file: that they are the same is up to
    the caller.
    """
    state = read_adapters(Path(path))
    saved = state["adapters"]
    layers = linear_layers(model, {last_name(name) for name in saved})
    mine = {plain_name(name): tuple(layer.weight.shape) for name, layer in layers.items()}
    theirs = {name: (len(weights["b"]), weights["a"].shape[1]) for name, weights in saved.items()}
    if mine != theirs:
        odd = min(name for name in mine | theirs if mine.get(name) != theirs.get(name))
        raise LoRAError(
            f"{path} is of another model: {odd} has shape {theirs.get(odd)} there and "
            f"{mine.get(odd)} here. Load the model that the adapters were trained on"
        )
    add_lora(model, state["rank"], state["alpha"], {last_name(name) for name in saved})
    with torch.no_grad():
        for name, layer in adapters(model).items():
            layer.a.copy_(saved[plain_name(name)]["a"])
            layer.b.copy_(saved[plain_name(name)]["b"])


def read_adapters(path: Path) -> dict[str, Any]:
    """What `save_lora` wrote. Raises FileNotFoundError, or LoRAError for another kind of file."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: give one that save_lora wrote")
    damaged = LoRAError(f"{path} is damaged or no file of adapters: save them again")
    if not zipfile.is_zipfile(path):  # what torch.save writes, cut files excepted
        raise damaged
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)  # wherever it was written
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise damaged from error
    if not (isinstance(state, dict) and state.keys() == {"rank", "alpha", "adapters"}):
        raise LoRAError(f"{path} holds no adapters: give a file that save_lora wrote")
    return state


def adapters(model: nn.Module) -> dict[str, LoRALinear]:
    """The adapted layers of a model by their paths; none for a plain one."""
    return {path: part for path, part in model.named_modules() if isinstance(part, LoRALinear)}


def trainable_parameters(model: nn.Module) -> int:
    """How many numbers training changes.

    >>> model = nn.ModuleDict({"q_proj": nn.Linear(5, 7, bias=False)})
    >>> trainable_parameters(model)  # 5 * 7
    35
    >>> add_lora(model, rank=2, alpha=1.0, layers=["q_proj"])
    >>> trainable_parameters(model)  # 2 * (5 + 7)
    24
    """
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def needed_adapters(model: nn.Module) -> dict[str, LoRALinear]:
    """`adapters`. Raises LoRAError where there are none."""
    found = adapters(model)
    if not found:
        raise LoRAError("the model has no adapters: call add_lora or load_lora first")
    return found


def linear_layers(model: nn.Module, names: Collection[str]) -> dict[str, nn.Linear]:
    """The linear layers of these names by their paths. Raises LoRAError."""
    if adapters(model):
        raise LoRAError("the model has adapters already: merge them first, or load it afresh")
    linear = {path: part for path, part in model.named_modules() if isinstance(part, nn.Linear)}
    known = {last_name(path) for path in linear}
    if not names or set(names) - known:
        raise LoRAError(
            f"no linear layer is called {', '.join(sorted(set(names) - known)) or 'nothing'}: "
            f"choose from {', '.join(sorted(known))}"
        )
    return {path: layer for path, layer in linear.items() if last_name(path) in names}


def last_name(path: str) -> str:
    """The layer's own name in its path."""
    return path.rpartition(".")[2]


def check_rank(layer: nn.Linear, rank: int) -> None:
    """Raise LoRAError where B A could not have this rank."""
    largest = min(layer.weight.shape)
    if not 1 <= rank <= largest:
        raise LoRAError(
            f"rank={rank} is not from 1 to {largest}, the smaller side of a weight of shape "
            f"{tuple(layer.weight.shape)}: choose a smaller one, often 4 to 64"
        )


def check_alpha(alpha: int | float) -> None:
    """Raise LoRAError where the adapter would be switched off, turned round or not a number."""
    if not 0 < alpha < math.inf:
        raise LoRAError(f"alpha={alpha}: give a finite number above 0, often 1 to 2 times rank")


def check_not_shared(model: nn.Module, layer: nn.Linear) -> None:
    """Raise LoRAError where merging into this layer would change another part of the model."""
    named = model.named_parameters(remove_duplicate=False)
    owners = [name for name, parameter in named if parameter is layer.weight]
    if len(owners) > 1:
        raise LoRAError(
            f"{' and '.join(owners)} are one weight, and merging would change both: leave the "
            "layer out"
        )


def put(model: nn.Module, path: str, part: nn.Module) -> None:
    """Set the part of the model at this path."""
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, part)
