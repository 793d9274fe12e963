# %% [markdown]
# # Exercises: Inference
#
# You write thirteen short pieces and answer one question. The first half is the loop that makes
# a model write, and the cache that makes it quick; in the middle you predict what an answer
# costs; the second half chooses tokens and knows when to stop. Your `attend_with_cache`,
# `sample` and `generate` go into your own model. At the end all of it runs SmolLM2-135M-Instruct
# (weights of 4 bits, computed in float32). Plan about two hours and a half; every exercise says
# how long it takes. Exercise 11 belongs to a section marked *second reading*; all others need
# only the core of the chapter.
#
# **How checking works.** Replace `raise NotImplementedError()` by your code, run the cell, then
# run the `check` cell below it. The verdict comes within a second: right, or what goes wrong and
# where. Where your answer shows a known misunderstanding, the verdict says which one and links to
# the section that clears it up. The inputs are new each time, and you can check as often as you
# like. Demonstration cells use your functions. While one is missing, they say so and go on.
#
# **How to read a signature.** `Float[Tensor, "batch vocab"]` is a tensor of floats whose axes
# have these names; `...` stands for any axes in front. Nothing checks these words while you
# work: they are there for you. Where a docstring promises a `ValueError`, the check asks for it;
# its wording is yours. No input may be changed. Floats stay in float32, and results are compared
# to about four digits.
#
# **Pieces of earlier chapters.** `given(...)` in the next cell brings rotary positions from
# chapter 4 and attention from chapter 5: your own where you have them right, else the course's.

# %% tags=["setup"]
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grading import check, demonstration, given, question

ModelConfig = given("reference_impl.decoder.config:ModelConfig")
rope_angles = given("embeddings_and_positions/rope_angles")
apply_rope = given("embeddings_and_positions/apply_rope")
causal_mask = given("attention/causal_mask")
grouped_query_attention = given("attention/grouped_query")

torch.set_num_threads(1)  # tensors this small gain nothing from more
torch.set_printoptions(precision=2, sci_mode=False)

# %% [markdown]
# ## 1. The next token
#
# {{inference/next_tokens}}
#
# A forward pass gives logits at *every* position: what may follow the first token, the first two,
# and so on. Only one of these guesses is still open. The warm-up: read it off, for each text of a
# batch.
#
# <details><summary>Hint</summary>
#
# Which position has seen the whole text? Fix that index on the second axis; then look for the
# highest logit along the axis that is left beside the batch.
#
# </details>


# %% exercise="inference/next_tokens"
def next_tokens(logits: Float[Tensor, "batch seq vocab"]) -> Int[Tensor, " batch"]:
    """The likeliest next token of each text: the id of the highest logit at its last position.

    Where several logits are highest, the lowest of their ids. The ids are integers (int64).

    >>> logits = torch.tensor([[[9.0, 0.0, 0.0], [0.0, 1.0, 2.0]]])  # one text, two positions
    >>> next_tokens(logits)
    tensor([2])
    """
    return logits[:, -1].argmax(dim=-1)


# %% [markdown]
# The real model, once. Where does it put *Paris*?

# %% tags=["demo"]
with demonstration():
    from reference_impl.inference.fast_decoder import FastDecoder
    from reference_impl.published.weights import load_smollm2

    model, tokenizer = load_smollm2()
    model.requires_grad_(False)
    fast = FastDecoder(model)  # the same model, arranged for speed
    for text in ("The capital of France is", "The capital of France"):
        logits = model(torch.tensor([tokenizer.encode(text)]))  # batch seq vocab
        print(f"{text} ->", repr(tokenizer.decode(next_tokens(logits).tolist())))

# %% [markdown]
# ## 2. The loop
#
# {{inference/generate}}
#
# One token is chosen, joins the text, and the longer text goes through the model again. That is
# all a language model does when it writes. Build the loop around *any* model and *any* way to
# choose: both come in as functions. The text may grow longer than the model's context; then it
# sees the last `context_length` tokens, at every step anew.
#
# <details><summary>Hint 1</summary>
#
# Keep one list: the text so far. Each round asks the model, chooses, looks whether the choice is
# a stop, and only then appends and yields.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `yield` inside a `for` loop makes the function a generator; a bare `return` ends it. The last n
# items of a list are `items[-n:]`, also where there are fewer than n.
#
# </details>


# %% exercise="inference/generate"
def generate(
    next_logits: Callable[[list[int]], Float[Tensor, " vocab"]],
    token_ids: list[int],
    max_new_tokens: int,
    choose: Callable[[Float[Tensor, " vocab"]], int],
    stop_ids: Collection[int] = (),
    context_length: int = 8192,
) -> Iterator[int]:
    """Yield the tokens that continue `token_ids`, each as soon as it is chosen.

    `next_logits` takes the text so far, a list of ids, and gives the logits of the next token;
    `choose` makes an id of them. The model never sees more than `context_length` tokens: of a
    longer text it gets the last ones. It is asked once for each choice, and no further. The loop
    ends after `max_new_tokens`, or as soon as a token of `stop_ids` is chosen, which is not
    yielded. `token_ids` stays as it is. Raises ValueError for an empty prompt, at the latest when
    the first token is asked for.

    >>> one_more = lambda ids: torch.eye(10)[(ids[-1] + 1) % 10]  # a "model" that counts
    >>> best = lambda logits: int(logits.argmax())
    >>> list(generate(one_more, [5], 3, best))
    [6, 7, 8]
    >>> list(generate(one_more, [5], 9, best, stop_ids={8}))
    [6, 7]
    """
    if not token_ids:
        raise ValueError("the prompt is empty: give at least one token id")
    text = list(token_ids)
    for _ in range(max_new_tokens):
        token_id = choose(next_logits(text[-context_length:]))
        if token_id in stop_ids:
            return
        text.append(token_id)
        yield token_id


# %% [markdown]
# Your loop writes with SmolLM2, greedily. Each step runs the *whole* text again: watch how it
# slows down. (No cache yet. That is exercise 4.)

# %% tags=["demo"]
import time

with demonstration():
    prompt = tokenizer.encode("My favourite way to cook potatoes is")
    times = []

    def run_everything(ids):
        start = time.perf_counter()
        logits = fast.next_logits(torch.tensor([ids]), fast.new_cache(1, len(ids)))[0]
        times.append(time.perf_counter() - start)
        return logits

    for token_id in generate(run_everything, prompt, 20, lambda logits: int(logits.argmax())):
        print(tokenizer.decode([token_id]), end="", flush=True)
    first, last = sum(times[:5]) / 5, sum(times[-5:]) / 5
    print(f"\nseconds per token: {first:.3f} at first, {last:.3f} at the end")

# %% [markdown]
# ## 3. What falls out of the context
#
# {{inference/fit_context}}
#
# A chat grows with every turn, and an agent appends each result of a tool. At some point it no
# longer fits. Cutting at the front loses the instructions, which stand first; so these are kept,
# and the middle goes. The answer needs room in the same context, too.
#
# <details><summary>Hint</summary>
#
# First compute how many tokens of the conversation may stay at all. Then two slices. What does
# `items[-0:]` give?
#
# </details>


# %% exercise="inference/fit_context"
def fit_context(
    token_ids: list[int], context_length: int, n_answer: int, n_keep: int = 0
) -> list[int]:
    """The tokens of a conversation that fit into the context beside an answer of n_answer tokens.

    A conversation that fits stays whole. Of a longer one stay the first `n_keep` tokens (the
    instructions) and of the rest the last ones, together as many as there is room for, in their
    order. `token_ids` stays as it is. Raises ValueError where `n_keep` and `n_answer` together are
    more than `context_length`, however short the conversation is.

    >>> fit_context([1, 2, 3, 4, 5, 6], context_length=5, n_answer=1, n_keep=2)
    [1, 2, 5, 6]
    >>> fit_context([1, 2, 3], context_length=5, n_answer=2)
    [1, 2, 3]
    """
    room = context_length - n_answer
    if n_keep > room:
        raise ValueError(f"{n_keep} tokens to keep and {n_answer} to write exceed {context_length}")
    if len(token_ids) <= room:
        return list(token_ids)
    n_last = room - n_keep
    return token_ids[:n_keep] + token_ids[len(token_ids) - n_last :]


# %% [markdown]
# A conversation of numbered words, in a context of 16 tokens. Which word is forgotten first?

# %% tags=["demo"]
with demonstration():
    conversation = list(range(100, 100 + 24))
    for n_keep in (0, 4):
        print(fit_context(conversation, context_length=16, n_answer=4, n_keep=n_keep))

# %% [markdown]
# ## 4. A cache for one layer
#
# {{inference/layer_cache}}
#
# In a causal model the keys and values of a token never change when later tokens come. So they
# can be kept. Write the memory of *one* layer. It starts empty, `append` puts new positions
# behind the old ones, `length` says how many there are, and `truncate` goes back, for a second
# try at an answer.
#
# <details><summary>Hint 1</summary>
#
# `torch.cat` joins tensors along an axis that you name. Which of `batch kv_heads kv_seq head_dim`
# grows?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Before the first `append` there is nothing to join with: store what comes. A property is read
# without brackets, `cache.length`; its cell has the decorator already.
#
# </details>


# %% exercise="inference/layer_cache"
class LayerCache:
    """The keys and values of one layer for all tokens so far.

    Both have the shape batch kv_heads kv_seq head_dim.
    """

    def __init__(self) -> None:
        """Empty: each cache has its own keys and values."""
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def append(
        self,
        k: Float[Tensor, "batch kv_heads seq head_dim"],
        v: Float[Tensor, "batch kv_heads seq head_dim"],
    ) -> tuple[
        Float[Tensor, "batch kv_heads kv_seq head_dim"],
        Float[Tensor, "batch kv_heads kv_seq head_dim"],
    ]:
        """Put the newest tokens' k and v behind the older ones; return all keys, all values."""
        if self.keys is None or self.values is None:
            self.keys, self.values = k, v
        else:
            self.keys = torch.cat([self.keys, k], dim=2)
            self.values = torch.cat([self.values, v], dim=2)
        return self.keys, self.values

    @property
    def length(self) -> int:
        """How many positions are stored: 0 at the start. It is the position of the next token."""
        return 0 if self.keys is None else self.keys.shape[2]

    def truncate(self, length: int) -> None:
        """Keep the first `length` positions and forget the later ones.

        Raises ValueError for a length below 0 or above the present one.
        """
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot cut {self.length} positions to {length}")
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[:, :, :length], self.values[:, :, :length]


# %% tags=["demo"]
with demonstration():
    one_layer = LayerCache()
    for seq in (4, 1, 1):  # a prompt of 4 tokens, then two more
        keys, values = one_layer.append(torch.randn(1, 3, seq, 64), torch.randn(1, 3, seq, 64))
        print(f"came {seq}, stored {one_layer.length}, keys {tuple(keys.shape)}")
    one_layer.truncate(4)
    print("after truncate(4):", one_layer.length)

# %% [markdown]
# ## 5. Attention with a cache
#
# {{inference/attend_with_cache}}
#
# Now attention for the newest tokens alone. Four things have to be right: at which positions
# they stand, what is stored, what each of them may see, and which KV head each query head reads.
# If they are, a text gives the same results at once and token by token. The check
# brings a cache of its own, so your exercise 4 need not be right for this one.
#
# The functions of chapters 4 and 5 are there: `rope_angles(positions, head_dim, rope_theta)`,
# `apply_rope(x, angles)`, `causal_mask(q_seq, kv_seq)` and
# `grouped_query_attention(q, k, v, mask)`. `help(apply_rope)` and so on says more.
#
# <details><summary>Hint 1</summary>
#
# Read `cache.length` before you store anything. `rope_angles` takes the positions as a tensor of
# whole numbers.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `causal_mask(q_seq, kv_seq)` takes the queries for the last of the kv_seq positions. That is
# just the case here, with a prompt and with a single token.
#
# </details>


# %% exercise="inference/attend_with_cache"
def attend_with_cache(
    q: Float[Tensor, "batch heads q_seq head_dim"],
    k: Float[Tensor, "batch kv_heads q_seq head_dim"],
    v: Float[Tensor, "batch kv_heads q_seq head_dim"],
    cache: LayerCache,
    rope_theta: float = 10000.0,
) -> Float[Tensor, "batch heads q_seq head_dim"]:
    """What one layer's attention gives the newest tokens, which stand behind those in the cache.

    q, k and v belong to the newest tokens and are not turned yet. q and k are turned by rotary
    positions (their first token stands at position `cache.length`); then the keys and values are
    stored, once, by `cache.append`. Each new token attends to all positions up to its own, earlier
    tokens' and new ones. Query head h uses KV head h // (heads // kv_heads).
    `cache` has `append(k, v)`, which returns all keys and values, and `length`; use nothing else
    of it. Whether a text comes at once or in pieces, the results are the same.

    >>> cache, one = LayerCache(), torch.ones(1, 1, 1, 2)  # a single token, one head
    >>> attend_with_cache(0 * one, one, 4 * one, cache)  # sees itself alone
    tensor([[[[4., 4.]]]])
    >>> attend_with_cache(0 * one, one, 8 * one, cache)  # a query of 0 looks at both alike
    tensor([[[[6., 6.]]]])
    """
    start, q_seq = cache.length, q.shape[2]
    angles = rope_angles(torch.arange(start, start + q_seq), q.shape[3], rope_theta)
    keys, values = cache.append(apply_rope(k, angles), v)  # batch kv_heads kv_seq head_dim
    mask = causal_mask(q_seq, start + q_seq)
    return grouped_query_attention(apply_rope(q, angles), keys, values, mask)


# %% [markdown]
# The proof: queries, keys and values of SmolLM2's layer 0 for a real sentence, at once and one by
# one, with your cache.

# %% tags=["demo"]
with demonstration():
    layer = model.blocks[0].attention
    sentence = torch.tensor([tokenizer.encode("A token attends to what came before it.")])
    x = model.blocks[0].attention_norm(model.token_embedding(sentence))  # batch seq d_model
    q = layer.q_proj(x).unflatten(-1, (9, 64)).transpose(1, 2)  # batch heads seq head_dim
    k = layer.k_proj(x).unflatten(-1, (3, 64)).transpose(1, 2)  # batch kv_heads seq head_dim
    v = layer.v_proj(x).unflatten(-1, (3, 64)).transpose(1, 2)
    at_once = attend_with_cache(q, k, v, LayerCache(), 100_000.0)
    by_steps, one_layer = [], LayerCache()
    for i in range(q.shape[2]):
        newest = (tensor[:, :, i : i + 1] for tensor in (q, k, v))
        by_steps.append(attend_with_cache(*newest, one_layer, 100_000.0))
    print(f"largest difference: {(at_once - torch.cat(by_steps, dim=2)).abs().max():.7f}")

# %% [markdown]
# ## 6. What the cache weighs
#
# {{inference/cache_bytes}}
#
# The cache has a price: memory. How many bytes do the keys and values of a text take?
#
# <details><summary>Hint</summary>
#
# Count what one position stores in one layer: how many vectors, and how wide? Then multiply by
# everything that it is stored for.
#
# </details>


# %% exercise="inference/cache_bytes"
def cache_bytes(config: "ModelConfig", batch: int, seq: int, bytes_per_number: int = 2) -> int:
    """Bytes of the keys and values of `seq` positions in all layers, for `batch` texts.

    `config` has the sizes `n_layers`, `n_heads`, `n_kv_heads`, `head_dim`, `d_model` and others.

    >>> tiny = ModelConfig(10, 8, 6, n_layers=2, n_heads=3, n_kv_heads=1, head_dim=2, d_ff=5)
    >>> cache_bytes(tiny, batch=1, seq=4)  # 2 (k and v) * 2 layers * 1 head * 2 * 4 positions * 2
    64
    """
    per_position = 2 * config.n_layers * config.n_kv_heads * config.head_dim
    return batch * seq * per_position * bytes_per_number


# %% [markdown]
# SmolLM2's full context in 16 bits, for one reader and for 64 at the same time. Its weights in 16
# bits take 269 million bytes.

# %% tags=["demo"]
with demonstration():
    from reference_impl.decoder.config import SMOLLM2_135M

    for batch in (1, 64):
        print(f"{batch:2} texts: {cache_bytes(SMOLLM2_135M, batch, 8192) / 1e6:,.0f} million bytes")

# %% [markdown]
# ## 7. What a pass costs
#
# {{inference/pass_flops}}
#
# How many operations does the model need to read a prompt, and how many for one more token?
# Count the matrix products. One rule covers them all: an m x k matrix times a k x n matrix is 2
# m k n operations, a multiplication and an addition each.
#
# <details><summary>Hint 1</summary>
#
# Every weight of a layer meets every new token once. So count the weights of one layer first;
# then scores and weighted sums, which have no weights of their own.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# For one query head the scores are q_seq x head_dim times head_dim x kv_seq. The weighted sums
# take as many. There are n_heads of both; sharing KV heads saves none of them.
#
# </details>


# %% exercise="inference/pass_flops"
def pass_flops(config: "ModelConfig", q_seq: int, kv_seq: int) -> int:
    """Floating-point operations of the matrix products when q_seq new tokens of one text are run.

    They attend to `kv_seq` positions, their own among them; with q_seq = kv_seq this is a prompt,
    with q_seq = 1 a step with a cache. A product of m x k and k x n counts 2 m k n. In each layer:
    q and o projections (d_model by n_heads * head_dim), k and v projections (d_model by
    n_kv_heads * head_dim), three matrices of the feed-forward (d_model by d_ff), and for each
    query head the scores and the weighted sums of all kv_seq positions, hidden ones too. The
    output layer (d_model by vocab_size) runs for the last token alone. Looking up embeddings,
    norms, rotations and softmax are not counted.

    >>> tiny = ModelConfig(10, 8, 4, n_layers=1, n_heads=2, n_kv_heads=1, head_dim=2, d_ff=6)
    >>> 2 * 3 * (16 + 16 + 8 + 8 + 72) + 2 * 2 * 3 * 3 * 4 + 2 * 40  # weights; attention; output
    944
    >>> pass_flops(tiny, q_seq=3, kv_seq=3)
    944
    """
    q_width = config.n_heads * config.head_dim
    kv_width = config.n_kv_heads * config.head_dim
    weights = config.d_model * (2 * q_width + 2 * kv_width + 3 * config.d_ff)  # of one layer
    attention = 2 * q_seq * kv_seq * q_width  # scores, and as much for the sums
    output = config.d_model * config.vocab_size
    return 2 * (config.n_layers * (q_seq * weights + attention) + output)


# %% tags=["demo"]
with demonstration():
    for n in (16, 256, 4096):
        prompt_cost, step_cost = pass_flops(SMOLLM2_135M, n, n), pass_flops(SMOLLM2_135M, 1, n + 1)
        print(f"{n:5} tokens: {prompt_cost / n / 1e6:4.0f} million FLOPs a token", end="; ")
        print(f"one more: {step_cost / 1e6:4.0f} million")

# %% [markdown]
# ## 8. Seconds, predicted
#
# {{inference/answer_seconds}}
#
# Now predict, before anybody measures. A pass has to do its operations and to bring its bytes
# from memory, and takes as long as the slower of the two: the **roofline**. Put `pass_flops` and
# `cache_bytes` together; the check lends you the course's where yours are not right yet.
#
# <details><summary>Hint 1</summary>
#
# Write a small function for one pass of `q_seq` tokens that attend to `kv_seq` positions. The
# prompt is one such pass; how many more does an answer of n tokens need, and what do they attend
# to?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# An answer of 3 tokens behind a prompt of 10: the first token comes from the prompt's pass. Its
# own pass attends to 11 positions and gives the second. That one's attends to 12 and gives the
# third.
#
# </details>


# %% exercise="inference/answer_seconds"
def answer_seconds(
    config: "ModelConfig",
    n_weights: int,
    n_prompt: int,
    n_answer: int,
    flops_per_second: float,
    bytes_per_second: float,
    bytes_per_number: int = 4,
) -> tuple[float, float]:
    """The least seconds for reading a prompt, and then for writing an answer with a cache.

    One pass runs the prompt and gives the first token of the answer. Each further token needs a
    pass of one token, which attends to itself and all before it; the last token of the answer is
    not run. A pass takes as long as the slower of two things: its `pass_flops` at
    flops_per_second, and its bytes at bytes_per_second. Its bytes are all `n_weights` weights,
    once, and the keys and values of all positions it attends to (`cache_bytes` of one text).
    n_prompt and n_answer are 1 or more.

    >>> tiny = ModelConfig(10, 8, 4, n_layers=1, n_heads=2, n_kv_heads=1, head_dim=2, d_ff=6)
    >>> answer_seconds(tiny, 172, 3, 2, flops_per_second=1e9, bytes_per_second=1e3)  # bytes decide
    (0.736, 0.752)
    >>> answer_seconds(tiny, 172, 3, 1, flops_per_second=1e3, bytes_per_second=1e9)  # 944 FLOPs
    (0.944, 0.0)
    """

    def seconds(q_seq: int, kv_seq: int) -> float:
        n_bytes = n_weights * bytes_per_number + cache_bytes(config, 1, kv_seq, bytes_per_number)
        return max(pass_flops(config, q_seq, kv_seq) / flops_per_second, n_bytes / bytes_per_second)

    decode = sum((seconds(1, n_prompt + i) for i in range(1, n_answer)), start=0.0)
    return seconds(n_prompt, n_prompt), decode


# %% [markdown]
# **Predict, then measure.** First this machine's speeds, then your prediction for SmolLM2, and
# only then the clock. Before you run it, write down: within which factor will the prediction be
# right, for the prompt and for the answer? (The roofline is the *least* time, so the truth lies
# above.)

# %% tags=["demo"]
with demonstration():
    from reference_impl.scaling_laws.machine import measure_machine

    machine = measure_machine(clock=time.process_time)
    print(f"{machine.flops_per_second / 1e9:.0f} billion operations a second", end=", ")
    print(f"{machine.bytes_per_second / 1e9:.1f} billion bytes a second")
    n_weights = sum(parameter.numel() for parameter in model.parameters())
    speeds = machine.flops_per_second, machine.bytes_per_second
    predicted = answer_seconds(SMOLLM2_135M, n_weights, 256, 17, *speeds)

    ids, cache = torch.arange(100, 356)[None], fast.new_cache(1, 280)
    start = time.process_time()
    fast.next_logits(ids, cache)
    read = time.process_time()
    for _ in range(16):
        fast.next_logits(ids[:, :1], cache)
    measured = read - start, time.process_time() - read
    for name, p, m, n in zip(("prompt", "answer"), predicted, measured, (256, 17), strict=True):
        print(f"{name}: predicted {p:.3f} s, measured {m:.3f} s, {1000 * m / n:.1f} ms a token")

# %% [markdown]
# ## 9. Top-k
#
# {{inference/top_k}}
#
# Now the choice: three filters, then the draw. This one rules out all but the k likeliest tokens.
# A filter takes logits and returns logits, so that filters can follow each other: what is ruled
# out gets minus infinity, of which the softmax makes 0.
#
# <details><summary>Hint</summary>
#
# The k-th highest logit of a row is the limit. `Tensor.topk` finds it; `masked_fill` writes one
# value wherever a condition holds.
#
# </details>

# %% exercise="inference/top_k"
from reference_impl.inference.sampling import top_k

# %% [markdown]
# ## 10. Top-p
#
# {{inference/top_p}}
#
# With k=5, five tokens stay after *The capital of France is* and after *My favourite* alike. Top-p
# asks the distribution itself: as few tokens as together have probability p or more, the likeliest
# first.
#
# <details><summary>Hint 1</summary>
#
# Sort the probabilities from high to low. A token is dropped if those *before* it already reach
# p.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `sort` also returns where each number came from. `scatter` writes decisions made in sorted order
# back to those places; a loop over the rows is right, too.
#
# </details>


# %% exercise="inference/top_p"
def top_p(logits: Float[Tensor, "batch vocab"], p: float) -> Float[Tensor, "batch vocab"]:
    """Keep the smallest set of most probable tokens whose probabilities sum to p or more.

    Softmax makes the probabilities. The token whose probability reaches p is kept, so that at
    least one always is. The others' logits become -inf; the kept ones stay as they are, each at
    its place. `logits` itself is not changed. Raises ValueError unless 0 < p <= 1.

    >>> logits = torch.tensor([[0.2, 0.5, 0.3]]).log()  # by size: 0.5, 0.3, 0.2
    >>> top_p(logits, 0.6).softmax(-1)  # 0.5 is not enough, 0.5 + 0.3 is
    tensor([[0.0000, 0.6250, 0.3750]])
    """
    if not 0 < p <= 1:
        raise ValueError(f"p={p} is no probability to reach: give a number in (0, 1]")
    probabilities, order = logits.softmax(dim=-1).sort(dim=-1, descending=True)
    before = probabilities.cumsum(dim=-1) - probabilities  # of the more probable tokens
    dropped = torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before >= p)
    return logits.masked_fill(dropped, float("-inf"))


# %% [markdown]
# ## 11. Min-p
#
# {{inference/min_p}}
#
# A third idea: keep what is not much less likely than the best token. (Section *second reading*.)
#
# <details><summary>Hint</summary>
#
# One limit for each row: p times its highest probability. `keepdim=True` keeps the axis that you
# need to compare.
#
# </details>


# %% exercise="inference/min_p"
def min_p(logits: Float[Tensor, "batch vocab"], p: float) -> Float[Tensor, "batch vocab"]:
    """Keep the tokens that are at least p times as probable as the most probable one of their row.

    p = 0 keeps all, p = 1 the most probable alone (and its equals). The others' logits become
    -inf; the kept ones stay as they are. `logits` itself is not changed. Raises ValueError unless
    0 <= p <= 1.

    >>> logits = torch.tensor([[0.2, 0.5, 0.3]]).log()
    >>> min_p(logits, 0.5).softmax(-1)  # half of 0.5 is 0.25: 0.2 is less
    tensor([[0.0000, 0.6250, 0.3750]])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p={p} is no share of a probability: give a number from 0 to 1")
    probabilities = logits.softmax(dim=-1)
    highest = probabilities.amax(dim=-1, keepdim=True)  # batch 1
    return logits.masked_fill(probabilities < p * highest, float("-inf"))


# %% [markdown]
# How many of 49,152 tokens does each filter leave, where the model is sure and where it is not?

# %% tags=["demo"]
with demonstration():
    for text in ("The capital of France is", "The best thing about winter is"):
        ids = torch.tensor([tokenizer.encode(text)])
        logits = fast.next_logits(ids, fast.new_cache(1, 32))
        kept = {"top-k": top_k(logits, 5), "top-p": top_p(logits, 0.8), "min-p": min_p(logits, 0.1)}
        print(text, {name: int(left.isfinite().sum()) for name, left in kept.items()})


# %% [markdown]
# ## 12. Sample
#
# {{inference/sample}}
#
# Put them together, and draw. The temperature comes first, because it changes what top-p adds
# up. Many rows come at once, each a text of its own; the check counts what you draw for 2,000
# equal ones.
#
# <details><summary>Hint 1</summary>
#
# `torch.multinomial(probabilities, 1, generator=generator)` draws one place for each row. Look
# at the shape of what it returns.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Logits divided by 0 are no use: greedy is a case of its own, and comes before the division.
#
# </details>


# %% exercise="inference/sample"
def sample(
    logits: Float[Tensor, "batch vocab"],
    temperature: float,
    k: int | None,
    p: float | None,
    generator: torch.Generator,
) -> Int[Tensor, " batch"]:
    """Draw a token for each row: temperature, then top-k, then top-p, then the draw.

    The logits are divided by the temperature; 0 means greedy: the highest logit, whatever k and p
    are. `k` or `p` None leaves that filter out. Each row gets a draw of its own. All chance comes
    from `generator`: the same state gives the same tokens. `logits` itself is not changed. Raises
    ValueError for a temperature below 0.

    >>> logits = torch.tensor([[1.0, 3.0, 2.0]])
    >>> sample(logits, 0.0, None, None, torch.Generator())
    tensor([1])
    >>> sample(logits, 1.0, 1, None, torch.Generator())  # one token is left
    tensor([1])
    """
    if temperature < 0:
        raise ValueError(f"temperature={temperature} is negative: give 0 (greedy) or more")
    if temperature == 0:
        return logits.argmax(dim=-1)
    logits = logits / temperature
    if k is not None:
        logits = top_k(logits, k)
    if p is not None:
        logits = top_p(logits, p)
    return torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)[:, 0]


# %% [markdown]
# The same beginning at four temperatures, with your loop. (A fresh seed gives other texts:
# change it.)


# %% tags=["demo"]
def writer(prompt, n, temperature, k=None, p=None, seed=0):
    """Text that the fast model writes through your `generate` and `sample`."""
    cache, generator = fast.new_cache(1, 256), torch.Generator().manual_seed(seed)

    def next_logits(ids):  # the cache knows all but the newest
        return fast.next_logits(torch.tensor([ids[cache.length :]]), cache)[0]

    def choose(logits):
        return sample(logits[None], temperature, k, p, generator).item()

    ids = tokenizer.encode(prompt)
    return tokenizer.decode(list(generate(next_logits, ids, n, choose)))


with demonstration():
    for temperature in (0.0, 0.7, 1.0, 1.5):
        text = writer("The best thing about winter is", 20, temperature)
        print(f"{temperature}: {' '.join(text.split())}")

# %% [markdown]
# ## 13. Stop at a text
#
# {{inference/until}}
#
# Some texts have no stop token: a list of questions and answers should end before the *next*
# question. So one stops at a text, and that is harder than it looks, because text arrives in
# pieces. Is *\n* the beginning of *\nQuestion:*, or just a new line? Show nothing too early, and
# hold nothing back for longer than needed.
#
# <details><summary>Hint 1</summary>
#
# Keep what is not shown yet in one string. After each piece: is a stop in it? If not, which is
# the longest ending that some stop begins with?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `held[i:]` for every i is an ending, the longest first. `stop.startswith(ending)` says whether
# it may become that stop.
#
# </details>


# %% exercise="inference/until"
def until(pieces: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """Yield a stream of text up to the first place where one of `stops` begins.

    `pieces` come one after the other, as a model writes them, and a stop may begin in one piece
    and end in another. So an ending that may be the beginning of a stop is held back until it is
    known; everything else is yielded before the next piece is read. As soon as a stop is complete,
    what stands before it is yielded and no further piece is read. What is held back when the pieces
    end is yielded too. In how many parts the text comes between two readings does not matter, nor
    do empty texts. No stop is empty and none contains another; `stops` may be empty.

    >>> "".join(until(["one", " two", "\\nQues", "tion: three"], ["\\nQuestion:"]))
    'one two'
    >>> "".join(until(["a", "b", "c"], ["bd"]))
    'abc'
    """
    held = ""
    for piece in pieces:
        held += piece
        found = [held.index(stop) for stop in stops if stop in held]
        if found:
            yield held[: min(found)]
            return
        begun = [i for i in range(len(held)) if any(s.startswith(held[i:]) for s in stops)]
        safe = min(begun, default=len(held))
        yield held[:safe]
        held = held[safe:]
    yield held


# %% [markdown]
# The model goes on with its list for ever. Your `until` ends it before the sixth fruit.

# %% tags=["demo"]
with demonstration():
    cache = fast.new_cache(1, 128)

    def next_logits(ids):
        return fast.next_logits(torch.tensor([ids[cache.length :]]), cache)[0]

    fruits = tokenizer.encode("Fruits:\n1. Apple\n2. Banana\n3.")
    written = list(generate(next_logits, fruits, 25, lambda logits: int(logits.argmax())))
    print("without:", repr(tokenizer.decode(written)))
    pieces = (tokenizer.decode([token_id]) for token_id in written)
    print("with:   ", repr("".join(until(pieces, ["\n6."]))))

# %% [markdown]
# ## 14. Which setting made which text?
#
# {{inference/which_setting}}
#
# Six texts of SmolLM2, each drawn in one of six ways: greedy; temperature 1 with nothing else;
# temperature 1.5; and at temperature 1 top-k with k=5, top-p with p=0.6, min-p with p=0.1. For
# every token you see its rank among all tokens (1 is the likeliest), its probability before any
# filter or temperature, and *before*: what all likelier tokens had together. Which one was drawn
# with top-p? Return its letter, such as `"A"`. The texts were drawn for you; others have other
# letters.
#
# <details><summary>Hint</summary>
#
# Write down what each setting can never do. Which column would show it?
#
# </details>

# %%
texts = question("inference/which_setting")  # letters and tables
for letter, rows in texts.items():
    print(letter, rows, sep="\n")


# %% exercise="inference/which_setting"
def drawn_with_top_p() -> str:
    """The letter of the text that was drawn with top-p, p=0.6.

    No input, and nothing to compute: read the tables above.
    """
    return "D"


# %% [markdown]
# ## Your loop, your cache, SmolLM2
#
# At last everything together: SmolLM2's weights, and of yours the cache in each of 30 layers, the
# attention, the sampling, the loop and the stop. Compare what the cache saves.


# %% tags=["demo"]
def run_layers(ids, caches):
    """Logits after the last of `ids`, which come behind what the caches hold."""
    x = model.token_embedding(torch.tensor([ids]))  # batch seq d_model
    for block, cache in zip(model.blocks, caches, strict=True):
        layer, normed = block.attention, block.attention_norm(x)
        q, k, v = (project(normed) for project in (layer.q_proj, layer.k_proj, layer.v_proj))
        q, k, v = (tensor.unflatten(-1, (-1, 64)).transpose(1, 2) for tensor in (q, k, v))
        attended = attend_with_cache(q, k, v, cache, 100_000.0)  # batch heads seq head_dim
        x = x + layer.o_proj(attended.transpose(1, 2).flatten(-2))
        x = x + block.feed_forward(block.feed_forward_norm(x))
    return model.lm_head(model.final_norm(x[:, -1]))[0]  # vocab


def answer(prompt, n, cached=True):
    """Pieces of text, each as soon as it is there."""
    caches = [LayerCache() for _ in model.blocks]
    generator = torch.Generator().manual_seed(1)

    def next_logits(ids):
        if cached:
            return run_layers(ids[caches[0].length :], caches)
        return run_layers(ids, [LayerCache() for _ in model.blocks])

    def choose(logits):
        return sample(logits[None], 0.7, None, 0.9, generator).item()

    end = tokenizer.encode("<|im_end|>", allowed_special="all")
    ids = tokenizer.encode(prompt, allowed_special="all")
    for token_id in generate(next_logits, ids, n, choose, end):
        yield tokenizer.decode([token_id])


CHAT = "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n"
with demonstration():
    for cached in (True, False):
        start, n = time.perf_counter(), 0
        for piece in until(answer(CHAT, 16, cached), ["\n\n"]):
            print(piece, end="", flush=True)
            n += 1
        seconds = time.perf_counter() - start
        print(
            f"\n    {'with' if cached else 'without'} the cache: {n / seconds:.1f} pieces a second"
        )

# %% [markdown]
# **What you have now.** A loop that makes any model write, a cache that does not change what it
# says, the price of an answer before it is written, three filters and a draw, and an end. Of your
# own model these are three parts: `attend_with_cache`, `sample` and `generate`. Together the
# exercises are worth 33 points. Next comes chapter 9: how a model gets its weights.

# %% tags=["demo"]
with demonstration():
    from grading.learner.progress import after_check

    print(*after_check("inference/which_setting"), sep="\n")
