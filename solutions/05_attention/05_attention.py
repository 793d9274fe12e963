# %% [markdown]
# # Exercises: Attention
#
# In this notebook you write ten short functions. Together they are the attention layer of a
# modern language model. In between you tell six broken layers apart; at the end your layer runs
# on the weights of SmolLM2-135M, and you read off where that model looks. Plan about 110 minutes;
# every exercise says how long it takes. All but 5 and 11 need the core path of the chapter alone.
#
# **How checking works.** Replace `raise NotImplementedError()` by your code, run the cell, then
# run the `check` cell below it. The verdict comes within a second: right, or what goes wrong and
# where. Where your answer shows a known misunderstanding, the verdict says which one and links to
# the section that clears it up. The inputs are new each time, and you can check as often as you
# like. Demonstration cells use your functions. While one is missing, they say so and go on. Where
# a hint is not enough, `course solution attention/NAME` shows a worked solution.
#
# **How to read a signature.** `Float[Tensor, "batch seq d_model"]` is a tensor of floats whose
# axes have these names. `...` stands for any axes in front, `#` for an axis that may have size 1,
# and a `1` for an axis that does. Masks are boolean, and True means *may attend*. Nothing checks
# these words while you work: they are there for you.

# %% tags=["setup"]
import math

import matplotlib.pyplot as plt
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grading import check, demonstration, question

_ = torch.manual_seed(0)  # the demonstrations show the same numbers each time
torch.set_num_threads(1)  # a second one costs more than it does on tensors this small
torch.set_printoptions(precision=2, sci_mode=False)

# %% [markdown]
# ## 1. Scores
#
# {{attention/scores}}
#
# A warm-up. A query asks, keys answer, and the dot product of the two says how well they fit.
# Write down all of them: each query with each key, a row for each query. Nothing is scaled yet,
# and nothing is turned into shares.
#
# <details><summary>Hint</summary>
#
# Many dot products at once are one matrix product. `q @ k` would pair the features of a query with
# the positions of the keys: one of the two has to be turned round.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# `k.mT` swaps the last two axes, and leaves alone whatever stands in front of them.
#
# </details>


# %% exercise="attention/scores"
def scores(
    q: Float[Tensor, "... q_seq head_dim"], k: Float[Tensor, "... kv_seq head_dim"]
) -> Float[Tensor, "... q_seq kv_seq"]:
    """The dot product of each query with each key: row i is of query i, column j of key j.

    As they are: not scaled, no mask, no softmax. The axes in front are the same in q and k, and
    each of their entries has scores of its own.

    >>> q = torch.tensor([[2.0, 2.0]])  # one query
    >>> k = torch.tensor([[0.0, 0.0], [1.5, 0.0], [0.5, 0.5]])  # three keys
    >>> scores(q, k)  # such as 2 * 1.5 + 2 * 0 = 3
    tensor([[0., 3., 2.]])
    """
    return q @ k.mT  # ... q_seq kv_seq


# %% [markdown]
# The token *bank* asks three tokens. Which of them fits its query best?

# %% tags=["demo"]
three = ["the", "river", "bank"]
three_keys = torch.tensor([[0.0, 1.0], [3.0, 0.0], [1.0, 1.0]])  # kv_seq head_dim
bank_query = torch.tensor([[1.0, 0.5]])  # q_seq head_dim
with demonstration():
    for word, score in zip(three, scores(bank_query, three_keys)[0].tolist(), strict=True):
        print(f"{word:5} {score:.1f}")

# %% [markdown]
# ## 2. Attention weights
#
# {{attention/attention_weights}}
#
# The weights are the scores, scaled, and turned into shares by a softmax. A mask decides which
# keys a query may see at all. Begin without the mask: that part earns points of its own. (The
# check does not ask for the half precision that the docstring names.)
#
# <details><summary>Hint</summary>
#
# Four steps: all dot products at once, the scale, the mask, the softmax. Count axes from the end,
# and it does not matter how many there are in front.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# `k.mT` swaps the last two axes. Hide what the mask forbids with `masked_fill` before the
# softmax. What does the softmax make of a row in which everything is hidden? Such a row shall be
# 0: hide once more, afterwards.
#
# </details>

# %% exercise="attention/attention_weights"
from reference_impl.decoder.attention import attention_weights

# %% [markdown]
# *Bank* asks again. See what happens to its weights as its query grows: the order of the scores
# stays, the choice hardens.

# %% tags=["demo"]
with demonstration():
    for factor in (0, 1, 3, 9):
        [row] = attention_weights(factor * bank_query, three_keys).tolist()
        shares = ", ".join(f"{word} {share:.2f}" for word, share in zip(three, row, strict=True))
        print(f"query times {factor}: {shares}")

# %% [markdown]
# ## 3. Scaled dot-product attention
#
# {{attention/scaled_dot_product}}
#
# The weights say where to look; the values are what is gathered there. Each query gets the
# average of the values, weighted by its row. Build on the function you just wrote.
#
# <details><summary>Hint</summary>
#
# An average of many vectors with many sets of weights is one matrix product.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# The weights are q_seq by kv_seq, the values kv_seq by head_dim. The axis that both have is the
# one that is summed over.
#
# </details>

# %% exercise="attention/scaled_dot_product"
from reference_impl.decoder.attention import scaled_dot_product_attention

# %% [markdown]
# Each of the three tokens hands over a value. Before you run the cell: which of the three will
# most of *bank*'s output come from, and which numbers will it be near?

# %% tags=["demo"]
three_values = torch.tensor([[0.0, 0.0, 1.0], [0.0, 10.0, 0.0], [5.0, 0.0, 0.0]])
with demonstration():
    mixture = scaled_dot_product_attention(bank_query, three_keys, three_values)
    for word, value in zip(three, three_values, strict=True):
        print(f"{word} hands over {value}")
    print(f"bank receives {mixture[0]}")

# %% [markdown]
# ## 4. The causal mask
#
# {{attention/causal_mask}}
#
# A model that predicts the next token must not see it. The causal mask lets each query look at
# itself and back. With a cache only the newest tokens ask, while the keys of all tokens are
# there, so the mask need not be square. (The check does not ask for the `ValueError`; it is good
# manners.)
#
# <details><summary>Hint</summary>
#
# Write down the positions of the queries and of the keys. If 2 queries are the last of 5
# positions, they stand at 3 and 4.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# A query may see every key whose position is not larger than its own. Make a column of query
# positions, from kv_seq - q_seq on, and compare it with a row of key positions. Or use `tril`,
# whose `diagonal` says how far to the right it may reach.
#
# </details>

# %% exercise="attention/causal_mask"
from reference_impl.decoder.attention import causal_mask

# %% [markdown]
# The best test of a mask is to change the future. Here the last of five tokens is replaced.
# Without a mask every output moves; with your mask only the last one may.

# %% tags=["demo"]
torch.manual_seed(5)
sentence = torch.randn(5, 8)  # seq head_dim: each token is its own query, key and value
changed = sentence.clone()
changed[-1] = torch.randn(8)
with demonstration():
    for name, mask in {"no mask": None, "your mask": causal_mask(5)}.items():
        first = scaled_dot_product_attention(sentence, sentence, sentence, mask)
        second = scaled_dot_product_attention(changed, changed, changed, mask)
        moved = (first - second).abs().amax(dim=-1)  # seq
        print(f"{name:9}", [f"{amount:.3f}" for amount in moved.tolist()])

# %% [markdown]
# ## 5. The padding mask
#
# {{attention/padding_mask}}
#
# A batch is a rectangle, and sentences are not equally long: the short ones are filled up on the
# right. Nobody should look at the filling. The mask has one row for each sentence, and axes of
# size 1 where it is the same for all heads and all queries.
#
# <details><summary>Hint</summary>
#
# `torch.arange(kv_seq)` holds the positions. A position is real if it is smaller than the length.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# Compare so that both axes appear: `lengths[:, None]` is batch by 1, and the comparison batch by
# kv_seq. Then put two axes of size 1 between them.
#
# </details>

# %% exercise="attention/padding_mask"
from reference_impl.decoder.attention import padding_mask

# %% [markdown]
# Boolean masks combine with `&`: a query may see what both masks allow. Below, the second
# sentence has two tokens. Why do its last rows not matter to anyone?

# %% tags=["demo"]
with demonstration():
    from reference_impl.figures.grids import draw_mask

    together = causal_mask(4) & padding_mask(torch.tensor([4, 2]), kv_seq=4)  # batch 1 q_seq kv_seq
    figure, panels = plt.subplots(1, 2, figsize=(6, 2.6), layout="constrained")
    for panel, mask, tokens in zip(panels, together[:, 0], ("abcd", "ab--"), strict=True):
        draw_mask(panel, mask, list(tokens), list(tokens))
    plt.show()

# %% [markdown]
# ## 6. Split into heads
#
# {{attention/split_heads}}
#
# Each head works with its own slice of every token's vector. Splitting only rearranges numbers,
# and it is where most attention layers go wrong without an error: there are many ways to the
# right shape, and only one of them puts the right numbers there.
#
# <details><summary>Hint</summary>
#
# Two steps: make one axis into two where it stands, and only then swap axes.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# With `rearrange` you write the axes before and after, in words; brackets hold an axis that is
# two in one: `"batch seq (heads head_dim) -> ..."`. Without it: `reshape` to four axes, then
# `transpose`.
#
# </details>

# %% exercise="attention/split_heads"
from reference_impl.decoder.attention import split_heads

# %% [markdown]
# Below, all numbers of token 0 are 0, those of token 1 are 1, and so on. A head has a part of
# every token, so each head should count 0, 1, 2, 3. A bare `reshape` has the right shape, too.
# Read its rows.

# %% tags=["demo"]
counted = torch.arange(4.0)[:, None].expand(4, 6)[None]  # batch seq d_model
with demonstration():
    both_ways = {"split_heads": split_heads(counted, 2), "reshape": counted.reshape(1, 2, 4, 3)}
    for name, heads in both_ways.items():
        print(f"{name:11} head 0: {heads[0, 0].int().tolist()}")
        print(f"{'':11} head 1: {heads[0, 1].int().tolist()}")

# %% [markdown]
# ## 7. Merge the heads
#
# {{attention/merge_heads}}
#
# After attention, each position has one short vector from every head. Put them side by side, head
# 0 first, and the vector is as wide as before.
#
# <details><summary>Hint</summary>
#
# Read your `split_heads` backwards.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# First bring heads next to head_dim again, then make one axis of the two.
#
# </details>

# %% exercise="attention/merge_heads"
from reference_impl.decoder.attention import merge_heads

# %% [markdown]
# There and back again must be the same tensor, number by number.

# %% tags=["demo"]
wide = torch.randn(2, 5, 12)  # batch seq d_model
with demonstration():
    print("the same:", torch.equal(merge_heads(split_heads(wide, 3)), wide))

# %% [markdown]
# ## 8. Grouped-query attention
#
# {{attention/grouped_query}}
#
# A model that writes keeps the keys and values of everything it has read. To keep fewer of them,
# several query heads share one KV head: neighbours share. Match the heads up, then call the
# attention you have. Where heads cannot share evenly, the check asks for the `ValueError` that the
# docstring promises, and a point of its own is given for it.
#
# <details><summary>Hint</summary>
#
# How many query heads share one KV head? Repeat each KV head that often, its copies next to each
# other.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# Try `torch.tensor([7, 8]).repeat(2)` and `torch.tensor([7, 8]).repeat_interleave(2)`. One of
# them puts the copies next to each other; it takes the axis as `dim`.
#
# </details>

# %% exercise="attention/grouped_query"
from reference_impl.decoder.attention import grouped_query_attention

# %% [markdown]
# SmolLM2 has 9 query heads and 3 KV heads in every layer. If KV head 0 hands over only zeros,
# head 1 ones and head 2 twos, the outputs tell which KV head each query head read.

# %% tags=["demo"]
nine_queries, kv_keys = torch.randn(1, 9, 1, 4), torch.randn(1, 3, 5, 4)
kv_values = torch.arange(3.0).view(1, 3, 1, 1).expand(1, 3, 5, 4)  # batch kv_heads kv_seq head_dim
with demonstration():
    read = grouped_query_attention(nine_queries, kv_keys, kv_values)[0, :, 0, 0]  # heads
    print("KV head of query heads 0 to 8:", read.round().int().tolist())

# %% [markdown]
# ## 9. The attention layer
#
# {{attention/attention_layer}}
#
# Now put the pieces together. Three matrices make queries, keys and values from the same x; heads
# are split, attend and are merged; a fourth matrix mixes what the heads found. The matrices lie
# as in `nn.Linear`: a row for each output. Use your own functions from above.
#
# <details><summary>Hint</summary>
#
# `x @ q_proj.T` is what `nn.Linear` computes. Follow the shapes from one line to the next, and
# write them behind the lines.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# Queries have `n_heads` heads, keys and values have `n_kv_heads`. Five lines: q, k, v, each
# projected and split; grouped-query attention; merge and project with `o_proj`.
#
# </details>


# %% exercise="attention/attention_layer"
def attention_layer(
    x: Float[Tensor, "batch seq d_model"],
    q_proj: Float[Tensor, "q_width d_model"],
    k_proj: Float[Tensor, "kv_width d_model"],
    v_proj: Float[Tensor, "kv_width d_model"],
    o_proj: Float[Tensor, "d_model q_width"],
    n_heads: int,
    n_kv_heads: int,
    mask: Bool[Tensor, "... seq seq"] | None = None,
) -> Float[Tensor, "batch seq d_model"]:
    """Self-attention from x to x: project, split, attend in groups, merge, project back.

    q_width is n_heads * head_dim, kv_width n_kv_heads * head_dim; neither needs to be d_model.
    A projection is `x @ weight.T`. `mask` goes to the attention as it is: None hides nothing.
    No positions, no residual, no norm: those belong to other chapters.
    Source: Vaswani et al. 2017, section 3.2.2; Ainslie et al. 2023.

    >>> x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    >>> zero, one = torch.zeros(2, 2), torch.eye(2)
    >>> attention_layer(x, zero, zero, one, 10 * one, n_heads=2, n_kv_heads=2)  # weights 1/2 each
    tensor([[[20., 30.],
             [20., 30.]]])
    """
    q = split_heads(x @ q_proj.T, n_heads)  # batch heads seq head_dim
    k = split_heads(x @ k_proj.T, n_kv_heads)  # batch kv_heads seq head_dim
    v = split_heads(x @ v_proj.T, n_kv_heads)  # batch kv_heads seq head_dim
    attended = grouped_query_attention(q, k, v, mask)  # batch heads seq head_dim
    return merge_heads(attended) @ o_proj.T  # batch seq d_model


# %% [markdown]
# Here come the published weights of SmolLM2-135M (the Instruct version, rounded to 4 bits). Your
# layer gets those of the model's layer 0, its first, and the vectors of a real sentence. The
# model also turns q and k by their positions, which is the work of chapter 4: the angles are 0
# here, so that nothing turns, and the two must agree.

# %% tags=["demo"]
from reference_impl.published.weights import load_smollm2

print("loading the model ...")
model, tokenizer = load_smollm2()
model.requires_grad_(False)
canoe_ids = torch.tensor([tokenizer.encode("She took the canoe to the bank")])  # batch seq

# %% tags=["demo"]
block = model.blocks[0]
layer = block.attention
x = block.attention_norm(model.token_embedding(canoe_ids))  # batch seq d_model
unturned = torch.zeros_like(model.angles(canoe_ids, start=0))
matrices = [layer.q_proj.weight, layer.k_proj.weight, layer.v_proj.weight, layer.o_proj.weight]
with demonstration():
    yours = attention_layer(x, *matrices, layer.n_heads, layer.n_kv_heads, causal_mask(x.shape[1]))
    theirs = layer(x, unturned)
    print(f"largest number: {theirs.abs().max():.4f}")
    print(f"largest difference: {(yours - theirs).abs().max():.7f}")

# %% [markdown]
# ## 10. Six broken layers
#
# {{attention/tell_maps}}
#
# Six layers of one head each got the same queries and keys, five positions with a head_dim of 9.
# Each has one fault of the list. None stops with an error, and every map has the right shape.
# Which map has which fault? Return their letters in the order of the faults, such as `"ABCDEF"` if
# map A has fault 1, map B fault 2, and so on. The maps were drawn for you; others have other
# letters.
#
# `broken["maps"]["A"]` is map A as a NumPy array, a row for each query, in three digits: a 0 may be
# hidden, or smaller than 0.0005.
# `broken["q"]` and `broken["k"]` are what all six got. Add a cell of your own, and compute what a
# sound layer would give.
#
# <details><summary>Hint</summary>
#
# What may stand above the diagonal of a sound map, and what stands below it? That sorts three of
# the maps.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# Add up the others: `broken["maps"]["A"].sum(axis=1)` has the sum of each row, with `axis=0` of
# each column. Which of the two sums does a sound map keep? And the map that keeps it is still not
# that of your `attention_weights`.
#
# </details>

# %% tags=["demo"]
with demonstration():
    from reference_impl.figures.grids import draw_grid

    broken = question("attention/tell_maps")
    for number, fault in broken["faults"].items():
        print(number, fault)
    figure, panels = plt.subplots(2, 3, figsize=(7, 5.2), layout="constrained")
    for panel, (letter, weights) in zip(panels.flat, broken["maps"].items(), strict=True):
        draw_grid(panel, weights, list("01234"), list("01234"), largest=1.0)
        panel.set_title(letter)
    plt.show()


# %% exercise="attention/tell_maps"
def tell_maps() -> str:
    """The letters of the maps that have faults 1 to 6, in this order, as one word.

    No input, and nothing to compute in here: read the maps above.
    """
    return "EBCFDA"


# %% [markdown]
# ## 11. Read an attention map
#
# {{attention/read_map}}
#
# How much does each head look from *bank* at *canoe*? A row belongs to the position that looks, a
# column to the one that is looked at. Three things need care. A word may be several tokens: its
# last token asks, because a causal model has not seen the whole word before, and what goes to
# each token of the other word adds up. Many heads put most of a row on position 0, whatever the
# words are: such a **sink** is no reading, so leave it out and let the rest of the row sum to 1.
# And where a head gives it more than 0.9, what it does with the rest tells nothing: count it as
# 0.
#
# <details><summary>Hint</summary>
#
# First one row: fix the third axis and keep the other three. What is the sum of a row without its
# first entry?
#
# </details>
#
# <details><summary>Second hint</summary>
#
# With a list of positions as the last index you get those columns. Divide their sum by the rest
# of the row, then set to 0 where the first entry is above 0.9.
#
# </details>


# %% exercise="attention/read_map"
def read_map(
    maps: Float[Tensor, "n_layers heads seq seq"], from_word: list[int], to_word: list[int]
) -> Float[Tensor, "n_layers heads"]:
    """How much every head looks from one word to another, position 0 left out.

    `maps[layer, head, i, j]` is the weight with which position i looks at j; rows sum to 1.
    A word is the list of its tokens' positions, in order, none of them 0. The last token of
    `from_word` looks; the weights on all tokens of `to_word` add up. The result is their share of
    the row without position 0; it is 0 where position 0 has more than 0.9 of the row.

    >>> row = [0.5, 0.1, 0.1, 0.3]  # without position 0, 0.5 is left: 0.1 + 0.3 of 0.5
    >>> maps = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.8, 0.1, 0.1, 0], row])
    >>> read_map(maps[None, None], from_word=[3], to_word=[2, 3])
    tensor([[0.8000]])
    """
    row = maps[:, :, from_word[-1]]  # n_layers heads seq
    looked = row[..., to_word].sum(dim=-1)  # n_layers heads
    rest = row[..., 1:].sum(dim=-1)  # n_layers heads
    share = looked / rest
    return share.masked_fill(row[..., 0] > 0.9, 0.0)  # all but nothing left


# %% [markdown]
# Now the real maps: 30 layers of 9 heads. The sentences put the telling word *before* the one
# that asks, because this model looks back only. (Dhoni and Kohli are two cricketers.) Before you
# run the cell: will the head that links *bank* to *canoe* be the one that links *bank* to
# *money*? And *tiger* to *Dhoni*?

# %% tags=["demo"]
from reference_impl.decoder.decoder import attention_maps


def find(pieces, word):
    """The positions of the tokens that spell a word; its last occurrence."""
    spans = [range(i, j + 1) for i in range(len(pieces)) for j in range(i, len(pieces))]
    return [list(s) for s in spans if "".join(pieces[i] for i in s).strip() == word][-1]


MAPS = {}  # text: its maps and its tokens, each text read once


def read_sentence(text, asks, seen):
    """Shares of all heads for two words of a text, and how much each head gives to the sink."""
    if text not in MAPS:
        ids = tokenizer.encode(text)
        read = attention_maps(model, torch.tensor([ids]))[:, 0]  # n_layers heads seq seq
        MAPS[text] = read, [tokenizer.decode([i]) for i in ids]
    maps, pieces = MAPS[text]
    asking = find(pieces, asks)
    return read_map(maps, asking, find(pieces, seen)), maps[:, :, asking[-1], 0]


def strongest(shares):
    """Layer and head of the largest share; shares: n_layers heads."""
    return divmod(shares.argmax().item(), shares.shape[1])


CANOE = "She took the canoe to the bank"
LION = "Everyone knows that {} is the lion and {} is the tiger"
READINGS = {
    ("bank", "canoe"): CANOE,
    ("bank", "money"): "She took the money to the bank",
    ("tiger", "Dhoni"): LION.format("Kohli", "Dhoni"),
}
with demonstration():
    for (asks, seen), text in READINGS.items():
        shares, sink = read_sentence(text, asks, seen)
        print(f"{asks} -> {seen}, mean of all heads {shares.mean():.2f}; most, with the sink's:")
        for i in shares.flatten().topk(4).indices.tolist():
            at = divmod(i, shares.shape[1])
            print(f"    layer {at[0]:2} head {at[1]}: {shares[at]:.2f} (sink {sink[at]:.2f})")

# %% [markdown]
# The whole table as a picture: a row for each layer, a column for each head. A strong colour
# means that the head looks from the one word to the other. The strongest cell is framed.

# %% tags=["demo"]
with demonstration():
    from reference_impl.figures.grids import draw_grid

    figure, panels = plt.subplots(1, 3, figsize=(7, 5), sharey=True, layout="constrained")
    for panel, ((asks, seen), text) in zip(panels, READINGS.items(), strict=True):
        shares, _ = read_sentence(text, asks, seen)
        framed = [strongest(shares)]
        image = draw_grid(panel, shares, asks="", asked="head", largest=1.0, outlined=framed)
        panel.set(title=f"{asks} → {seen}", xticks=range(9), aspect="auto")
    panels[0].set(ylabel="layer", yticks=range(0, 30, 5))
    figure.colorbar(image, label="share of the row without position 0")
    plt.show()

# %% [markdown]
# You searched 270 heads and took the best, and among 270 some head will look anywhere. So try a
# control: how strong is the best head for a pair of words that should have nothing to say to each
# other, such as *bank* and *took*? And let Dhoni and Kohli change places: does the head that
# linked *tiger* to *Dhoni* now link it to *Kohli*? Then try a sentence of your own. A weight says
# where a head looked. It does not say what the model made of it.

# %% tags=["demo"]
with demonstration():
    for seen in ("canoe", "took"):
        shares, _ = read_sentence(CANOE, "bank", seen)
        at = strongest(shares)
        print(f"bank -> {seen}: layer {at[0]} head {at[1]} has most, {shares[at]:.2f}")

    shares, _ = read_sentence(LION.format("Kohli", "Dhoni"), "tiger", "Dhoni")
    at = strongest(shares)
    for names in (("Kohli", "Dhoni"), ("Dhoni", "Kohli")):
        text = LION.format(*names)
        found = {name: read_sentence(text, "tiger", name)[0][at] for name in names}
        print(f"{text}:", ", ".join(f"{name} {share:.2f}" for name, share in found.items()))

# %% [markdown]
# That is the attention layer. What you have, and what is next:

# %% tags=["demo"]
with demonstration():
    from grading.learner.progress import after_check

    print(*after_check("attention/read_map"), sep="\n")
