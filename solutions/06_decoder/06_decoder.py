# %% [markdown]
# # Exercises: The decoder
#
# You write eight functions and answer two questions. Four of the functions, `rms_norm`, `swiglu`,
# `decoder_block` and `decoder_logits`, are parts of your own model; at the end they run on the
# weights of SmolLM2-135M, layer by layer equal to the course's decoder, with your positions and
# your attention inside, where you have them. Plan two hours; every exercise says how long it
# takes. All but 9 and 10 need the core path of the chapter alone.
#
# **How checking works.** Replace `raise NotImplementedError()` by your code, run the cell, then
# run the `check` cell below it. The verdict comes within a second: right, or what goes wrong and
# where. Where your answer shows a known misunderstanding, the verdict says which one and links to
# the section that clears it up. The inputs are new each time, and you can check as often as you
# like. Demonstration cells use your functions. While one is missing, they say so and go on. Where
# a hint is not enough, `course solution decoder/NAME` shows a worked solution: exercise 5 calls the
# functions of 3 and 4, and exercises 6 and 7 that of 3.
#
# **How to read a signature.** `Float[Tensor, "batch seq d_model"]` is a tensor of floats whose
# axes have these names; `...` stands for any axes in front, also none. Nothing checks these words
# while you work: they are there for you. The check gives float32 and wants float32 back, to about
# four digits; the norms also get float16, and may give any float back there. No input may be
# changed. A matrix has a row for each output, as in `nn.Linear`.

# %% tags=["setup"]
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from grading import check, demonstration, given, question

# Pieces of chapters 4 and 5: your own, where you have them right.
rope_angles = given("embeddings_and_positions/rope_angles")
apply_rope = given("embeddings_and_positions/apply_rope")
causal_mask = given("attention/causal_mask")
split_heads = given("attention/split_heads")
merge_heads = given("attention/merge_heads")
grouped_query_attention = given("attention/grouped_query")

_ = torch.manual_seed(0)  # the demonstrations show the same numbers each time
torch.set_num_threads(1)  # tensors this small gain nothing from more
torch.set_printoptions(precision=2, sci_mode=False)

# %% [markdown]
# ## 1. The likeliest next tokens
#
# {{decoder/top_tokens}}
#
# The warm-up begins at the end. A decoder hands over one number for every token of its vocabulary,
# at every position: the **logits**. Turn those of the last position into probabilities, and find
# the k likeliest tokens.
#
# <details><summary>Hint</summary>
#
# Index the axis seq with -1. `softmax` wants to know along which axis the numbers shall sum to 1,
# and `topk` returns values and indices, the largest first.
#
# </details>

# %% exercise="decoder/top_tokens"
from reference_impl.decoder.functions import top_tokens

# %% [markdown]
# Here is SmolLM2-135M (the Instruct version, rounded to 4 bits), whose layers count from 0 to 29.
# Write down which of the four prompts it is surest of before you run the cell.

# %% tags=["demo"]
print("loading the model ...")
from reference_impl.published.weights import load_smollm2

model, tokenizer = load_smollm2()
model.requires_grad_(False)
PROMPTS = [
    "The capital of France is",
    "The opposite of hot is",
    "The day after Monday is",
    "She opened the door and saw",
]

# %% tags=["demo"]
with demonstration():
    for prompt in PROMPTS:
        logits = model(torch.tensor([tokenizer.encode(prompt)]))  # batch seq vocab
        ids, p = top_tokens(logits, k=4)
        words = [tokenizer.decode([i]) for i in ids[0].tolist()]
        best = [f"{word!r} {x:.2f}" for word, x in zip(words, p[0].tolist(), strict=True)]
        print(f"{prompt} ... {', '.join(best)}")

# %% [markdown]
# ## 2. LayerNorm
#
# {{decoder/layer_norm}}
#
# The norm of the transformer of 2017, and of GPT-2: each vector gets mean 0 and variance 1, and
# then a learned scale and shift for each feature. Write it with plain means; `F.layer_norm` and
# `nn.LayerNorm` are not allowed.
#
# <details><summary>Hint</summary>
#
# Take the mean over the last axis with `keepdim=True`, so that it can be subtracted. The variance
# is the mean of the squares of what is left.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# `torch.var` divides by d_model - 1 unless told otherwise. And norm_eps goes under the root, where
# it keeps the root of 0 away. `x.float()` is float32.
#
# </details>

# %% exercise="decoder/layer_norm"
from reference_impl.decoder.norms import layer_norm

# %% [markdown]
# Add 100 to every number of a vector, or multiply all by 100: what does LayerNorm notice?

# %% tags=["demo"]
vector = torch.tensor([1.0, 2.0, 4.0, 5.0])
ones, zeros = torch.ones(4), torch.zeros(4)
with demonstration():
    for name, changed in {"as it is": vector, "+ 100": vector + 100, "x 100": 100 * vector}.items():
        print(f"{name:9}", layer_norm(changed, ones, zeros))

# %% [markdown]
# ## 3. RMSNorm
#
# {{decoder/rms_norm}}
#
# Many modern decoders leave out the mean and the shift. This is the norm of your own model.
# `F.rms_norm` and `nn.RMSNorm` are not allowed.
#
# <details><summary>Hint</summary>
#
# Square, mean over the last axis, root. Where does norm_eps go? Where a vector is nearly 0, it
# decides what comes out.
#
# </details>

# %% exercise="decoder/rms_norm"
from reference_impl.decoder.norms import rms_norm

# %% [markdown]
# What does the norm do in the real model? The residual stream grows from layer to layer. Divided by
# its root mean square it has one size, which the weights of each norm then change. The root mean
# square of the stream at the last token of the first prompt, and after your norm with weights of 1:

# %% tags=["demo"]
first_ids = torch.tensor([tokenizer.encode(PROMPTS[0])])  # batch seq
with demonstration():
    x, angles = model.token_embedding(first_ids), model.angles(first_ids, start=0)
    for layer, block in enumerate(model.blocks):
        if layer in (0, 1, 2, 10, 20, 29):
            sizes = [
                s[0, -1].square().mean().sqrt().item() for s in (x, rms_norm(x, torch.ones(576)))
            ]
            print(f"layer {layer:2} reads: stream {sizes[0]:7.3f}, normed {sizes[1]:.3f}")
        x = block(x, angles)

# %% [markdown]
# ## 4. SwiGLU
#
# {{decoder/swiglu}}
#
# After attention has brought things together, the feed-forward works on each position by itself.
# Two matrices read the vector, one of them through a SiLU; the products of the two are what the
# third one writes.
#
# <details><summary>Hint</summary>
#
# `F.silu` is z times sigmoid(z). Three products with `@`, one with `*`. Which of the two readings
# passes through the SiLU stands in its name: the gate.
#
# </details>

# %% exercise="decoder/swiglu"
from reference_impl.decoder.functions import swiglu

# %% [markdown]
# Your function on the real weights of layer 0, beside the model's own. And a test of *each
# position by itself*: the last token is replaced by another. Which positions move?

# %% tags=["demo"]
feed_forward = model.blocks[0].feed_forward
matrices = [
    feed_forward.gate_proj.weight,
    feed_forward.up_proj.weight,
    feed_forward.down_proj.weight,
]
with demonstration():
    x = model.blocks[0].feed_forward_norm(model.token_embedding(first_ids))  # batch seq d_model
    difference = (swiglu(x, *matrices) - feed_forward(x)).abs().max()
    print(f"largest difference from the model's own: {difference:.7f}")
    changed = x.clone()
    changed[:, -1] = x[:, 0]
    moved = (swiglu(changed, *matrices) - swiglu(x, *matrices)).abs().amax(dim=-1)[0]
    print("moved by position:", moved)

# %% [markdown]
# ## 5. The block
#
# {{decoder/decoder_block}}
#
# Now the layer itself. Both halves read the stream through a norm of their own, and *add* what
# they have to say. How positions attend to each other is not decided here: `attend` is a function
# that you are given, and another one in each check. Heads are head_dim wide, which need not be
# d_model / n_heads: `q_proj` has n_heads * head_dim rows. Part one has feed-forwards that write
# nothing, so begin with attention alone.
#
# <details><summary>Hint 1</summary>
#
# Norm; three projections, split into heads; `attend`; merge; `o_proj`; add to x. Then norm again,
# with the other weight, and `swiglu`; add. How many heads do the keys have?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `normed @ weights["q_proj"].T` and `split_heads(..., n_heads)` make the queries. Use a new name
# for what the norm gives, so that x is still the stream when you add to it. `x = x + ...` makes a
# new tensor, `x += ...` writes into the old one, which is not yours.
#
# </details>

# %% exercise="decoder/decoder_block"
from reference_impl.decoder.functions import decoder_block

# %% [markdown]
# For the real model `attend` is what you built in chapters 4 and 5: turn queries and keys by their
# positions, hide the future, attend in groups. Here are all 30 layers, each run by your block and
# by the model's own on the same stream. A float32 has about seven digits: where numbers are in the
# thousands, two right blocks may differ in the third digit behind the point.

# %% tags=["demo"]


def attend_causally(q, k, v, rope_theta=100_000.0):
    """Rotary positions from 0 on, causal mask, grouped-query attention."""
    seq, head_dim = q.shape[2:]
    angles = rope_angles(torch.arange(seq), head_dim, rope_theta)
    return grouped_query_attention(
        apply_rope(q, angles), apply_rope(k, angles), v, causal_mask(seq)
    )


def block_of(layer):
    """Your block with the weights of a layer of SmolLM2: a function from stream to stream."""
    named = model.blocks[layer].named_parameters()
    weights = {name.split(".")[-2]: weight for name, weight in named}
    return partial(decoder_block, weights=weights, attend=attend_causally, n_heads=9, n_kv_heads=3)


with demonstration():
    x, angles = model.token_embedding(first_ids), model.angles(first_ids, start=0)
    found = []  # largest difference of a layer, its number, largest number in the stream
    for layer, block in enumerate(model.blocks):
        theirs = block(x, angles)
        difference = (block_of(layer)(x) - theirs).abs().max().item()
        found.append((difference, layer, theirs.abs().max().item()))
        x = theirs
    difference, layer, largest = max(found)
    print(f"largest difference in any of {len(found)} layers: {difference:.6f}")
    print(f"that is in layer {layer}, where numbers go up to {largest:,.0f}")

# %% [markdown]
# **Before or after?** Your block takes the norm *before* each half (pre-norm), the transformer of
# 2017 took it after each addition (post-norm). Below, small decoders with your `rms_norm` and
# `swiglu` learn to write plays, letter by letter, in 100 steps. Predict: which of the two places
# learns faster, and what does a slow start, a *warm-up* of the learning rate, do for the other?
# This is one run of each, together they may take half a minute; the chapter has three of each,
# and a decoder without any norm.

# %% tags=["demo"]
WIDTH, LAYERS, SEQ, STEPS, RATE = 64, 6, 32, 100, 6e-3


class SmallDecoder(nn.Module):
    """A decoder of letters whose norms stand before each half, or after each addition."""

    def __init__(self, place):
        super().__init__()
        shapes = {"qkv": (3 * WIDTH, WIDTH), "o": (WIDTH, WIDTH), "gate": (176, WIDTH)}
        shapes |= {"up": (176, WIDTH), "down": (WIDTH, 176)}
        self.place = place
        self.layers = nn.ModuleList(
            nn.ParameterDict(
                {n: nn.Parameter(torch.randn(s) / s[1] ** 0.5) for n, s in shapes.items()}
                | {n: nn.Parameter(torch.ones(WIDTH)) for n in ("norm_1", "norm_2")}
            )
            for _ in range(LAYERS)
        )
        self.embedding, self.output = nn.Embedding(70, WIDTH), nn.Linear(WIDTH, 70, bias=False)

    def forward(self, ids):
        x = self.embedding(ids)
        for layer in self.layers:
            for half, norm in ((self.attend, layer["norm_1"]), (self.feed, layer["norm_2"])):
                x = x + half(rms_norm(x, norm) if self.place == "pre-norm" else x, layer)
                x = rms_norm(x, norm) if self.place == "post-norm" else x
        return self.output(rms_norm(x, torch.ones(WIDTH)))

    def attend(self, x, layer):
        q, k, v = (split_heads(part, 4) for part in (x @ layer["qkv"].T).chunk(3, dim=-1))
        return merge_heads(attend_causally(q, k, v, 10_000.0)) @ layer["o"].T

    def feed(self, x, layer):
        return swiglu(x, layer["gate"], layer["up"], layer["down"])


def learn(place, warm_up, text):
    """The loss of each of 100 steps, in nats a letter."""
    torch.manual_seed(0)
    small, losses = SmallDecoder(place), []
    optimizer = torch.optim.AdamW(small.parameters(), lr=RATE)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = RATE * min(1, (step + 1) / max(warm_up, 1))
        batch = torch.stack([text[i : i + SEQ + 1] for i in torch.randint(len(text) - SEQ, (16,))])
        loss = F.cross_entropy(small(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% tags=["demo"]
from reference_impl.text_before_transformers.plays import load_plays

letters = load_plays()["hamlet"]
common = sorted(set(letters), key=lambda letter: -letters.count(letter))[:69]
text = torch.tensor([common.index(c) if c in common else 69 for c in letters])
RUNS = {"pre-norm": 0, "post-norm, warm-up": 50, "post-norm": 0}  # steps of warm-up
figure, axes = plt.subplots(figsize=(5, 3))
with demonstration():
    for name, warm_up in RUNS.items():
        print(f"{name} ... ", end="", flush=True)
        losses = learn(name.split(",")[0], warm_up, text)
        print(f"mean of the last 20 losses {sum(losses[-20:]) / 20:.2f}")
        means = torch.tensor(losses).view(-1, 10).mean(dim=1)  # of 10 steps each
        axes.plot(range(10, STEPS + 1, 10), means, label=name)
    axes.set(xlabel="step", ylabel="loss, nats a letter")
    axes.legend()
    plt.show()

# %% [markdown]
# ## 6. The whole decoder
#
# {{decoder/decoder_logits}}
#
# Look up, run the blocks, norm, score. Each block comes as a function, so that you need not know
# what is in it. What scores the tokens is the very table that was looked up: **tied** embeddings.
#
# <details><summary>Hint</summary>
#
# Four lines. A row of the table for each id; a loop in which the stream goes through one block
# after the other; `rms_norm`; a product with the table, so turned that the vocabulary comes out as
# the last axis.
#
# </details>

# %% exercise="decoder/decoder_logits"
from reference_impl.decoder.functions import decoder_logits

# %% [markdown]
# Your decoder, whole, on the weights of SmolLM2. It writes on by itself: the likeliest token is
# taken and put behind the text, eight times. Below each, what the course's decoder says.


# %% tags=["demo"]
def your_logits(ids):
    """Your whole decoder with SmolLM2's weights; ids batch seq."""
    blocks = [block_of(layer) for layer in range(30)]
    return decoder_logits(ids, model.token_embedding.weight, blocks, model.final_norm.weight)


def write_on(logits_of, prompt, n_tokens=8):
    """The prompt and the likeliest tokens behind it."""
    ids = tokenizer.encode(prompt)
    for _ in range(n_tokens):
        ids.append(logits_of(torch.tensor([ids]))[0, -1].argmax().item())
    return tokenizer.decode(ids)


with demonstration():
    for prompt in PROMPTS[:2]:
        print("yours: ", repr(write_on(your_logits, prompt)))
        print("theirs:", repr(write_on(model, prompt)))

# %% [markdown]
# ## 7. The logit lens
#
# {{decoder/logit_lens}}
#
# The stream has the same shape after every layer. So read it early: what would the model say if
# layer 9 were the last? You get the states of the stream at one position, and a token. Where does
# it stand among all tokens, and how likely is it?
#
# <details><summary>Hint</summary>
#
# The first line is the last line of `decoder_logits`. A rank is a count: how many logits of the
# state are larger than the token's own? `logits[:, [token_id]]` keeps its axis, so that the
# comparison is row by row.
#
# </details>

# %% exercise="decoder/logit_lens"
from reference_impl.decoder.functions import logit_lens

# %% [markdown]
# Three answers, read in every state: number 0 is the embedding, number n what layer n - 1 leaves
# behind. Before you run it: at which state will the answer be at rank 1? Below each answer stands a
# control, the answer to *another* prompt. If that one climbs too, the lens shows less than it
# seems to.


# %% tags=["demo"]
def states_of(prompt):
    """The stream at the last position, before layer 0 and after every layer; your blocks."""
    x = model.token_embedding(torch.tensor([tokenizer.encode(prompt)]))
    states = [x[0, -1]]
    for layer in range(30):
        x = block_of(layer)(x)
        states.append(x[0, -1])
    return torch.stack(states)  # n_streams d_model


ANSWERS = dict(zip(PROMPTS, (" Paris", " cold", " Tuesday"), strict=False))
with demonstration():
    lens = partial(
        logit_lens,
        final_norm=model.final_norm.weight,
        token_embedding=model.token_embedding.weight,
    )
    shown = [0, 10, 20, 24, 26, 28, 29, 30]
    print(f"{'rank in state':24} {'':10}", *(f"{i:5}" for i in shown))
    others = [*ANSWERS.values()][1:] + [" Paris"]
    for (prompt, answer), other in zip(ANSWERS.items(), others, strict=True):
        states = states_of(prompt)
        for name, word in ((prompt, answer), ("          control:", other)):
            ranks, p = lens(states, token_id=tokenizer.encode(word)[0])
            print(f"{name:24} {word:10}", *(f"{ranks[i].item():5}" for i in shown))

# %% [markdown]
# ## 8. Count the parameters
#
# {{decoder/count_parameters}}
#
# How many learned numbers does a decoder have, and where? Every one belongs to a matrix, a table
# or the weight of a norm whose shape you know by now.
#
# <details><summary>Hint</summary>
#
# Write down the shapes of attention's four matrices, q_proj, k_proj, v_proj and o_proj, with
# n_heads, n_kv_heads and head_dim. Then the three of SwiGLU. A norm has one number for each
# feature, and there is one more norm than twice the layers.
#
# </details>

# %% exercise="decoder/count_parameters"
from reference_impl.decoder.functions import count_parameters

# %% [markdown]
# The real model, by your count and number by number. "135M" is a rounded name; what takes the
# most?

# %% tags=["demo"]
with demonstration():
    counts = count_parameters(49152, 576, 30, 9, 3, 64, 1536)
    for part, count in counts.items():
        print(f"{part:12} {count:12,} {count / counts['total']:6.1%}")
    print(f"in the file  {sum(weight.numel() for weight in model.parameters()):12,}")

# %% [markdown]
# ## 9. A GPT-2 to the last digit
#
# {{decoder/gpt2_size}}
#
# GPT-2 is a decoder of 2019. Its output layer is tied as well. Unlike in SmolLM2, every matrix
# of a block has a bias, positions have a table of their own (context_length rows of d_model), the
# norms are LayerNorms, keys and values have as many heads as queries, the heads together are as
# wide as d_model, and the feed-forward has two matrices, without a gate. How many parameters has
# the one that was drawn for you? Return a whole number; every digit counts. You may compute it in
# the function.
#
# <details><summary>Hint</summary>
#
# A bias has one number for each output of its matrix. A LayerNorm has two numbers for each
# feature. And do not forget the norm at the end.
#
# </details>

# %%
sizes = question("decoder/gpt2_size")
for name, size in sizes.items():
    print(f"{name:15} {size:,}")


# %% exercise="decoder/gpt2_size"
def gpt2_size() -> int:
    """The number of parameters of the GPT-2 that was drawn for you, a whole number.

    No input: read the sizes above.
    """
    return 61733376


# %% [markdown]
# The smallest published GPT-2 has 124,439,808 parameters, which your formula should give for
# vocab_size 50,257, context_length 1,024, d_model 768 and 12 layers.

# %% [markdown]
# ## 10. Six broken decoders
#
# {{decoder/find_faults}}
#
# Six copies of a small decoder with two layers, each with one fault of the list. You cannot see
# inside. You may change something and look at the logits before and after: six experiments, each
# done with all six decoders. Which decoder has which fault? Return their letters in the order of
# the faults, such as `"ABCDEF"` if A has fault 1, B has fault 2, and so on. Logits are rounded to
# three digits. Others have other letters.
#
# <details><summary>Hint 1</summary>
#
# Take one experiment at a time, and ask what a *sound* decoder must do: which numbers stay, which
# double, which change? Then find the decoder that does not.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Print the differences, not the logits: `after - before` and `after - 2 * before`, largest
# absolute value. For the change of the last token look at the earlier positions alone, and for
# the token that is not in the text at its own column, the last.
#
# </details>

# %%
evidence = question("decoder/find_faults")
for number, fault in evidence["faults"].items():
    print(number, fault)
for letter, experiments in evidence["logits"].items():
    print(f"\ndecoder {letter}, logits after the last token, when this is changed:")
    for change, logits in experiments.items():  # logits: seq vocab
        print(" ".join(f"{logit:6.2f}" for logit in logits[-1]), " ", change)


# %% exercise="decoder/find_faults"
def find_faults() -> str:
    """The letters of the decoders that have faults 1 to 6, in this order, as one word.

    No input: use `evidence["logits"][letter][change]`, an array seq vocab, above.
    """
    return "ECAFBD"


# %% [markdown]
# ## Your decoder in SmolLM2
#
# At last everything together: your norms, your feed-forward, your block, your decoder, and from
# the chapters before your positions and your attention. The stream after every layer, beside that
# of the course's decoder, on a text of 40 tokens.

# %% tags=["demo"]
TEXT = (
    "A river begins in the mountains, where rain and melting snow run together into small"
    " streams. The streams join, the water slows down, and the river grows wide. At the end of"
    " its journey it flows into the sea."
)
with demonstration():
    ids = torch.tensor([tokenizer.encode(TEXT)])  # batch seq
    yours = theirs = model.token_embedding(ids)
    angles, differences, largest = model.angles(ids, start=0), [], 0.0
    for layer, block in enumerate(model.blocks):
        yours, theirs = block_of(layer)(yours), block(theirs, angles)
        differences.append((yours - theirs).abs().max().item())
        largest = max(largest, theirs.abs().max().item())
    print(f"numbers in the stream go up to {largest:,.0f}; largest difference, layer by layer:")
    print(" ".join(f"{d:.0e}" for d in differences))
    logits = your_logits(ids)
    print(f"logits: {(logits - model(ids)).abs().max():.6f}")
    loss = F.cross_entropy(logits[0, :-1], ids[0, 1:])
    print(f"loss of your decoder on the text: {loss:.3f} nats a token")

# %% [markdown]
# **What you have now.** A decoder that runs a published model, and the means to look into it: the
# lens, the count, and six experiments that tell six faults apart. Together the exercises are worth
# 24 points. Next comes chapter 7: where the token ids come from.
