# %% [markdown]
# # Exercises: Your model speaks
#
# The parts are written. Here you write what joins them: weights find their places by name, layers
# get caches, a conversation goes on, text comes as it is made. Then you compare your model with the
# course's, layer by layer, hunt for planted faults in twelve broken ones, and plan a model of your
# own. Six short pieces and two questions, about two hours; every exercise says how long it takes.
#
# **How checking works.** Replace `raise NotImplementedError()` by your code, run the cell, then
# run the `check` cell below it. The verdict comes within a second: right, or what goes wrong and
# where. Where your answer shows a known misunderstanding, the verdict says which one and links to
# the section that clears it up. The inputs are new each time, and you can check as often as you
# like. Demonstration cells use your functions. While one is missing, they say so and go on.
#
# **How to read a signature.** `Callable[[str], list[int]]` is a function from a text to a list of
# whole numbers. Nothing checks these words while you work: they are there for you. Where a
# docstring promises a `ValueError`, the check asks for it; its wording is yours. No input may be
# changed.
#
# **Your own parts.** `given(...)` in the next cell brings what you wrote in chapters 4 to 8 and 11:
# your own where you have it right, else the course's. It says which. No check of this notebook
# needs another exercise to be right. The demonstrations build on each other: where you are stuck,
# `course solution capstone/sort_weights`, in a terminal, shows the course's answer to that one.

# %% tags=["setup"]
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float

from grading import check, demonstration, given, question

decoder_block = given("decoder/decoder_block")
decoder_logits = given("decoder/decoder_logits")
attend_with_cache = given("inference/attend_with_cache")
LayerCache = given("inference/layer_cache")
sample = given("inference/sample")
generate = given("inference/generate")
encode = given("tokenization/encode")
decode = given("tokenization/decode")
render_chat = given("fine_tuning/render_chat")
WEIGHT_NAMES = given("reference_impl.capstone.joints:WEIGHT_NAMES")

torch.set_num_threads(1)  # the checks' tensors are tiny
torch.set_printoptions(precision=2, sci_mode=False)

# %% [markdown]
# ## 1. Weights by name
#
# {{capstone/sort_weights}}
#
# A file of weights is a long list of named tensors. SmolLM2's has 272, and nobody promises an
# order. Put each where `decoder_block` looks for it. Where a tensor has no place or one is missing,
# the model would be another one: say so with a `ValueError`, before anybody runs it. The table
# `WEIGHT_NAMES` says which word of the file is which weight.
#
# <details><summary>Hint 1</summary>
#
# `"blk.7.attn_q.weight".split(".")` has four parts. Collect a dict of dicts by the number of the
# layer, as a whole number, and make the list at the end.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# What must be there: for every layer from 0 to the highest, all values of `names`. Sets have a
# difference, `a - b`.
#
# </details>

# %% exercise="capstone/sort_weights"
from reference_impl.capstone.joints import sort_weights

# %% [markdown]
# The real file. Does your list begin with layer 0, and is layer 2 the third? (The first numbers of
# their `q_proj`, beside those in the file.)

# %% tags=["demo"]
torch.manual_seed(0)
from reference_impl.published.tokenizer_files import tokenizer_from_gguf
from reference_impl.published.weights import config_from_gguf, open_weights

file = open_weights()
tensors = {name: file.tensor(name) for name in sorted(file.tensors)}  # as words: 10 before 2
config, tokenizer = config_from_gguf(file), tokenizer_from_gguf(file.metadata)
with demonstration():
    embedding, blocks, final_norm = sort_weights(tensors, WEIGHT_NAMES)
    print(len(tensors), "tensors,", len(blocks), "layers, embedding", tuple(embedding.shape))
    for layer in (0, 2, 10):
        in_file = tensors[f"blk.{layer}.attn_q.weight"][0, 0].item()
        print(
            f"layer {layer}: {blocks[layer]['q_proj'][0, 0].item():.4f}, in the file {in_file:.4f}"
        )

# %% [markdown]
# ## 2. Layers that remember
#
# {{capstone/block_functions}}
#
# `decoder_logits` wants each layer as a function from stream to stream. What you have takes more:
#
#     decoder_block(x, weights, attend, n_heads, n_kv_heads, norm_eps)
#     attend_with_cache(q, k, v, cache, rope_theta)
#
# where `decoder_block` calls its `attend` with q, k and v alone. Fix all that is known now, for
# every layer its own, and leave open what comes later.
#
# <details><summary>Hint 1</summary>
#
# `partial(f, b=2)` is f with its argument b fixed. You need it twice: for the attention, and for
# the block around it.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Careful with `lambda` in a loop: it looks up the loop's names when it is called, and by then they
# have moved on. `partial` looks at them at once. `zip(..., strict=True)` raises a `ValueError`
# where one side is longer.
#
# </details>

# %% exercise="capstone/block_functions"
from reference_impl.capstone.joints import block_functions

# %% [markdown]
# Your layers, in your decoder, on the real weights: a prompt at once, then one token more behind
# the caches.

# %% tags=["demo"]
torch.manual_seed(0)


def your_layers(blocks, caches):
    """All layers of SmolLM2, run by your parts, remembering in these caches."""
    c = config
    settings = (c.n_heads, c.n_kv_heads, c.rope_theta, c.norm_eps)
    return block_functions(blocks, caches, attend_with_cache, *settings)


with demonstration(), torch.inference_mode():
    embedding, blocks, final_norm = sort_weights(tensors, WEIGHT_NAMES)
    caches = [LayerCache() for _ in blocks]
    layers = your_layers(blocks, caches)
    for text in ("The capital of France", " is"):
        ids = torch.tensor([tokenizer.encode(text)])
        logits = decoder_logits(ids, embedding, layers, final_norm, config.norm_eps)
        best = logits[0, -1].argmax().item()
        print(f"{text!r}: {caches[0].length} positions, then {tokenizer.decode([best])!r}")

# %% [markdown]
# ## 3. The first difference
#
# {{capstone/first_difference}}
#
# Two models are the same if all their states are: the embedding, the stream after each layer, the
# logits. Where they are not, everything behind the first difference is off as well, so only the
# *first* one tells you where to look. But what is *equal*? The numbers grow from layer to layer,
# and a few positions and features are giants beside all others. So each position's vector is
# measured by its own length.
#
# <details><summary>Hint</summary>
#
# `x.norm(dim=-1)` is the length of each vector along the last axis. What does a comparison with NaN
# give, and which way round do you have to ask so that NaN counts as different?
#
# </details>

# %% exercise="capstone/first_difference"
from reference_impl.capstone.joints import first_difference

# %% [markdown]
# The proof of the whole course: your model and the course's decoder on the same weights, 32 states.
# Then with a fault planted into layer 12. Which state should be the first to differ?

# %% tags=["demo"]
torch.manual_seed(0)
from grading.learner.comparison import Weights, reference_decoder

TEXT = "A river begins in the mountains, where rain and melting snow run together."


def your_states(ids, embedding, blocks, final_norm):
    """Your embedding, your streams and your logits."""
    states = [embedding[ids]]
    for layer in your_layers(blocks, [LayerCache() for _ in blocks]):
        states.append(layer(states[-1]))
    kept = [lambda x, state=state: state for state in states[1:]]
    return [*states, decoder_logits(ids, embedding, kept, final_norm, config.norm_eps)]


with demonstration(), torch.inference_mode():
    theirs = reference_decoder(Weights(config, tensors, tokenizer))  # on the same tensors
    ids = torch.tensor([tokenizer.encode(TEXT)])  # batch seq
    x, angles = theirs.token_embedding(ids), theirs.angles(ids, start=0)
    reference = [x]
    for block in theirs.blocks:
        reference.append(block(reference[-1], angles))
    reference.append(theirs(ids))
    embedding, blocks, final_norm = sort_weights(tensors, WEIGHT_NAMES)
    yours = your_states(ids, embedding, blocks, final_norm)
    print("first difference:", first_difference(yours, reference))
    blocks[12] |= {"gate_proj": blocks[12]["up_proj"], "up_proj": blocks[12]["gate_proj"]}
    yours = your_states(ids, embedding, blocks, final_norm)
    print("gate and up swapped in layer 12:", first_difference(yours, reference))
    del theirs, reference, yours

# %% [markdown]
# (State 0 is the embedding, state n what layer n - 1 leaves behind.)
#
# ## 4. What may stay in the cache
#
# {{capstone/n_reusable}}
#
# A chat sends its whole conversation at every turn, and most of it was there before. What the
# caches hold of it need not be run again. But a user may also edit the question, or try again. How
# many positions still hold?
#
# <details><summary>Hint</summary>
#
# Walk along both and stop at the first difference. Then think of the text that is cached as a
# whole: whose logits say what comes next?
#
# </details>

# %% exercise="capstone/n_reusable"
from reference_impl.capstone.joints import n_reusable

# %% [markdown]
# Three turns, as the model gets them. How many tokens does it have to read, with and without what
# stays? (Its own answers went through the caches while it wrote them.)

# %% tags=["demo"]
torch.manual_seed(0)
TURNS = ["What is a tiger?", "Where does it live?", "And what does it eat there?"]
with demonstration():
    cached = []
    for turn in TURNS:
        conversation = [*cached, *tokenizer.encode(f"user: {turn}\nassistant:")]
        kept = n_reusable(cached, conversation)
        print(f"{len(conversation):3} tokens, to be run: {len(conversation) - kept}")
        cached = [*conversation, *tokenizer.encode(" It is a large cat.\n")]

# %% [markdown]
# ## 5. Text as it comes
#
# {{capstone/stream_text}}
#
# Tokens are pieces of *bytes*, and one may end in the middle of a character. Whoever shows every
# token at once shows broken signs; whoever waits for the end shows nothing for long. Show all that
# is safe, and no more.
#
# <details><summary>Hint 1</summary>
#
# Keep all ids, decode them anew with each token, and remember how many characters are out.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `text.rstrip("\ufffd")` is the text without the U+FFFD at its end. And when the tokens are over,
# what is still held back?
#
# </details>

# %% exercise="capstone/stream_text"
from reference_impl.capstone.joints import stream_text

# %% [markdown]
# A text with signs of several tokens, each token decoded by itself, and by your function.

# %% tags=["demo"]
torch.manual_seed(0)


def text_of(ids):
    """Your `decode` with SmolLM2's table."""
    return decode(ids, tokenizer.vocabulary, tokenizer.special_tokens)


with demonstration():
    ids = tokenizer.encode("Der Bär 🐻 heißt 熊.")
    print("one by one:", [text_of([i]) for i in ids])
    print("streamed:  ", list(stream_text(ids, text_of)))

# %% [markdown]
# ## 6. A turn of the chat
#
# {{capstone/chat_turn}}
#
# A model has no memory. What looks like one is a list of messages that grows by two with every turn
# and goes in whole each time. Write one turn around *any* template, tokenizer and model: all of
# them come in as functions.
#
# <details><summary>Hint</summary>
#
# First a new list with the question in it. Then a `for` loop over what `write` yields: at the mark
# it ends before the token is kept, at the limit right behind it.
#
# </details>

# %% exercise="capstone/chat_turn"
from reference_impl.capstone.joints import chat_turn

# %% [markdown]
# Your model's first conversation: your weights, layers, cache, loop, sampling, text and turns.


# %% tags=["demo"]
class YourModel:
    """SmolLM2-135M-Instruct, run by your parts."""

    def __init__(self):
        self.embedding, blocks, self.final_norm = sort_weights(tensors, WEIGHT_NAMES)
        self.caches, self.cached = [LayerCache() for _ in blocks], []
        self.layers = your_layers(blocks, self.caches)

    @torch.inference_mode()
    def next_logits(self, ids):
        """Logits of the next token; only what the caches do not hold is run."""
        kept = n_reusable(self.cached, ids)
        for cache in self.caches:
            cache.truncate(kept)
        new, self.cached = torch.tensor([ids[kept:]]), list(ids)
        logits = decoder_logits(new, self.embedding, self.layers, self.final_norm, config.norm_eps)
        return logits[0, -1]

    def write(self, ids):
        """Tokens for ever, the likeliest each time."""

        def choose(logits):
            return sample(logits[None], 0.0, None, None, torch.Generator()).item()

        return generate(self.next_logits, ids, 10_000, choose)


def ids_of(text):
    """Your `encode` with SmolLM2's table."""
    pattern = tokenizer.pattern.pattern
    return encode(text, tokenizer.vocabulary, pattern, tokenizer.special_tokens)


with demonstration():
    model, messages = YourModel(), []
    end_id = tokenizer.special_tokens["<|im_end|>"]
    for asked in ("What is the capital of France?", "And of Japan?"):
        messages = chat_turn(messages, asked, render_chat, ids_of, model.write, text_of, end_id, 24)
        print("you:  ", asked)
        print("model:", messages[-1]["content"])

# %% [markdown]
# ## 7. The bug hunt
#
# {{capstone/bug_hunt}}
#
# Twelve copies of SmolLM2, A to L, each with one planted fault. You cannot see inside.
# You know what they do, beside the sound model: the loss on a passage (nats a token) in ten
# experiments; the largest logit; *reach*, how far the last token moves logits of earlier positions;
# and a text written greedily behind a cache. Three faults are asked for. Return the three letters
# in the order of the faults, such as `"ABC"`. Others have other letters and other faults.
#
# <details><summary>Hint 1</summary>
#
# Look for equal numbers. Where a faulty model gives just the number of the sound one, the
# experiment has taken the fault out of play. Where a change makes no difference to it, it does not
# use what was changed.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Ask of each fault, before you look: what does it need to show itself (a second token, a cache, a
# later token)? And which experiment would heal it, or would not matter to it?
#
# </details>

# %%
hunt = question("capstone/bug_hunt")
print("passage:", hunt["passage"])
for number, fault in hunt["asked"].items():
    print(f"fault {number}: {fault}")
for name, text in hunt["experiments"].items():
    print(f"  {name:8} {text}")
print(" " * 6, *(f"{name:>8}" for name in hunt["experiments"]), f"{'logit':>8} {'reach':>6}")
for letter, seen in {"sound": hunt["sound"], **hunt["models"]}.items():
    losses = " ".join(f"{loss:8.3f}" for loss in seen["losses"].values())
    print(f"{letter:6} {losses} {seen['largest logit']:8.1f} {seen['reach']:6.2f}")
for letter, seen in {"sound": hunt["sound"], **hunt["models"]}.items():
    print(f"{letter:6} {hunt['prompt']} ... {seen['text']!r}")


# %% exercise="capstone/bug_hunt"
def bug_hunt() -> str:
    """The letters of the models that have faults 1, 2 and 3, in this order, as one word.

    No input, and nothing to compute: read the table above.
    """
    return "IKA"


# %% [markdown]
# ## 8. A model of your own
#
# {{capstone/plan}}
#
# You have the code. What would it take to train a decoder of your own from nothing? Count all its
# parameters as [in chapter 6](../../book/06_decoder.md#decoder-parameters) (SwiGLU, two norms a
# layer and one at the end, tied embeddings, no biases). Give it `tokens_per_parameter` tokens for
# each, 6 operations for each parameter and token, and `machines` machines that reach the share
# `utilisation` of their `flops_per_second`. How many days of 24 hours? You may compute it in the
# function; it is right within 0.2%.
#
# <details><summary>Hint</summary>
#
# Parameters, then tokens, then operations, then seconds, then days: a line for each. Which matrices
# have n_kv_heads * head_dim rows, and how many has SwiGLU?
#
# </details>

# %%
plan = question("capstone/plan")
for name, number in plan.items():
    print(f"{name:20} {number:,}")


# %% exercise="capstone/plan"
def days_of_training() -> float:
    """Days that the plan above takes, a number.

    No input: read the plan above.
    """
    return 0.2331


# %% [markdown]
# ## Your model as a file
#
# Everything you have written, from chapter 4 to here, can now stand in one file. In a terminal:
#
#     course assemble
#     course chat --model mine
#     course certificate
#
# The first writes `my_model.py` into your folder, each part under a line that says whose it is, and
# compares it with the course's decoder on SmolLM2's weights. The second is a conversation with it.
# The third makes a page to print: your parts, the misconceptions you have overcome, and your
# model's first words.
#
# **What you have now.** A model whose parts you can read, because you wrote them; the means to
# prove that it is the one it claims to be, and to find the line where it is not. Together the
# exercises are worth 24 points.

# %% tags=["demo"]
with demonstration():
    from grading.learner.progress import after_check

    print(*after_check("capstone/plan"), sep="\n")
