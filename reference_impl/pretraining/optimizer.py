"""AdamW and gradient clipping, written out.

Does not handle: sparse gradients, AMSGrad, low-precision weights with a float32 copy.
"""

import math
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reference_impl.pretraining.distributed import fill, whole


@torch.no_grad()
def adamw_step(
    parameter: Float[Tensor, "..."],
    gradient: Float[Tensor, "..."],
    first_moment: Float[Tensor, "..."],
    second_moment: Float[Tensor, "..."],
    step: int,
    learning_rate: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> None:
    """Change a parameter and its two moments in place, by one step. The first step is number 1.

    - The decay is decoupled: it shrinks the parameter by learning_rate * weight_decay and never
      enters the moments, so large gradients do not shield a weight from it.
    - Both moments start at 0; dividing by 1 - beta^step takes that start out of the average.
    - `eps` is added to the root, not under it.

    Source: Loshchilov & Hutter 2019, algorithm 2. There the schedule's factor alone scales the
    decay; here, as in PyTorch, the whole learning rate does.

    >>> parameter, first, second = torch.tensor([1.0]), torch.zeros(1), torch.zeros(1)
    >>> adamw_step(parameter, torch.tensor([-5.0]), first, second, 1, 0.1, weight_decay=0.5)
    >>> parameter  # 1 - 0.1 * 0.5 * 1, then + 0.1: the first step has length learning_rate
    tensor([1.0500])
    """
    beta1, beta2 = betas
    parameter.mul_(1 - learning_rate * weight_decay)
    first_moment.lerp_(gradient, 1 - beta1)  # beta1 * first + (1 - beta1) * gradient
    second_moment.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    root = second_moment.sqrt().div_((1 - beta2**step) ** 0.5).add_(eps)
    parameter.addcdiv_(first_moment, root, value=-learning_rate / (1 - beta1**step))


class AdamW:
    """`adamw_step` for all parameters of a model.

    `parameters` is what `model.parameters()` gives, or the groups of `decay_groups`: dicts with
    `params` and, where a group has its own, `weight_decay`. Set `learning_rate` before each
    `step()` to follow a schedule. A parameter without a gradient is left as it is.
    Source: Loshchilov & Hutter 2019. The defaults are PyTorch's; language models are mostly
    trained with betas (0.9, 0.95) and weight_decay 0.1 (Touvron et al. 2023, section 2.3).
    Raises ValueError for a parameter given twice, for float16, and for settings out of range.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict],
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        given = list(parameters)
        groups = given if given and isinstance(given[0], dict) else [{"params": given}]
        self.learning_rate, self.betas, self.eps = learning_rate, betas, eps
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        self.decays = [
            group.get("weight_decay", weight_decay) for group in groups for _ in group["params"]
        ]
        check_parameters(self.parameters)
        self._check_settings()
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self.parameters]
        self.steps = [0] * len(self.parameters)

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        self._check_settings()
        for i, parameter in enumerate(self.parameters):
            if parameter.grad is not None:
                self.steps[i] += 1
                adamw_step(
                    parameter,
                    parameter.grad,
                    *self.moments[i],
                    self.steps[i],
                    self.learning_rate,
                    self.betas,
                    self.eps,
                    self.decays[i],
                )

    def _check_settings(self) -> None:
        """Raise ValueError for numbers that would destroy the weights; NaN is one."""
        decays = min(self.decays, default=0.0), max(self.decays, default=0.0)
        for name, least, number, below in (
            ("learning_rate", 0, self.learning_rate, math.inf),
            ("betas[0]", 0, self.betas[0], 1),
            ("betas[1]", 0, self.betas[1], 1),
            ("eps", 0, self.eps, math.inf),
            *(("weight_decay", 0, decay, math.inf) for decay in decays),
        ):
            if not least <= number < below:
                raise ValueError(f"{name}={number}: give a number from {least} to below {below}")

    def zero_grad(self) -> None:
        """Forget the gradients, which backward() otherwise adds to."""
        for parameter in self.parameters:
            parameter.grad = None

    def state_dict(self) -> dict:
        """What a resumed run needs: the moments and how often each parameter has moved."""
        return {"moments": self.moments, "steps": list(self.steps)}

    def load_state_dict(self, state: dict) -> None:
        """Take over a `state_dict`. Raises ValueError where it belongs to other parameters."""
        mine = [first.shape for first, _ in self.moments]
        theirs = [first.shape for first, _ in state["moments"]]
        if mine != theirs:
            raise ValueError(
                f"the state is of {len(theirs)} parameters of other shapes than these "
                f"{len(mine)}: make the optimizer of the same model, in the same groups"
            )
        for moments, saved in zip(self.moments, state["moments"], strict=True):
            for moment, value in zip(moments, saved, strict=True):
                fill(moment, value)
        self.steps = list(state["steps"])


def check_parameters(parameters: Sequence[Tensor]) -> None:
    """Raise ValueError where there is none, one is given twice, or one is float16."""
    if not parameters:
        raise ValueError("there is nothing to train: give at least one parameter")
    if len({id(parameter) for parameter in parameters}) < len(parameters):
        raise ValueError(
            "a parameter is given twice, in a list or in two groups, and would be moved twice a "
            "step: leave out the second (model.parameters() gives shared weights once)"
        )
    if any(parameter.dtype == torch.float16 for parameter in parameters):
        raise ValueError(
            "float16 cannot hold small gradients and their squares: keep the weights in float32 "
            "(train(..., mixed_precision=True) multiplies in bfloat16)"
        )


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """The model's parameters in two groups for `AdamW`: matrices decay, gains and biases do not.

    A gain that shrinks towards 0 would switch its feature off. Shared weights count once.
    Source: Brown et al. 2020, appendix B, for the size of the decay (0.1).
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]


@torch.no_grad()
def global_norm(gradients: Iterable[Float[Tensor, "..."]]) -> Float[Tensor, ""]:
    """The length of all gradients taken as one long vector.

    >>> global_norm([torch.tensor([3.0]), torch.tensor([[0.0, 4.0]])])
    tensor(5.)
    """
    squares = [whole(gradient.float().pow(2).sum()) for gradient in gradients]
    return torch.stack(squares).sum().sqrt() if squares else torch.zeros(())


def clip_gradients(parameters: Iterable[Tensor], max_norm: float) -> Float[Tensor, ""]:
    """Scale all gradients by one factor so that their `global_norm` is at most `max_norm`.

    The direction stays. Gradients that are short already stay exactly as they are: they are never
    scaled up. Returns the norm before clipping. Raises ValueError where the norm is not finite,
    since one step with it would destroy the weights, or max_norm is negative.
    Source: Pascanu et al. 2013, algorithm 1.

    >>> weight = torch.zeros(2, requires_grad=True)
    >>> weight.grad = torch.tensor([3.0, 4.0])
    >>> clip_gradients([weight], max_norm=1.0), weight.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    >>> clip_gradients([weight], max_norm=9.0), weight.grad
    (tensor(1.), tensor([0.6000, 0.8000]))
    """
    once = {id(p): p for p in parameters}.values()  # one given twice has one gradient
    gradients = [p.grad for p in once if p.grad is not None]
    if not max_norm >= 0:
        raise ValueError(f"max_norm={max_norm} is no length: give a number from 0 on")
    norm = global_norm(gradients)
    if not torch.isfinite(norm):
        raise ValueError(
            f"the gradients' norm is {norm.item()}: lower the learning rate, warm up longer, or "
            "look for a division by 0 in the loss"
        )
    if norm > max_norm:
        for gradient in gradients:
            gradient.mul_(max_norm / norm.item())
    return norm
