"""What a machine can do: arithmetic and memory traffic a second, from a data sheet or measured."""

import ctypes
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from statistics import median

import torch
from torch.utils._pytree import tree_map

from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.pretraining.optimizer import AdamW, decay_groups
from reference_impl.scaling_laws.operations import Operand, Operation, record_step, run_step

Clock = Callable[[], float]


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


MMAP_THRESHOLD = -3  # the number of this setting in glibc's malloc.h


def return_freed_memory(at_least: int = 2**16) -> bool:
    """From now on, give memory of `at_least` bytes back to the system when its tensor is freed.

    glibc otherwise keeps most of it, in pieces that often fit no later tensor: the process holds
    more than its tensors. The price is time: each new tensor gets fresh pages, which the system
    clears first. Returns whether it was done: elsewhere than under glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(MMAP_THRESHOLD, at_least) == 1


def measure_machine(
    width: int = 1024,
    n_bytes: int = 2**27,
    repeats: int = 5,
    clock: Clock = time.perf_counter,
) -> Machine:
    """This machine in float32, with as many threads as PyTorch uses now.

    A product of two `width` x `width` matrices takes 2 * width^3 operations; copying `n_bytes`
    moves twice as many, in and out. Of `repeats` tries the fastest counts: whatever else the
    machine does can only make it slower. Choose n_bytes well above the processor's caches. On a
    busy machine take one thread and `time.process_time` as the clock.
    """
    matrix = torch.randn(width, width)
    source = torch.randn(n_bytes // 4)
    target = torch.empty_like(source)
    return Machine(
        f"this machine, {torch.get_num_threads()} threads",
        2 * width**3 / shortest(lambda: matrix @ matrix, repeats, clock),
        2 * source.nbytes / shortest(lambda: target.copy_(source), repeats, clock),
    )


def shortest(work: Callable[[], object], repeats: int, clock: Clock = time.perf_counter) -> float:
    """Seconds of the fastest of `repeats` runs, after one that is not counted."""
    times = []
    for _ in range(repeats + 1):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times[1:])


@dataclass(frozen=True)
class Rates:
    """How long single operations take on a machine: measured once, for models of any size.

    `overhead` are the seconds that any operation takes, however small: Python, autograd and
    PyTorch's way to its kernel. `products` holds, for one product (False) and for many side by
    side (True), the seconds of a floating-point operation by rows, inner size and columns.
    `passes` holds for each kind of all other operations the seconds of a byte by how many bytes
    are read and written; a kind that is not in it was only seen small, and is all overhead.
    `slowdown` is how many times longer a whole step takes than the sum of its operations timed
    alone. Alone, an operation writes its result where the last one was: in memory that the
    process holds already and the caches know. In a step that memory is often fresh, and the
    system must find and clear each page of it. Whatever else a step adds is in it, too.
    """

    overhead: float
    products: dict[bool, dict[tuple[int, ...], float]]
    passes: dict[str, dict[int, float]]
    slowdown: float = 1.0

    def seconds(self, operation: Operation) -> float:
        """The time of an operation in a step, between the measured sizes by interpolation."""
        return self.slowdown * self._seconds_alone(operation)

    def _seconds_alone(self, operation: Operation) -> float:
        if operation.view or (not operation.product and operation.kind not in self.passes):
            return self.overhead
        if (sizes := operation.product) is not None:
            n_products, *matrix = sizes
            rate = interpolate(self.products[n_products > 1], matrix)
            return self.overhead + 2 * math.prod(sizes) * rate
        points = {(n_bytes,): rate for n_bytes, rate in self.passes[operation.kind].items()}
        return self.overhead + operation.n_bytes * interpolate(points, [operation.n_bytes])


def interpolate(table: dict[tuple[int, ...], float], point: Sequence[int]) -> float:
    """The value at `point` of a table on a grid, straight lines between logarithms.

    Outside the grid it is that of the nearest point of its edge.

    >>> interpolate({(10,): 2.0, (1000,): 8.0}, [100])
    4.0
    """
    corners = []  # for each axis two neighbours on the grid, each with its weight
    for axis, x in enumerate(point):
        grid = sorted({key[axis] for key in table})
        x = min(max(x, grid[0]), grid[-1])
        high = next(i for i, size in enumerate(grid) if size >= x)
        low = max(high - 1, 0)
        step = math.log(grid[high] / grid[low]) or 1.0
        share = math.log(x / grid[low]) / step
        corners.append([(grid[low], 1 - share), (grid[high], share)])
    total = 0.0
    for corner in product(*corners):
        weight = math.prod(share for _, share in corner)
        total += weight * math.log(table[tuple(size for size, _ in corner)])
    return math.exp(total)


TINY = ModelConfig(16, 8, d_model=8, n_layers=1, n_heads=2, n_kv_heads=1, head_dim=4, d_ff=16)
SAMPLES = [  # one block at sizes from small to large: (config, batch, seq)
    (TINY, 1, 4),
    (ModelConfig(300, 99, 96, 1, 3, n_kv_heads=1, head_dim=32, d_ff=250), 1, 40),
    (ModelConfig(600, 99, 160, 1, 5, n_kv_heads=1, head_dim=32, d_ff=420), 3, 99),
    (ModelConfig(2500, 420, 224, 1, 7, n_kv_heads=7, head_dim=32, d_ff=600), 2, 420),
    (ModelConfig(5000, 700, 320, 1, 5, n_kv_heads=1, head_dim=64, d_ff=900), 3, 700),
    (ModelConfig(9000, 1500, 640, 1, 10, n_kv_heads=5, head_dim=64, d_ff=1700), 1, 1500),
]
STEPS = [  # whole models, of several blocks: (config, batch, seq)
    (ModelConfig(1500, 150, 160, 5, 5, n_kv_heads=1, head_dim=32, d_ff=420), 3, 150),
    (ModelConfig(3000, 330, 320, 3, 5, n_kv_heads=5, head_dim=64, d_ff=900), 2, 330),
    (ModelConfig(12000, 180, 448, 7, 7, n_kv_heads=7, head_dim=64, d_ff=1200), 2, 180),
]


def measure_rates(
    samples=SAMPLES,
    steps=STEPS,
    sizes=(16, 64, 256, 1024),
    repeats: int = 2,
    clock: Clock = time.perf_counter,
) -> Rates:
    """Time every kind of operation of a training step alone, and matrix products on a grid.

    Takes about a minute. `samples` only say with which shapes the operations are timed; `steps`
    are timed whole, for the slowdown. On a busy machine take one thread and `time.process_time`
    as the clock.
    """
    recorded = [record_step(*sample)[0] for sample in samples]
    rates = Rates(
        0.0,
        {
            many: measure_products(sizes, 16 if many else 1, repeats, clock)
            for many in (False, True)
        },
        measure_passes([operation for step in recorded for operation in step], repeats, clock),
    )
    small = [(recorded[i], measure_step(*samples[i], repeats, clock)) for i in (1, 2)]
    rates = replace(rates, overhead=left_over(rates, small))
    whole = [(record_step(*step)[0], measure_step(*step, repeats, clock)) for step in steps]
    return replace(rates, slowdown=slowdown(rates, whole))


def measure_step(config: ModelConfig, batch: int, seq: int, repeats: int, clock: Clock) -> float:
    """Seconds of a whole training step."""
    model = Decoder(config)
    optimizer = AdamW(decay_groups(model, 0.1))
    token_ids = torch.zeros(batch, seq, dtype=torch.int64)
    n_bytes = record_step(config, batch, seq)[1]  # says only how often the step is timed
    return typical(run_step, lambda: [model, optimizer, token_ids], n_bytes, repeats, clock)


def left_over(rates: Rates, steps: list[tuple[tuple[Operation, ...], float]]) -> float:
    """What is left of small steps, given with their seconds, for each of their operations.

    It is measured in real steps, where it is more than in a row of equal calls: Python's and
    PyTorch's own code and data leave the caches in between, too.
    """
    left = [seconds - sum(map(rates.seconds, operations)) for operations, seconds in steps]
    return max(sum(left), 0.0) / sum(len(operations) for operations, _ in steps)


def slowdown(rates: Rates, steps: list[tuple[tuple[Operation, ...], float]]) -> float:
    """How many times longer steps take, given with their seconds, than `rates` say: the median."""
    return median(seconds / sum(map(rates.seconds, operations)) for operations, seconds in steps)


def measure_products(
    sizes: Iterable[int], n_products: int, repeats: int, clock: Clock
) -> dict[tuple[int, ...], float]:
    """Seconds of a floating-point operation for products of every shape from `sizes`."""
    rates = {}
    for rows, inner, columns in product(sizes, repeat=3):

        def operands(shapes=((rows, inner), (columns, inner))) -> list[torch.Tensor]:
            left, right = (torch.randn(n_products, *shape).squeeze(0) for shape in shapes)
            return [left, right.mT]

        n_bytes = 4 * n_products * (rows * inner + inner * columns + rows * columns)
        seconds = typical(torch.matmul, operands, n_bytes, repeats, clock)
        rates[rows, inner, columns] = seconds / (2 * n_products * rows * inner * columns)
    return rates


@torch.no_grad()
def measure_passes(
    operations: Iterable[Operation], repeats: int, clock: Clock
) -> dict[str, dict[int, float]]:
    """Seconds of a byte by kind and by bytes, these rounded to powers of 4.

    What the smallest operation of a kind takes is overhead, and left out.
    """
    distinct = {repr(each): each for each in operations if each.outputs and not each.view}
    samples = defaultdict(list)
    for operation in distinct.values():
        if operation.product is None:
            args = partial(tree_map, _concrete, operation.arguments[0])
            call = partial(operation.function, **tree_map(_concrete, operation.arguments[1]))
            seconds = typical(call, args, operation.n_bytes, repeats, clock)
            samples[operation.kind].append((operation.n_bytes, seconds))
    rates = {kind: _rates_by_size(points) for kind, points in samples.items()}
    return {kind: by_size for kind, by_size in rates.items() if by_size}


def typical(
    call: Callable, operands: Callable[[], list], n_bytes: int, repeats: int, clock: Clock
) -> float:
    """Seconds of `call(*operands())`: the median of several times.

    The operands change from call to call, up to 8 sets and 256 MB, because in a step they were
    made some time ago: large ones have left the processor's caches, and small ones have not.
    """
    sets = [operands() for _ in range(min(max(2**28 // max(n_bytes, 1), 2), 8))]
    times = []
    for given in sets[-1:] + sets * repeats:
        start = clock()
        call(*given)
        times.append(clock() - start)
    return median(times[1:])


def _concrete(argument: object) -> object:
    """An argument on the real device: tensors with numbers for operands."""
    if isinstance(argument, Operand):
        return argument.filled()
    return torch.device("cpu") if isinstance(argument, torch.device) else argument


def _rates_by_size(points: list[tuple[int, float]]) -> dict[int, float]:
    """Seconds of a byte from (bytes, seconds), together where the bytes are about the same."""
    floor = min(seconds for _, seconds in points)
    groups = defaultdict(list)
    for n_bytes, seconds in points:
        groups[4 ** round(math.log(max(n_bytes, 1), 4))].append((n_bytes, seconds - floor))
    totals = {
        size: [sum(column) for column in zip(*group, strict=True)] for size, group in groups.items()
    }
    return {size: seconds / n_bytes for size, (n_bytes, seconds) in totals.items() if seconds > 0}
