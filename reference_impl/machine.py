"""What a machine can do: arithmetic and memory traffic a second, from a data sheet or measured."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Machine:
    """Floating-point operations a second in matrix products, bytes a second to and from memory,
    and how many bytes the memory holds (0: unknown)."""

    name: str
    flops_per_second: float
    bytes_per_second: float
    memory_bytes: float = 0.0


# NVIDIA's data sheets: 16-bit matrix products without sparsity, and the bandwidth of the memory.
A100 = Machine("A100 SXM 80 GB", 312e12, 2.039e12, 80e9)
H100 = Machine("H100 SXM 80 GB", 989e12, 3.35e12, 80e9)


def measure_machine(width: int = 1024, n_bytes: int = 2**27, repeats: int = 5) -> Machine:
    """This machine in float32, with as many threads as PyTorch uses now.

    A product of two `width` x `width` matrices takes 2 * width^3 operations; copying `n_bytes`
    moves twice as many, in and out. Of `repeats` tries the fastest counts: whatever else the
    machine does can only make it slower. Choose n_bytes well above the processor's caches.
    """
    matrix = torch.randn(width, width)
    source = torch.randn(n_bytes // 4)
    target = torch.empty_like(source)
    return Machine(
        f"this machine, {torch.get_num_threads()} threads",
        2 * width**3 / shortest(lambda: matrix @ matrix, repeats),
        2 * source.nbytes / shortest(lambda: target.copy_(source), repeats),
    )


def shortest(work: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of `repeats` runs, after one that is not counted."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times[1:])
