"""What a decoder costs, before it is built: parameters, operations, bytes and time.

All of it follows from the config. The counts of parameters, operations and kept activations are
exact for `decoder.Decoder`. Time comes in two forms: the least that a machine's data sheet allows,
and what a step will take on a machine whose rates were measured.
Does not handle: kernels that never store the attention weights, pipeline and tensor parallelism.
"""

from dataclasses import dataclass

from reference_impl.decoder.config import ModelConfig
from reference_impl.scaling_laws.machine import Machine, Rates
from reference_impl.scaling_laws.operations import record_step


@dataclass(frozen=True)
class ParameterCounts:
    """How many learned numbers each part holds, over all layers.

    `output` is the table of the output layer: 0 where it is the embedding's.
    """

    embedding: int
    attention: int
    feed_forward: int
    norms: int
    output: int

    @property
    def total(self) -> int:
        """All parameters; the N of Hoffmann et al. 2022."""
        return self.embedding + self.non_embedding + self.output

    @property
    def non_embedding(self) -> int:
        """Without the tables of embedding and output; the N of Kaplan et al. 2020."""
        return self.attention + self.feed_forward + self.norms


def parameter_counts(config: ModelConfig) -> ParameterCounts:
    """Count the parameters of `Decoder(config)`.

    >>> parameter_counts(ModelConfig(10, 8, d_model=4, n_layers=1, n_heads=2, n_kv_heads=1,
    ...                              head_dim=2, d_ff=6))  # attention 4 * (4 + 2 + 2) + 4 * 4
    ParameterCounts(embedding=40, attention=48, feed_forward=72, norms=12, output=0)
    """
    table = config.vocab_size * config.d_model
    q_width, kv_width = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
    return ParameterCounts(
        embedding=table,
        attention=config.n_layers * config.d_model * (2 * q_width + 2 * kv_width),
        feed_forward=config.n_layers * 3 * config.d_model * config.d_ff,
        norms=(2 * config.n_layers + 1) * config.d_model,
        output=0 if config.tied_embeddings else table,
    )


def forward_flops(config: ModelConfig, batch: int, q_seq: int, kv_seq: int | None = None) -> int:
    """Floating-point operations of all matrix products of one forward pass.

    `q_seq` tokens are run for each of `batch` sequences and attend to `kv_seq` positions (default:
    q_seq; more with a cache). A product of m x k and k x n counts 2 m k n. The causal half of the
    scores is computed and then masked, so it counts. Norms, softmax and rotations are left out:
    they grow with the widths, not with their products. Source: Kaplan et al. 2020, table 1.

    >>> forward_flops(ModelConfig(10, 8, d_model=4, n_layers=1, n_heads=2, n_kv_heads=1,
    ...                           head_dim=2, d_ff=6), batch=1, q_seq=3)
    1104
    >>> 2 * 3 * (48 + 72 + 10 * 4) + 2 * 2 * 3 * 3 * 2 * 2  # weights; then scores and averages
    1104
    """
    kv_seq = q_seq if kv_seq is None else kv_seq
    counts = parameter_counts(config)
    in_products = counts.attention + counts.feed_forward + config.vocab_size * config.d_model
    q_width = config.n_heads * config.head_dim
    scores_and_averages = 2 * (2 * batch * q_seq * kv_seq * q_width) * config.n_layers
    return 2 * batch * q_seq * in_products + scores_and_averages


def training_flops(config: ModelConfig, batch: int, seq: int) -> int:
    """Operations of one training step: forward, and twice that backward.

    Each product y = x W needs two more of its size: for the gradient of x and of W. The usual
    estimate 6 N D (`scaling.training_flops`) leaves out attention's own products and counts the
    table of an untied embedding, which is only read, as if it were multiplied.
    """
    return 3 * forward_flops(config, batch, seq)


@dataclass(frozen=True)
class TrainingBytes:
    """Bytes that training needs at the same time, part by part."""

    weights: int
    gradients: int
    optimizer: int
    activations: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations


# Bytes for each parameter: weights, gradients, and what AdamW keeps. With 16-bit weights it also
# keeps them in 32 bits, else small updates would be rounded away (Micikevicius et al. 2018;
# the sum of 16 bytes: Rajbhandari et al. 2020, section 3.1).
BYTES_PER_PARAMETER = {"float32": (4, 4, 8), "mixed": (2, 2, 12)}


def state_bytes(n_parameters: int, precision: str = "float32") -> TrainingBytes:
    """Bytes for weights, gradients and AdamW's state, whatever the batch.

    Raises ValueError for a precision other than "float32" and "mixed".

    >>> state_bytes(1000, "mixed")
    TrainingBytes(weights=2000, gradients=2000, optimizer=12000, activations=0)
    """
    if precision not in BYTES_PER_PARAMETER:
        raise ValueError(
            f"precision={precision!r} is unknown: choose one of {', '.join(BYTES_PER_PARAMETER)}"
        )
    return TrainingBytes(*(n_parameters * n_bytes for n_bytes in BYTES_PER_PARAMETER[precision]))


def activation_bytes(config: ModelConfig, batch: int, seq: int) -> int:
    """Bytes that a float32 forward pass and `cross_entropy` keep for the backward pass.

    Each operation keeps what its derivative needs. The two tables of attention weights for each
    head (before and after masking) grow with seq^2 and soon outweigh all else; kernels that
    compute them again instead do not keep them (Dao et al. 2022).
    """
    tokens, q_width = batch * seq, config.n_heads * config.head_dim
    norm = tokens * (3 * config.d_model + 1)  # its input, scaled, scaled by the gain; 1 / root
    attention = 4 * tokens * q_width  # q, k and v as the heads see them, what o_proj reads
    attention += 2 * batch * config.n_heads * seq**2  # weights, before and after masking
    attention += 2 * seq * config.head_dim  # cosines and sines, for q and for k
    feed_forward = 4 * tokens * config.d_ff  # gate, silu(gate), up, their product
    layer = 2 * norm + attention + feed_forward
    loss = tokens * (config.vocab_size + 1)  # the logits and the log of their sum
    masks = config.n_layers * 2 * seq**2  # one byte each
    targets = tokens * (8 + 1) + 8  # ids, which are ignored, how many are real
    return 4 * (config.n_layers * layer + norm + loss) + masks + targets


def training_bytes(config: ModelConfig, batch: int, seq: int) -> TrainingBytes:
    """Bytes that training `Decoder(config)` with AdamW in float32 holds at the end of forward."""
    state = state_bytes(parameter_counts(config).total)
    kept = activation_bytes(config, batch, seq)
    return TrainingBytes(state.weights, state.gradients, state.optimizer, kept)


def kv_cache_bytes(config: ModelConfig, batch: int, seq: int, bytes_per_number: int = 2) -> int:
    """Bytes of the keys and values of `seq` positions in every layer, for `batch` sequences.

    Only the KV heads count, which is what grouped-query attention is for.

    >>> kv_cache_bytes(LLAMA2_70B, batch=1, seq=4096)
    1342177280
    """
    per_position = 2 * config.n_layers * config.n_kv_heads * config.head_dim
    return batch * seq * per_position * bytes_per_number


def peak_bytes(config: ModelConfig, batch: int, seq: int) -> int:
    """The most bytes that a training step with AdamW in float32 holds at one time.

    Weights and moments stay. Of the rest (gradients, activations, what the backward pass makes
    for a moment) the step is followed tensor by tensor: many logits or much attention peak at the
    start of the backward pass, when all activations are there; many parameters at its end.
    """
    state = state_bytes(parameter_counts(config).total)
    return state.weights + state.optimizer + record_step(config, batch, seq)[1]


def least_step_seconds(config: ModelConfig, batch: int, seq: int, machine: Machine) -> float:
    """The least time of one float32 training step on `machine`.

    Products at the machine's full rate; then the kept activations written and read once, and of
    each parameter the weight, gradient and two moments read and all but the gradient written.
    """
    products = training_flops(config, batch, seq) / machine.flops_per_second
    optimizer = 7 * 4 * parameter_counts(config).total
    traffic = 2 * activation_bytes(config, batch, seq) + optimizer
    return products + traffic / machine.bytes_per_second


def step_seconds(config: ModelConfig, batch: int, seq: int, rates: Rates) -> float:
    """The time of one float32 training step where `rates` were measured.

    The sum over the step's operations: products by their shapes, all others by their bytes, and
    the overhead of each.
    """
    return sum(rates.seconds(operation) for operation in record_step(config, batch, seq)[0])


@dataclass(frozen=True)
class TrainingPlan:
    """A pretraining run to be costed.

    `utilisation` is the share of the machines' rate that the model's own operations get
    (Chowdhery et al. 2022, section 4.1: 0.46 for PaLM, about 0.2 to 0.3 for its forerunners).
    """

    name: str
    config: ModelConfig
    n_tokens: int | float
    machine: Machine
    n_machines: int
    utilisation: float = 0.4

    @property
    def flops(self) -> float:
        """Operations of the whole run, in sequences of the full context."""
        seq = self.config.context_length
        return training_flops(self.config, 1, seq) / seq * self.n_tokens

    @property
    def machine_hours(self) -> float:
        """Hours of one machine; the run takes this divided by n_machines."""
        return self.flops / (self.machine.flops_per_second * self.utilisation) / 3600


# The sizes of two published models (Zhang et al. 2024; Touvron et al. 2023b).
TINYLLAMA_1B = ModelConfig(
    32000, 2048, 2048, 22, 32, n_kv_heads=4, head_dim=64, d_ff=5632, tied_embeddings=False
)
LLAMA2_70B = ModelConfig(
    32000, 4096, 8192, 80, 64, n_kv_heads=8, head_dim=128, d_ff=28672, tied_embeddings=False
)


def plan_table(plans: list[TrainingPlan]) -> str:
    """A Markdown table with a column for each plan: size, compute, time and memory.

    State is weights, gradients and AdamW's numbers in mixed precision. Layer inputs are what is
    kept of one context, in 16 bits, where all else is computed again (Chen et al. 2016).
    """
    figures = [_plan_figures(plan) for plan in plans]
    head = f"| Plan | {' | '.join(plan.name for plan in plans)} |"
    rule = "| --- |" + " ---: |" * len(plans)
    rows = [f"| {name} | {' | '.join(f[name] for f in figures)} |" for name in figures[0]]
    return "\n".join((head, rule, *rows))


def _plan_figures(plan: TrainingPlan) -> dict[str, str]:
    config, counts = plan.config, parameter_counts(plan.config)
    six_nd = 6 * counts.total * plan.n_tokens
    state = state_bytes(counts.total, "mixed").total
    seq = config.context_length
    return {
        "Parameters": f"{counts.total / 1e9:.2f} billion",
        "in embedding and output": f"{1 - counts.non_embedding / counts.total:.1%}",
        "Tokens": f"{_short(plan.n_tokens / 1e9)} billion",
        "per parameter": f"{plan.n_tokens / counts.total:.1f}",
        "Operations, 6ND": f"{six_nd:.2e}",
        "exactly": f"{plan.flops:.2e} ({plan.flops / six_nd - 1:+.1%})",
        "Petaflop/s-days": _short(plan.flops / 8.64e19),
        "Machines": f"{plan.n_machines:,} {plan.machine.name} at {plan.utilisation:.0%}",
        "Machine hours": f"{plan.machine_hours:,.0f}",
        "Days": f"{plan.machine_hours / plan.n_machines / 24:,.1f}",
        "State": f"{_short(state / 1e9)} GB",
        "on each machine, divided": f"{state / plan.n_machines / 1e9:,.2f} GB",
        "Context": f"{seq:,} tokens",
        "layer inputs of one": f"{2 * seq * config.d_model * config.n_layers / 1e9:.2f} GB",
        "KV cache of one": f"{kv_cache_bytes(config, 1, seq) / 1e9:.2f} GB",
    }


def _short(number: float) -> str:
    """Whole from 10 on, else two digits.

    >>> _short(6700.4), _short(2.155)
    ('6,700', '2.2')
    """
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"
