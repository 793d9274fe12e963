"""Unit 5, attention: its exercises, in the order of the notebook."""

from grading.course.unit import Unit
from grading.units.attention import (
    attention_layer,
    attention_weights,
    causal_mask,
    grouped_query,
    merge_heads,
    padding_mask,
    read_map,
    scaled_dot_product,
    split_heads,
)

UNIT = Unit(
    slug="05_attention",
    title="Attention",
    exercises=(
        attention_weights.EXERCISE,
        scaled_dot_product.EXERCISE,
        causal_mask.EXERCISE,
        padding_mask.EXERCISE,
        split_heads.EXERCISE,
        merge_heads.EXERCISE,
        grouped_query.EXERCISE,
        attention_layer.EXERCISE,
        read_map.EXERCISE,
    ),
)
