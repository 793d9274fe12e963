"""Next-token loss and the figures made of it: perplexity and bits per byte.

Losses are in nats (natural logarithm) until `bits_per_byte` changes the unit.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

LARGEST_EXPONENT = 709  # e to the power of 710 is beyond float64
IGNORE_ID = -100  # a target that is no token: padding, or text the model need not predict


def token_losses(
    logits: Float[Tensor, "... vocab"],
    targets: Int[Tensor, "..."],
    ignore_id: int = IGNORE_ID,
) -> Float[Tensor, "..."]:
    """Minus the log-probability of each target, in nats; exactly 0 where it is `ignore_id`.

    log softmax(logits)[target] = logits[target] - log sum exp(logits). The two are subtracted as
    they are, without a softmax between, which would round small probabilities to 0.
    Half-precision logits are taken to float32. Source: Bengio et al. 2003, section 2.

    >>> logits = torch.tensor([[0.0, 0.0], [0.0, 1000.0]])
    >>> token_losses(logits, torch.tensor([1, 0]))  # ln 2; and 1000, not infinity
    tensor([6.9315e-01, 1.0000e+03])
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    # The largest becomes 0: no exponential overflows, and small losses keep all their digits.
    # The softmax does not change, so no gradient has to pass through the maximum.
    logits = logits - logits.detach().max(dim=-1, keepdim=True).values  # ... vocab
    ignored = targets == ignore_id
    index = targets.masked_fill(ignored, 0).long()  # any valid id: the result is not used
    target_logits = logits.gather(-1, index[..., None]).squeeze(-1)
    return (logits.logsumexp(dim=-1) - target_logits).masked_fill(ignored, 0.0)


def cross_entropy(
    logits: Float[Tensor, "... vocab"],
    targets: Int[Tensor, "..."],
    ignore_id: int = IGNORE_ID,
) -> Float[Tensor, ""]:
    """Mean of `token_losses` over the real tokens: those that are not `ignore_id`.

    Every real token weighs the same, however the tokens are spread over rows and batches. A mean
    of the rows' means would give tokens of short rows more weight. Without any real token the
    loss and its gradients are 0. A model that knows nothing scores ln(vocab).

    >>> logits = torch.zeros(2, 2, 8)  # 2 rows, 2 positions, every token as likely as any other
    >>> cross_entropy(logits, torch.tensor([[3, 5], [1, -100]]))  # ln 8
    tensor(2.0794)
    """
    n_real = (targets != ignore_id).sum().clamp(min=1)
    return token_losses(logits, targets, ignore_id).sum() / n_real


def perplexity(loss: float) -> float:
    """exp(loss), for a mean loss in nats a token: among how many equal choices the model wavers.

    It depends on the tokenizer: compare it only between models with the same one.
    Source: Jelinek et al. 1977.

    >>> round(perplexity(math.log(8)), 6)
    8.0
    """
    return math.inf if loss > LARGEST_EXPONENT else math.exp(loss)


def bits_per_byte(loss: float, n_tokens: int, n_bytes: int) -> float:
    """How many bits the model needs for a byte of the text, whatever the tokenizer.

    `loss` is the mean in nats over `n_tokens` predicted tokens, and `n_bytes` the UTF-8 length of
    the text that these tokens spell (`len(text.encode())`, not its number of characters).
    Raises ValueError unless both counts are above 0. Source: Gao et al. 2020, section 3.1.

    >>> bits_per_byte(math.log(8), n_tokens=10, n_bytes=20)  # 3 bits a token, 2 bytes a token
    1.5
    """
    if n_tokens <= 0 or n_bytes <= 0:
        raise ValueError(
            f"n_tokens={n_tokens} and n_bytes={n_bytes} must be above 0: "
            "count the tokens predicted, and the bytes of the text they spell"
        )
    return loss * n_tokens / (math.log(2) * n_bytes)
