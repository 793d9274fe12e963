"""The feed-forward half of a block: each position on its own, no mixing between positions."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class SwiGLU(nn.Module):
    """down_proj(silu(gate_proj(x)) * up_proj(x)), without biases.

    Three matrices instead of two, so at equal parameters d_ff is 2/3 of a plain feed-forward's.
    Source: Shazeer 2020, equation 6.
    """

    def __init__(self, d_model: int, d_ff: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(d_model, d_ff, bias=False)
        self.up_proj = nn.Linear(d_model, d_ff, bias=False)
        self.down_proj = nn.Linear(d_ff, d_model, bias=False)

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        hidden = F.silu(self.gate_proj(x)) * self.up_proj(x)  # ... d_ff
        return self.down_proj(hidden)
