# %% [markdown]
# # Exercises: Embeddings and positions
#
# You write twelve short functions and answer one question. The first half turns data into lists of
# vectors: a photograph, a heartbeat, a gene, a text. The second half gives such a list an order,
# and its last pieces, `rope_angles` and `apply_rope`, go into your own model. Plan about two
# hours; every exercise says how long it takes. Exercises 2, 5 and 10 belong to sections marked
# *second reading*; all others need only the core of the chapter, which names them section by
# section. You can take them in that order too.
#
# **How checking works.** Replace `raise NotImplementedError()` by your code, run the cell, then
# run the `check` cell below it. The verdict comes within a second: right, or what goes wrong and
# where. Where your answer shows a known misunderstanding, the verdict says which one and links to
# the section that clears it up. The inputs are new each time, and you can check as often as you
# like. Demonstration cells use your functions. While one is missing, they say so and go on.
#
# **How to read a signature.** `Float[Tensor, "seq d_model"]` is a tensor of floats whose axes have
# these names. `...` or `*shape` stands for any axes in front. Nothing checks these words while you
# work: they are there for you. Where a docstring promises a `ValueError`, the check asks for it;
# its wording is yours. No input may be changed. Results are compared to about four digits, and
# floats stay in float32.

# %% tags=["setup"]
from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from grading import check, demonstration, question

torch.set_num_threads(1)  # tensors this small gain nothing from more
torch.set_printoptions(precision=2, sci_mode=False)

# %% [markdown]
# ## 1. Look up embeddings
#
# {{embeddings_and_positions/look_up}}
#
# A token is an id, and its vector is a row of a table. The warm-up: hand over the rows for a whole
# text, a batch of texts, or a single id.
#
# <details><summary>Hint</summary>
#
# A tensor of ids can index another tensor. What shape has `table[token_ids]`, if `token_ids` has
# the axes batch and seq?
#
# </details>

# %% exercise="embeddings_and_positions/look_up"
from reference_impl.embeddings_and_positions.embeddings import look_up

# %% [markdown]
# The same rows come out of a matrix product with one-hot vectors. Count how much of the product is
# multiplication by 0.

# %% tags=["demo"]
with demonstration():
    table = torch.arange(12.0).view(4, 3)  # vocab d_model
    ids = torch.tensor([3, 1, 3])  # seq
    one_hot = torch.nn.functional.one_hot(ids, 4).float()  # seq vocab
    print(one_hot, one_hot @ table, look_up(table, ids), sep="\n")

# %% [markdown]
# ## 2. The gradient of a table
#
# {{embeddings_and_positions/table_gradient}}
#
# Training changes the rows that were read. `upstream` holds what the loss asks of every vector
# that was looked up. Bring it back to the rows. The case to think about is an id that stands at
# several places.
#
# <details><summary>Hint</summary>
#
# Begin with a table of zeros and a loop over the places; that is a right answer. Without a loop:
# look at `torch.Tensor.index_add`, or at the one-hot product above, read backwards.
#
# </details>

# %% exercise="embeddings_and_positions/table_gradient"
from reference_impl.embeddings_and_positions.embeddings import table_gradient

# %% [markdown]
# Autograd agrees, if you are right. And see what is left of the sum with `+=` on an index: the id
# 1 stands at two places, and each asks for 1.

# %% tags=["demo"]
with demonstration():
    ids, upstream = torch.tensor([1, 2, 1]), torch.ones(3, 2)
    table = torch.zeros(4, 2, requires_grad=True)
    table[ids].backward(upstream)
    plus_equals = torch.zeros(4, 2)
    plus_equals[ids] += upstream
    print("autograd:", table.grad.tolist())
    print("yours:   ", table_gradient(ids, upstream, vocab=4).tolist())
    print("with +=: ", plus_equals.tolist())

# %% [markdown]
# ## 3. An image as a sequence
#
# {{embeddings_and_positions/image_to_patches}}
#
# Cut an image into squares, and lay each one out as a vector. Rows of pixels run from left to
# right, and so do the patches. A plain `reshape` has the right shape and the wrong numbers.
#
# <details><summary>Hint 1</summary>
#
# Write the numbers 0 to 15 in a square of 4 by 4 and mark the patch in the upper right corner.
# From which two rows do its numbers come?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The height is (row y): which row of patches, and which row inside the patch. The width is (column
# x). In `rearrange` or with `reshape` you split both; then row and column go to the front.
#
# </details>

# %% exercise="embeddings_and_positions/image_to_patches"
from reference_impl.embeddings_and_positions.sequences import image_to_patches

# %% [markdown]
# The image of the hint, cut by you and by a bare `reshape`. Read both: which one keeps what is
# below each other together?

# %% tags=["demo"]
with demonstration():
    grey = torch.arange(16.0).view(4, 4, 1)  # height width channels
    print("yours:  ", image_to_patches(grey, 2).int().tolist())
    print("reshape:", grey.reshape(4, 4).int().tolist())

# %% [markdown]
# ## 4. And back to an image
#
# {{embeddings_and_positions/patches_to_image}}
#
# The same two steps, read backwards. The number of channels follows from the width of a patch. You
# need no `image_to_patches` for it.
#
# <details><summary>Hint</summary>
#
# `rearrange` takes a pattern in both directions: swap what stands left and right of the arrow. It
# cannot guess how many rows and columns there are, so tell it.
#
# </details>

# %% exercise="embeddings_and_positions/patches_to_image"
from reference_impl.embeddings_and_positions.sequences import patches_to_image

# %% [markdown]
# A real photograph, cut by your function and joined by your other one; in the second panel half of
# the patches were replaced by their neighbour in the list. Which information did the list lose?

# %% tags=["demo"]
with demonstration():
    from reference_impl.embeddings_and_positions.real_data import photograph

    image = photograph()[:416]  # height width channels
    patches = image_to_patches(image, 16)  # n_patches patch_width
    print("list:", tuple(patches.shape))
    doubled = patches.clone()
    doubled[1::2] = patches[0::2]
    figure, panels = plt.subplots(1, 2, figsize=(9, 3))
    for panel, pieces in zip(panels, (patches, doubled), strict=True):
        panel.imshow(patches_to_image(pieces, 16, 416, 640))
        panel.axis("off")
    plt.show()

# %% [markdown]
# ## 5. A signal as a sequence
#
# {{embeddings_and_positions/cut_into_frames}}
#
# Sound, a heartbeat, a row of temperatures: stretches of `size` samples, starting `hop` samples
# apart. How many whole frames are there? Being off by one at the end is the classic fault.
#
# <details><summary>Hint</summary>
#
# Which is the last sample at which a whole frame can start? Count the starts 0, hop, 2 hop, … up
# to and including that one.
#
# </details>

# %% exercise="embeddings_and_positions/cut_into_frames"
from reference_impl.embeddings_and_positions.sequences import cut_into_frames

# %% [markdown]
# Five seconds of a real heart, 360 samples a second. Each row of the picture is one of your
# frames, 72 samples long, a new one every 18. A beat shows up in several frames, at another place
# in each.

# %% tags=["demo"]
with demonstration():
    from reference_impl.embeddings_and_positions.real_data import heartbeat

    signal = heartbeat()  # n_samples
    frames = cut_into_frames(signal, size=72, hop=18)  # n_frames frame
    print(tuple(signal.shape), "->", tuple(frames.shape))
    figure, axes = plt.subplots(figsize=(5, 4))
    picture = axes.imshow(frames, aspect="auto", cmap="Blues")
    axes.set(xlabel="sample of the frame", ylabel="frame")
    figure.colorbar(picture, label="millivolts")
    plt.show()

# %% [markdown]
# ## 6. A gene as a sequence
#
# {{embeddings_and_positions/kmer_ids}}
#
# A gene is a text of four letters, all capitals, and its words are k letters long and overlap. Give
# each word its number. Any letter other than A, C, G, T makes a word unknown.
#
# <details><summary>Hint</summary>
#
# How do you read the decimal number 305 digit by digit? Begin with 0; for each digit, multiply by
# the base and add. Here the base is 4.
#
# </details>

# %% exercise="embeddings_and_positions/kmer_ids"
from reference_impl.embeddings_and_positions.sequences import kmer_ids

# %% [markdown]
# The human gene for insulin. With k = 3, a table of 65 rows serves it (64 words and the unknown
# one). Larger k means a larger table, of which this gene uses less and less.

# %% tags=["demo"]
with demonstration():
    from reference_impl.embeddings_and_positions.real_data import insulin_gene

    gene = insulin_gene()
    print(f"{gene[:30]}... {len(gene)} letters")
    for k in (1, 3, 6, 9):
        ids = kmer_ids(gene, k)
        print(f"k = {k}: {len(ids)} words, {len(set(ids))} different ones of {4**k:,}")

# %% [markdown]
# ## 7. Nearest neighbours
#
# {{embeddings_and_positions/nearest}}
#
# Which rows of a table point the same way as a given row? Return their ids and their cosines, the
# most alike first, and leave the row itself out. No row has length 0.
#
# <details><summary>Hint</summary>
#
# Divide every row by its length once; then all cosines are one matrix-vector product. How do you
# make sure that the row itself never wins?
#
# </details>

# %% exercise="embeddings_and_positions/nearest"
from reference_impl.embeddings_and_positions.embeddings import nearest

# %% [markdown]
# Now on the table of SmolLM2-135M-Instruct, 49,152 rows of 576 numbers. Before you run it: what
# will be nearest to *hot*? Most neighbours are the same word in another spelling, or its plural;
# look for the first other word. Then put in words of your own that are one token.

# %% tags=["demo"]
with demonstration():
    from reference_impl.published.weights import load_smollm2

    model, tokenizer = load_smollm2()
    model.requires_grad_(False)
    embeddings = model.token_embedding.weight  # vocab d_model
    for word in ("Paris", "hot", "seven", "bank"):
        [index] = tokenizer.encode(" " + word)  # a word within a text begins with a space
        ids, cosines = nearest(embeddings, index, 8)
        pieces = [tokenizer.decode([i]) for i in ids.tolist()]
        found = [f"{piece!r} {c:.2f}" for piece, c in zip(pieces, cosines.tolist(), strict=True)]
        print(f"{word}: {', '.join(found)}")

# %% [markdown]
# ## 8. The shuffle test
#
# {{embeddings_and_positions/shuffle_error}}
#
# Write a probe that finds out whether a layer knows the order of its inputs. It gets the layer as
# a function, and calls it twice. The result is one number.
#
# <details><summary>Hint</summary>
#
# `x[order]` puts the positions into another order, and the same works on outputs. If the layer
# doubles every vector, your probe must say 0 for every order.
#
# </details>

# %% exercise="embeddings_and_positions/shuffle_error"
from reference_impl.embeddings_and_positions.order import shuffle_error

# %% [markdown]
# Predict first: for which of these four does the order matter? Attention comes from chapter 5; all
# you need is that each position receives a weighted average of all (or, with the causal mask, of
# those up to itself).


# %% tags=["demo"]
with demonstration():
    from reference_impl.decoder.attention import causal_mask, scaled_dot_product_attention

    def attend(x, mask=None):
        """Attention from a list to itself: each vector is its own query, key and value."""
        return scaled_dot_product_attention(x, x, x, mask)

    torch.manual_seed(0)
    x, order = torch.randn(7, 8), torch.randperm(7)  # seq d_model
    probed = {
        "the mean of all, subtracted": lambda x: x - x.mean(dim=0),
        "attention": attend,
        "attention, causal mask": lambda x: attend(x, causal_mask(7)),
        "a running sum": lambda x: x.cumsum(dim=0),
    }
    for name, layer in probed.items():
        print(f"{name:28} {shuffle_error(layer, x, order):.6f}")

# %% [markdown]
# Did the third one surprise you? A causal mask alone tells order: the first position sees one
# vector, the second two.

# %% [markdown]
# ## 9. The angles of a position
#
# {{embeddings_and_positions/rope_angles}}
#
# Each pair of numbers is the hand of a clock. How far has each hand turned at each position? This
# is the first part of your own model. SmolLM2 takes 100,000 for `rope_theta`, so it must not be
# fixed.
#
# <details><summary>Hint</summary>
#
# First the speeds: one number for each pair, with the exponents 0, 2, 4, … over head_dim. Then a
# column of positions times a row of speeds.
#
# </details>

# %% exercise="embeddings_and_positions/rope_angles"
from reference_impl.embeddings_and_positions.positions import rope_angles

# %% [markdown]
# How many positions does a full turn take in SmolLM2? It is made for texts of up to 8,192
# tokens.

# %% tags=["demo"]
with demonstration():
    speeds = rope_angles(torch.tensor([1]), head_dim=64, rope_theta=100_000.0)[0]  # pairs
    for pair in (0, 8, 16, 24, 31):
        print(f"pair {pair:2}: a full turn takes {2 * torch.pi / speeds[pair]:,.0f} positions")

# %% [markdown]
# ## 10. Sinusoids
#
# {{embeddings_and_positions/sinusoidal_positions}}
#
# The transformer of 2017 writes sine and cosine of every hand into a table, and adds a row of it
# to each embedding. Your `rope_angles` knows the angles.
#
# <details><summary>Hint</summary>
#
# Sine and cosine of a pair stand next to each other. `torch.stack` puts them on a new last axis of
# length 2; then join that axis with the one before.
#
# </details>

# %% exercise="embeddings_and_positions/sinusoidal_positions"
from reference_impl.embeddings_and_positions.positions import sinusoidal_positions

# %% [markdown]
# Which position does position 30 look like, measured by dot products of rows? Nearby ones: a
# distance is already in the table.

# %% tags=["demo"]
with demonstration():
    rows = sinusoidal_positions(64, 48)  # seq d_model
    figure, axes = plt.subplots(figsize=(5, 3))
    axes.plot(rows @ rows[30])
    axes.set(xlabel="position", ylabel="dot product with row 30")
    plt.show()

# %% [markdown]
# ## 11. Rotary positions
#
# {{embeddings_and_positions/apply_rope}}
#
# Now turn instead of adding: each pair of neighbouring features of q or k by its own angle. This
# is the second part of your model. There may be any axes in front of seq, such as batch and heads.
#
# <details><summary>Hint 1</summary>
#
# `x[..., 0::2]` holds the first number of every pair. The formula of the chapter gives both new
# numbers from both old ones.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The angles have the axes seq and pairs, just like the last two axes of `x[..., 0::2]`, so
# broadcasting does the rest. Then put the two halves of each pair side by side again.
#
# </details>

# %% exercise="embeddings_and_positions/apply_rope"
from reference_impl.embeddings_and_positions.positions import apply_rope

# %% [markdown]
# One vector at positions 0 to 3, with two pairs, a fast one and a slow one. Lengths stay.

# %% tags=["demo"]
with demonstration():
    vector = torch.tensor([1.0, 0.0, 1.0, 0.0]).expand(4, 4)  # seq head_dim
    turned = apply_rope(vector, rope_angles(torch.arange(4), 4, rope_theta=100.0))
    print(turned, "lengths:", turned.norm(dim=-1))

# %% [markdown]
# ## 12. Scores that know the offset
#
# {{embeddings_and_positions/rotary_scores}}
#
# Put the two together: turn queries and keys to their positions and multiply. The positions are
# given, because the newest tokens of a long text do not stand at 0. Use your functions from above;
# if one of them is not right yet, the course's own takes its place in the check.
#
# <details><summary>Hint</summary>
#
# Two calls of `apply_rope`, each with angles of its own positions. `.mT` swaps the last two axes.
#
# </details>

# %% exercise="embeddings_and_positions/rotary_scores"
from reference_impl.embeddings_and_positions.positions import rotary_scores

# %% [markdown]
# The promise: only the offset counts. Here are real queries and keys of SmolLM2, of all nine heads
# of five of its 30 layers, for a real sentence. Let the text start somewhere else, and see how
# much the scores change. (Layer 0 is the first. KV head 0 serves the query heads 0 to 2, and so
# on.)

# %% tags=["demo"]
TEXT = "The streams join, the water slows down, and the river grows wide."
token_ids = torch.tensor([tokenizer.encode(TEXT)])  # batch seq
places = torch.arange(token_ids.shape[1])


def queries_and_keys():
    """q and k of every layer before any turn, each "heads seq head_dim"."""
    x, angles = model.token_embedding(token_ids), model.angles(token_ids, start=0)
    found = []
    for block in model.blocks:
        normed, layer = block.attention_norm(x)[0], block.attention
        q = rearrange(layer.q_proj(normed), "seq (heads d) -> heads seq d", heads=9)
        k = rearrange(layer.k_proj(normed), "seq (heads d) -> heads seq d", heads=3)
        found.append((q, k.repeat_interleave(3, dim=0)))
        x = block(x, angles)
    return found


with demonstration():
    pairs = queries_and_keys()
    for layer in (0, 7, 14, 21, 29):
        q, k = pairs[layer]
        here = rotary_scores(q, k, places, places, 100_000.0)
        there = rotary_scores(q, k, places + 1000, places + 1000, 100_000.0)
        spread, change = here.max() - here.min(), (here - there).abs().max()
        print(f"layer {layer:2}: scores spread over {spread:5.0f}, change {change:.4f}")

# %% [markdown]
# ## 13. Find the rotary table
#
# {{embeddings_and_positions/find_rotary}}
#
# One query vector and one key vector, each placed at the positions 0 to 6, and six models that
# treat positions in different ways. You see the scores alone: a row for each position of the
# query, a column for each position of the key. In one model both were turned by rotary positions.
# Which one? Return its letter, such as `"A"`. The tables were drawn for you; others have other
# letters.
#
# <details><summary>Hint</summary>
#
# Where do equal offsets lie in such a table? More than one table keeps that promise. Then think of
# what a turning hand does as it goes on turning: does it always go the same way?
#
# </details>

# %%
tables = question("embeddings_and_positions/find_rotary")  # letters and their tables
for letter, scores in tables.items():
    print(letter, scores, sep="\n")


# %% exercise="embeddings_and_positions/find_rotary"
def find_rotary() -> str:
    """The letter of the table whose scores come from rotary positions on both q and k.

    No input, and nothing to compute: read the tables above.
    """
    return "C"


# %% [markdown]
# ## Your angles in SmolLM2
#
# At last the real model, with *your* angles in all of its 30 layers. The text is told to start at
# other places, to stand still, and to run backwards. Lower is better; compare with the guesses
# that you wrote down in the chapter.


# %% tags=["demo"]
def loss_at(positions):
    """SmolLM2's loss on the text, in nats per token, its tokens at these positions."""
    angles = rope_angles(positions, 64, 100_000.0)  # yours
    x = model.token_embedding(token_ids)  # batch seq d_model
    for block in model.blocks:
        x = block(x, angles)
    logits = model.lm_head(model.final_norm(x))[0]  # seq vocab
    return torch.nn.functional.cross_entropy(logits[:-1], token_ids[0, 1:]).item()


with demonstration():
    usual = torch.nn.functional.cross_entropy(model(token_ids)[0, :-1], token_ids[0, 1:])
    print(f"the model's own positions: {usual:.3f}")
    for name, positions in {
        "yours from 0": places,
        "yours from 1000": places + 1000,
        "all at 0": 0 * places,
        "backwards": places.flip(0),
    }.items():
        print(f"{name:16} {loss_at(positions):.3f}")

# %% [markdown]
# **What you have now.** Lists of vectors from a photograph, a heartbeat and a gene; a table that
# can be read and trained; a test for order; and two of the parts of your own model: `rope_angles`
# and `apply_rope`. Together the exercises are worth 23 points. Next comes chapter 5, attention,
# which reads the vectors that you made and uses the scores that you turned.
