"""Checkpoints: what a killed run needs to go on as if nothing had happened.

A checkpoint is written beside its place and then renamed, so that at every moment there is either
all of it or none. Its name carries a digest of its bytes; a damaged one is noticed when it is
read. It does not depend on the number of processes, and holds no random state, since training
draws everything from (seed, step).
"""

import hashlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from reference_impl.pretraining.distributed import World, fill, plain_name, unwrapped, whole
from reference_impl.pretraining.optimizer import AdamW

DIGEST_LENGTH = 16  # hex digits of SHA-256: against damage, not against forgery


class CheckpointError(Exception):
    """A checkpoint that cannot be used, and what to do about it."""


@dataclass(frozen=True)
class Checkpoints:
    """A folder of checkpoints: one after every `every` steps, of which the last `keep` stay."""

    folder: Path
    every: int
    keep: int = 2

    def __post_init__(self) -> None:
        if min(self.every, self.keep) < 1:
            raise ValueError(
                f"every={self.every} and keep={self.keep} must be 1 or more; keep=2 leaves one to "
                "fall back on"
            )

    def paths(self) -> list[Path]:
        """The finished checkpoints, the newest first."""
        return sorted(Path(self.folder).glob("step-*.pt"), reverse=True)

    def save(
        self, n_steps: int, model: nn.Module, optimizer: AdamW, world: World | None = None
    ) -> None:
        """Write the state after `n_steps` steps, and remove checkpoints that are no longer kept.

        Every process must call it: pieces are gathered from all, and process 0 writes.
        """
        world = world or World()
        state = {
            "n_steps": n_steps,
            "model": {name: whole(tensor) for name, tensor in named_state(model).items()},
            "optimizer": _gathered(optimizer.state_dict()),
        }
        if world.rank == 0:
            write_checkpoint(Path(self.folder), state)
            for path in self.paths()[self.keep :]:
                path.unlink()
        world.agree(None)  # nobody goes on before the file is there

    def restore(self, model: nn.Module, optimizer: AdamW, world: World | None = None) -> int:
        """Take over the newest checkpoint that is whole; returns how many steps it has behind it.

        0 where there is none. A damaged one is passed over with a warning. Raises
        CheckpointError where all are damaged, or where one is of another model.
        """
        world = world or World()
        path = world.agree(newest_whole(self.paths()) if world.rank == 0 else None)
        if isinstance(path, CheckpointError):
            raise path
        if path is None:
            return 0
        state = read_checkpoint(path)
        current = named_state(model)
        mine = {name: tensor.shape for name, tensor in current.items()}
        theirs = {name: tensor.shape for name, tensor in state["model"].items()}
        if mine != theirs:
            odd = sorted(name for name in mine | theirs if mine.get(name) != theirs.get(name))
            raise CheckpointError(
                f"{path} is of another model: {odd[0]} has shape {theirs.get(odd[0])} there and "
                f"{mine.get(odd[0])} here. Give the same config, or another folder"
            )
        for name, tensor in current.items():
            fill(tensor, state["model"][name])
        optimizer.load_state_dict(state["optimizer"])
        return state["n_steps"]


def named_state(model: nn.Module) -> dict[str, Tensor]:
    """The model's tensors under the names they have in the plain model, compiled or not."""
    return {plain_name(name): tensor for name, tensor in unwrapped(model).state_dict().items()}


def write_checkpoint(folder: Path, state: dict) -> Path:
    """Write `state` as a file of `folder` in one indivisible act; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / "draft.tmp"  # one name, so that a killed writer leaves one file at most
    with draft.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())  # on the disk, before the name says that it is
    path = folder / f"step-{state['n_steps']:09d}-{_digest(draft)}.pt"
    os.replace(draft, path)
    return path


def read_checkpoint(path: Path) -> dict:
    """The state in a checkpoint. Raises CheckpointError where its bytes are not those written."""
    check_digest(path)
    return torch.load(path, map_location="cpu", weights_only=True)  # wherever it was written


def check_digest(path: Path) -> None:
    """Raise CheckpointError where a checkpoint's bytes are not those that were written."""
    expected, found = path.stem.rpartition("-")[2], _digest(path)
    if found != expected:
        raise CheckpointError(
            f"{path} is damaged: its bytes give the digest {found}, its name says {expected}. "
            "Delete it and resume from an older one, or copy it again from where it is whole"
        )


def newest_whole(paths: list[Path]) -> Path | CheckpointError | None:
    """The first of the paths that is not damaged, or the error if all are; None if there is none.

    Each one passed over is reported in a warning.
    """
    for path in paths:
        try:
            check_digest(path)
            return path
        except CheckpointError as error:
            if path == paths[-1]:
                return error
            warnings.warn(f"{error}. The one before it is used", stacklevel=2)
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGEST_LENGTH]


def _gathered(state: dict) -> dict:
    moments = [tuple(whole(moment) for moment in pair) for pair in state["moments"]]
    return state | {"moments": moments}
