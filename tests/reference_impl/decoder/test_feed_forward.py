import torch
from transformers.models.llama.modeling_llama import LlamaConfig, LlamaMLP

from reference_impl.decoder.feed_forward import SwiGLU


def test_same_as_llama():
    torch.manual_seed(0)
    theirs = LlamaMLP(
        LlamaConfig(
            hidden_size=6, intermediate_size=13, num_attention_heads=1, num_key_value_heads=1
        )
    )
    ours = SwiGLU(6, 13)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 6)
    torch.testing.assert_close(ours(x), theirs(x))


def test_positions_do_not_mix():
    torch.manual_seed(0)
    layer = SwiGLU(6, 13)
    x = torch.randn(1, 4, 6)
    changed = x.clone()
    changed[0, 2] += 1.0
    moved = (layer(changed) - layer(x)).abs().sum(dim=-1)[0] > 0
    assert moved.tolist() == [False, False, True, False]
