# %% [markdown]
# # Exercises: Text before transformers
#
# In this notebook you write the language models of the years before 2016: counts of neighbouring
# words, a bag of words, a recurrent network. At the end your counts write lines in the manner of
# Hamlet, and your recurrent network learns to remember, until the distance grows too great. Plan
# about two hours; every exercise says how long it takes.
#
# **How checking works.** Replace `raise NotImplementedError()` by your code, run the cell, then
# run the `check` cell below it. The verdict comes within a second: right, or what goes wrong and
# where. Where your answer shows a known misunderstanding, the verdict says which one and links to
# the section that clears it up. The inputs are new each time, and you can check as often as you
# like. Demonstration cells use your functions. While one is missing, they say so and go on.
#
# **How to read a signature.** A text is a list of **token** ids, whole numbers from 0 to
# `vocab_size - 1`; here a token is a word or a punctuation mark. `Float[Tensor, "batch seq d_in"]`
# is a tensor of floats whose axes have these names. An error that a docstring promises is checked,
# its wording is yours.

# %% tags=["setup"]
import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grading import check, demonstration, question

torch.set_num_threads(1)  # small tensors gain nothing from more
_ = torch.manual_seed(0)  # the demonstrations show the same numbers each time
torch.set_printoptions(precision=3, sci_mode=False)
Tokens = Sequence[int]  # ids from 0 to vocab_size - 1

# %% [markdown]
# ## 1. Count the runs of n tokens
#
# {{text_before_transformers/count_ngrams}}
#
# A run of n neighbouring tokens is an **n-gram**. Count how often each one occurs. The runs
# overlap: in *to be or not to be* the 2-grams are *to be*, *be or*, *or not*, *not to* and *to be*
# again. Each n-gram is a tuple, also for n = 1.
#
# <details><summary>Hint</summary>
#
# `token_ids[i : i + n]` is the run that starts at position i. At which position does the last
# complete run start? `Counter` counts whatever you hand it one after another.
#
# </details>

# %% exercise="text_before_transformers/count_ngrams"
from reference_impl.text_before_transformers.ngram import count_ngrams

# %% [markdown]
# The most frequent 3-grams of Hamlet. Which of them would you have guessed?
# %% tags=["demo"]
from reference_impl.text_before_transformers.plays import Vocabulary, load_plays, to_words

hamlet_words = to_words(load_plays()["hamlet"])
vocabulary = Vocabulary([hamlet_words], size=5_000)
hamlet = vocabulary.encode(hamlet_words)
with demonstration():
    for ngram, times in Counter(count_ngrams(hamlet, 3)).most_common(6):
        print(f"{times:4} times: {' '.join(vocabulary.decode(ngram))}")

# %% [markdown]
# ## 2. Which token comes next?
#
# {{text_before_transformers/next_probabilities}}
#
# The tokens before the next one are its **context**. A counting model looks up everything that
# followed this context in its text, and shares out the probability in proportion. What never
# followed would get 0, so **add-k smoothing** gives every token of the vocabulary k occurrences
# more.
#
# <details><summary>Hint 1</summary>
#
# The n-grams that you need are one token longer than the context: the context and then the token.
#
# </details>
# <details><summary>Hint 2</summary>
#
# First make an array with the count of every token of the vocabulary after this context.
# Everything else follows from this array, `k` and `vocab_size`. By how much does the sum of the
# array grow when each of its numbers grows by k?
#
# </details>


# %% exercise="text_before_transformers/next_probabilities"
def next_probabilities(
    token_ids: list[int], context: tuple[int, ...], vocab_size: int, k: int | float
) -> Float[np.ndarray, " vocab"]:
    """The probability of every token of the vocabulary right after `context`.

    With c(token) the times that `token` comes right after `context` in the text `token_ids`, and C
    the sum of all these: (c(token) + k) / (C + k * vocab_size), a NumPy array of floats. The empty
    context () stands before every token. Where C and k are both 0 there is nothing to go by: raises
    ValueError.

    >>> next_probabilities([0, 1, 0, 1, 0, 2], (0,), vocab_size=4, k=1)  # 0, 2, 1, 0 of 3 times
    array([0.14285714, 0.42857143, 0.28571429, 0.14285714])
    """
    counts = count_ngrams(token_ids, len(context) + 1)
    after = np.array([counts[(*context, token)] for token in range(vocab_size)])
    total = after.sum()
    if total == 0 and k == 0:
        raise ValueError(f"nothing ever follows {context} and k=0: smooth with a k above 0")
    return (after + k) / (total + k * vocab_size)


# %% [markdown]
# What follows *my lord* in Hamlet? Watch what a larger k does to the counts of a real text: this
# vocabulary has 5,000 words, and each of them gets its k.

# %% tags=["demo"]
with demonstration():
    my_lord = tuple(vocabulary.encode(["my", "lord"]))
    for k in (0, 0.01, 1):
        p = next_probabilities(hamlet, my_lord, len(vocabulary), k)
        best = p.argsort()[::-1][:5]
        print(f"k={k:4}: ", ", ".join(f"{vocabulary.words[i]} {p[i]:.4f}" for i in best))

# %% [markdown]
# ## 3. Nats and perplexity
#
# {{text_before_transformers/nats_and_perplexity}}
#
# How good is a model? Let it read a text that it has not seen, and note the probability it gave to
# each token that really came. A token of probability p costs −ln p: nothing if the model was sure
# of it, much if it came as a surprise. The mean cost is the **cross-entropy** in **nats** a token.
# Its exponential is the **perplexity**: a model with perplexity 20 is as unsure as one that
# chooses among 20 equally likely tokens.
#
# <details><summary>Hint</summary>
#
# Logarithm first, mean second, exponential last. In floating point, 10,000 factors of 1/2 have the
# product 0; the sum of their logarithms is an ordinary number. NumPy's logarithm of 0 is minus
# infinity, which is what a cost of infinity needs, and warns of it: look for zeros first, or let it
# warn.
#
# </details>


# %% exercise="text_before_transformers/nats_and_perplexity"
def nats_and_perplexity(probabilities: Float[np.ndarray, " n_tokens"]) -> tuple[float, float]:
    """The mean cost of a text in nats a token, and its perplexity.

    `probabilities` are those that a model gave to the tokens which really came. A token costs minus
    its natural logarithm; perplexity is exp of the mean cost. If one of them had probability 0,
    both numbers are infinite (`math.inf`). Raises ValueError for a text without tokens.

    >>> nats_and_perplexity(np.array([0.5, 0.125]))  # ln 2 and 3 ln 2: the mean is ln 4
    (1.3862943611198906, 4.0)
    """
    if len(probabilities) == 0:
        raise ValueError("no tokens: there is no mean cost")
    if (probabilities == 0).any():
        return math.inf, math.inf
    nats = float(-np.log(probabilities).mean())
    return nats, math.exp(nats)


# %% [markdown]
# One surprise weighs a lot. Here are three models of a text of ten tokens: one is always half
# sure, one nearly sure nine times and badly surprised once, and one was certain and wrong.

# %% tags=["demo"]
texts = {
    "always 0.5": np.full(10, 0.5),
    "0.9, once 0.001": np.array([0.9] * 9 + [0.001]),
    "1.0, once 0": np.array([1.0] * 9 + [0.0]),
}
with demonstration():
    for name, given_to_truth in texts.items():
        nats, perplexity = nats_and_perplexity(given_to_truth)
        print(f"{name:16} {nats:.3f} nats a token, perplexity {perplexity:.2f}")

# %% [markdown]
# ## 4. Let it write
#
# {{text_before_transformers/sample_text}}
#
# A model that gives probabilities can write: draw a token, put it behind the text, and ask again
# with the new context. A computer draws with a number u between 0 and 1. Put the probabilities
# side by side on a line of length 1: the token whose stretch holds u is drawn. The numbers u are
# given here, so that your text can be checked.
#
# <details><summary>Hint 1</summary>
#
# `cumsum` gives the right ends of the stretches. With probabilities 0.5, 0.2 and 0.3 they are 0.5,
# 0.7 and 1. Which token does u = 0.6 draw? How many ends lie at or below u?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The context is the last n − 1 tokens of *everything* so far. For n = 1 it is empty, and
# `tokens[-0:]` is not: count the start from the front.
#
# </details>


# %% exercise="text_before_transformers/sample_text"
def sample_text(
    token_ids: list[int],
    prompt: list[int],
    n: int,
    uniforms: list[float],
    vocab_size: int,
    k: int | float,
) -> list[int]:
    """What an n-gram model, counted in `token_ids`, writes after `prompt`: one token for each u.

    Each token is drawn from the smoothed probabilities (`next_probabilities`) after the last n - 1
    tokens that stand there, those of the prompt and those written so far. The number u chooses the
    first token, in the order of the ids, at which the running sum of the probabilities exceeds u.
    Returns the new tokens alone. Raises ValueError for a prompt of fewer than n - 1 tokens.

    >>> text = [0, 1, 0, 1, 0, 2, 0]  # after 0: two times 1, once 2; after 1 and after 2: always 0
    >>> sample_text(text, [0], n=2, uniforms=[0.6, 0.1, 0.9], vocab_size=3, k=0)
    [1, 0, 2]
    """
    if len(prompt) < n - 1:
        raise ValueError(f"a prompt of {len(prompt)} tokens: n={n} needs {n - 1}")
    written = list(prompt)
    for u in uniforms:
        context = tuple(written[len(written) - (n - 1) :])
        ends = next_probabilities(token_ids, context, vocab_size, k).cumsum()
        written.append(int((ends <= u).sum()))
    return written[len(prompt) :]


# %% [markdown]
# Your model has read Hamlet, and nothing else. Let it go on from *to be or not*, with a memory of
# 0, 1, 2 and 3 words. Which of the lines did it write, and which did it copy? The last number says
# how many of the new tokens in a row stand just so in Hamlet.


# %% tags=["demo"]
def longest_copy(line):
    """How many tokens in a row of `line` stand just so in Hamlet."""
    text = " ".join(["", *map(str, hamlet), ""])
    runs = [line[i:j] for i in range(len(line)) for j in range(i + 1, len(line) + 1)]
    return max(len(run) for run in runs if " ".join(["", *map(str, run), ""]) in text)


with demonstration():
    prompt = vocabulary.encode(to_words("to be , or not"))
    uniforms = np.random.default_rng(3).random(14).tolist()
    for n in (1, 2, 3, 4):
        line = sample_text(hamlet, prompt, n, uniforms, len(vocabulary), k=0)
        print(f"n={n}: ... {' '.join(vocabulary.decode(line))}  ({longest_copy(line)})")

# %% [markdown]
# ## 5. A text that nobody counted
#
# {{text_before_transformers/evaluate_ngram}}
#
# Now put the pieces together, and before you run the demonstration below, write down a guess: with
# more context, does a counting model predict a new play better and better?
#
# Texts are counted one by one: no n-gram begins in one play and ends in the next. Call
# `next_probabilities` for every word of an act, and you will wait for hours; count all n-grams
# once and look the numbers up.
#
# <details><summary>Hint 1</summary>
#
# Two tables suffice: the count of each n-gram, and the count of each context *with something after
# it*. The second can be made from the first. `Counter.update` adds one table to another.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The context of an n-gram is `ngram[:-1]`. Go through the n-grams of the held-out text in order,
# note the smoothed probability of each one's last token, and give the list, as an array, to
# `nats_and_perplexity`.
#
# </details>


# %% exercise="text_before_transformers/evaluate_ngram"
def evaluate_ngram(
    texts: list[list[int]], held_out: list[int], n: int, vocab_size: int, k: int | float
) -> tuple[float, float]:
    """How n-grams counted in `texts` predict a text that is none of them: nats, and share unseen.

    Every n-gram of `held_out` predicts its last token from the n - 1 before it, with probability
    (c + k) / (C + k * vocab_size): c is the count of the n-gram in `texts`, C that of all n-grams
    with the same context. No n-gram spans two texts. Returns the mean cost in nats, and the share
    of the n-grams of `held_out`, each as often as it comes, that are in none of the texts. `k` is
    above 0 and `held_out` has n tokens or more.

    >>> nats, unseen = evaluate_ngram([[0, 1], [0, 1, 1]], [0, 1, 0], n=2, vocab_size=2, k=1)
    >>> round(math.exp(-2 * nats), 6), unseen  # (2 + 1) / (2 + 2) times (0 + 1) / (1 + 2)
    (0.25, 0.5)
    """
    counts, contexts = Counter(), Counter()
    for text in texts:
        counts.update(count_ngrams(text, n))
    for ngram, times in counts.items():
        contexts[ngram[:-1]] += times
    probabilities, unseen = [], 0
    for i in range(len(held_out) - n + 1):
        ngram = tuple(held_out[i : i + n])
        probabilities.append((counts[ngram] + k) / (contexts[ngram[:-1]] + k * vocab_size))
        unseen += counts[ngram] == 0
    nats, _ = nats_and_perplexity(np.array(probabilities))
    return nats, unseen / len(probabilities)


# %% [markdown]
# Twelve plays are counted, and the third act of Hamlet is held out. The first number is for a text
# that *was* counted. Compare the two columns, and then look at the last.

# %% tags=["demo"]
from reference_impl.text_before_transformers.plays import held_out_act

plays, act = held_out_act()
words = Vocabulary(plays[:12], size=5_000)
counted, unread = [words.encode(play) for play in plays[:12]], words.encode(act)
with demonstration():
    print("n   perplexity: counted   held out   never seen")
    for n in (1, 2, 3, 4):
        known, _ = evaluate_ngram(counted, counted[0], n, len(words), k=0.001)
        new, unseen = evaluate_ngram(counted, unread, n, len(words), k=0.001)
        print(f"{n} {math.exp(known):20.1f} {math.exp(new):10.1f} {unseen:12.0%}")

# %% [markdown]
# The play that was counted becomes easier with every word of context. The act that was not
# becomes harder after n = 2: most of its 3-grams, and far more of its 4-grams, never occurred. A
# table remembers; it does not know that *my good lord* and *my dear lord* are nearly the same.
#
# ## 6. What a bag of words cannot tell
#
# {{text_before_transformers/confused_pairs}}
#
# Classifiers of that time often threw the order away: a **bag of words** says which words a text
# has, and how often. Find the pairs of texts that such a classifier cannot tell apart, whatever
# stands behind the bag.
#
# <details><summary>Hint</summary>
#
# `text.split()` without an argument splits at any white space. Two `Counter`s are equal when all
# their counts are. Two texts that have the same words in the same order are not confused: they are
# the same.
#
# </details>


# %% exercise="text_before_transformers/confused_pairs"
def confused_pairs(texts: list[str]) -> list[tuple[int, int]]:
    """Which texts are different, but have the same bag of words.

    Words are what stands between white space, in lower case. A bag knows how often each word
    occurs. Returns the index pairs (i, j), i < j, of texts with equal bags whose words do not come
    in the same order; sorted.

    >>> confused_pairs(["man bites dog", "dog bites man", "a dog", "Man  bites dog"])
    [(0, 1), (1, 3)]
    """
    words = [text.lower().split() for text in texts]
    bags = [Counter(one) for one in words]
    pairs = []
    for j in range(len(texts)):
        for i in range(j):
            if bags[i] == bags[j] and words[i] != words[j]:
                pairs.append((i, j))
    return sorted(pairs)


# %% [markdown]
# Pieces between two stops, from four plays and without their commas; only those with *and*, *thou*
# or *lord*, to be quick. These pairs a bag confuses. In which of them does the order matter?

# %% tags=["demo"]
with demonstration():
    plays_with_jokes = ("hamlet", "timon-of-athens", "love-s-labours-lost", "coriolanus")
    texts = "\n".join(load_plays()[name] for name in plays_with_jokes)
    parts = [" ".join(to_words(part)) for part in re.split(r"[.;:!?\n]", texts)]
    parts = sorted({part.replace(" ,", "") for part in parts if len(part.split()) in (6, 7, 8, 9)})
    some = [part for part in parts if " and " in part or "thou" in part or "lord" in part]
    for i, j in confused_pairs(some):
        print(f"{some[i]}\n{some[j]}\n")

# %% [markdown]
# ## 7. One step of a recurrent network
#
# {{text_before_transformers/rnn_cell}}
#
# A **recurrent neural network**, RNN, reads one token at a time and carries a vector along, its
# **hidden state**: what it still knows of all it has read. One step makes the next state from the
# token's vector x and the state before it. The weights lie as in `nn.Linear`, a row for each
# output.
#
# <details><summary>Hint</summary>
#
# Two matrix products and a bias are added up, then one tanh goes over the sum. `x @ weight.T` is
# what `nn.Linear` computes.
#
# </details>

# %% exercise="text_before_transformers/rnn_cell"
from reference_impl.text_before_transformers.recurrent import rnn_cell

# %% [markdown]
# A network with a state of one number, whose new state is tanh(x + 0.9 · state). It sees one 1 and
# then nothing but zeros. What is left of the 1 after five steps?

# %% tags=["demo"]
one = torch.ones(1, 1)
with demonstration():
    state = 0 * one
    for x in (1.0, 0.0, 0.0, 0.0, 0.0, 0.0):
        state = rnn_cell(x * one, state, one, 0.9 * one, torch.zeros(1))
        print(f"x = {x:.0f}   state {state.item():.3f}")

# %% [markdown]
# ## 8. The loop that carries the state
#
# {{text_before_transformers/run_rnn}}
#
# The same weights work at every position. The state after one position is where the next one
# starts. All sequences of a batch go side by side and must not mix.
#
# <details><summary>Hint</summary>
#
# Which axis of x is the one to walk along? Keep every state in a list; `torch.stack(states,
# dim=...)` makes a new axis. Where has it to stand?
#
# </details>


# %% exercise="text_before_transformers/run_rnn"
def run_rnn(
    x: Float[Tensor, "batch seq d_in"],
    hidden: Float[Tensor, "batch d_hidden"],
    input_weight: Float[Tensor, "d_hidden d_in"],
    hidden_weight: Float[Tensor, "d_hidden d_hidden"],
    bias: Float[Tensor, " d_hidden"],
) -> Float[Tensor, "batch seq d_hidden"]:
    """The hidden state after each position: `rnn_cell`, from left to right.

    `hidden` is the state before the first position; it is not part of the result.

    >>> x, one = torch.tensor([[[1.0], [0.0], [2.0]]]), torch.ones(1, 1)
    >>> run_rnn(x, torch.zeros(1, 1), one, one, torch.zeros(1))[0, :, 0]  # tanh of 1, .762, 2.642
    tensor([0.7616, 0.6420, 0.9899])
    """
    states = []
    for x_now in x.unbind(dim=1):  # batch d_in
        hidden = rnn_cell(x_now, hidden, input_weight, hidden_weight, bias)
        states.append(hidden)
    return torch.stack(states, dim=1)  # batch seq d_hidden


# %% [markdown]
# PyTorch has the same network as `nn.RNN`. It adds two biases where we have one, and calls the
# weights by other names. With its weights, your loop must give its numbers.

# %% tags=["demo"]
theirs = torch.nn.RNN(5, 4, batch_first=True)
w = dict(theirs.named_parameters())
x = torch.randn(2, 7, 5)  # batch seq d_in
with demonstration(), torch.no_grad():
    weights = w["weight_ih_l0"], w["weight_hh_l0"], w["bias_ih_l0"] + w["bias_hh_l0"]
    yours = run_rnn(x, torch.zeros(2, 4), *weights)
    print(f"largest difference: {(yours - theirs(x)[0]).abs().max():.1e}")

# %% [markdown]
# ## 9. What is left of a gradient
#
# {{text_before_transformers/gradient_norms}}
#
# To learn that the end of a sentence depends on its beginning, a network has to feel it: the
# gradient must come back from the last state to the early ones. Measure how much of it arrives, by
# distance.
#
# <details><summary>Hint 1</summary>
#
# Keep the states in a list while you walk along x, one `rnn_cell` after another. A state that was
# sliced out of a stacked tensor is a copy to the side, and no gradient runs through it.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.autograd.grad(number, list_of_tensors)` gives one gradient for each tensor of the list.
# The number is the sum of the last state. The list comes in order of time; the result is wanted in
# order of distance. If nothing before the states needs a gradient, `requires_grad_()` on a
# detached copy of the first state makes PyTorch keep the graph.
#
# </details>


# %% exercise="text_before_transformers/gradient_norms"
def gradient_norms(
    x: Float[Tensor, "batch seq d_in"],
    hidden: Float[Tensor, "batch d_hidden"],
    input_weight: Float[Tensor, "d_hidden d_in"],
    hidden_weight: Float[Tensor, "d_hidden d_hidden"],
    bias: Float[Tensor, " d_hidden"],
) -> Float[Tensor, " seq"]:
    """How much the last state depends on earlier ones, by distance.

    Entry i is the norm (the root of the sum of squares, over batch and d_hidden) of the gradient of
    the sum of the last state with respect to the state i positions before it. Entry 0 is that of
    the last state itself, the square root of batch * d_hidden. `hidden` is the state before the
    first position and has no entry.

    >>> x, one = torch.zeros(1, 4, 1), torch.ones(1, 1)  # tanh of 0 has slope 1: only 0.5 acts
    >>> gradient_norms(x, torch.zeros(1, 1), one, 0.5 * one, torch.zeros(1))
    tensor([1.0000, 0.5000, 0.2500, 0.1250])
    """
    states, hidden = [], hidden.detach().requires_grad_()
    for x_now in x.unbind(dim=1):
        hidden = rnn_cell(x_now, hidden, input_weight, hidden_weight, bias)
        states.append(hidden)
    grads = torch.autograd.grad(hidden.sum(), states)  # seq times: batch d_hidden
    return torch.stack([grad.norm() for grad in reversed(grads)]).detach()


# %% [markdown]
# Guess before you run it: a network as PyTorch starts it, a state of 32 numbers. By which factor
# is the gradient smaller after 10 steps? After 40? And when the weights from state to state are
# three times as large?

# %% tags=["demo"]
d_hidden, bound = 32, 32**-0.5
weights = torch.empty(d_hidden, 8 + d_hidden).uniform_(-bound, bound)
x = torch.randn(4, 81, 8)
with demonstration():
    for factor in (1, 3):
        start, bias = torch.zeros(4, d_hidden), torch.zeros(d_hidden)
        norms = gradient_norms(x, start, weights[:, :8], factor * weights[:, 8:], bias)
        left = ", ".join(f"{norms[d] / norms[0]:.0e} after {d}" for d in (10, 20, 40, 80))
        print(f"weights times {factor}: {left}")

# %% [markdown]
# ## 10. Which curve is which network?
#
# {{text_before_transformers/which_network}}
#
# Four networks, fresh from their random start, and the gradient's norm by distance for each: a
# plain RNN, the same with its state-to-state weights times 3, a **gated recurrent unit** (GRU),
# and a GRU whose update gate has a bias of 2, so that it begins by keeping most of its state. The
# curves are drawn for you alone, in random order.

# %% tags=["demo"]
import matplotlib.pyplot as plt

with demonstration():
    shown = question("text_before_transformers/which_network")
    for letter, curve in shown["curves"].items():
        plt.plot(shown["distances"], curve, marker="o", label=letter)
        print(letter, curve)
    plt.yscale("log")
    plt.xlabel("distance")
    plt.ylabel("gradient norm")
    plt.legend()
    plt.show()

# %% [markdown]
# <details><summary>Hint</summary>
#
# One curve is not like the others: which network can make a gradient larger? Then think of the
# factor that one step leaves: about a half, or nearly 1?
#
# </details>


# %% exercise="text_before_transformers/which_network"
def which_network() -> dict[str, str]:
    """The letter of the curve of each network.

    The keys are "rnn", "rnn times 3", "gru" and "gru with bias"; the values the letters "A" to "D",
    each once.
    """
    return {"rnn": "D", "rnn times 3": "B", "gru": "A", "gru with bias": "C"}


# %% [markdown]
# ## Your network learns to remember
#
# The last demonstration trains with *your* `run_rnn`. A sequence begins with one of four symbols;
# after that come only others. The network is to name the first symbol at the end. It learns on
# distances from 1 up to the longest, and is tested at the longest; at 80 with three random starts.

# %% tags=["demo"]
from reference_impl.text_before_transformers.sequence_tasks import recall_batch, recall_batches


def train_recall(longest, seed, steps=200, d_hidden=32):
    """The share of right answers at distance `longest`, of a network trained with run_rnn."""
    torch.manual_seed(seed)
    shapes = [(d_hidden, 8), (d_hidden, d_hidden), (d_hidden,), (4, d_hidden)]
    weights = [torch.empty(s).uniform_(-(d_hidden**-0.5), d_hidden**-0.5) for s in shapes]
    optimizer = torch.optim.Adam([w.requires_grad_() for w in weights], lr=1e-2)

    def scores(x):
        states = run_rnn(x, torch.zeros(len(x), d_hidden), *weights[:3])
        return states[:, -1] @ weights[3].T  # batch 4

    generator = torch.Generator().manual_seed(seed)
    for x, answers in recall_batches(steps, longest, generator):
        loss = torch.nn.functional.cross_entropy(scores(x), answers)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
    x, answers = recall_batch(500, longest, generator)
    return (scores(x).argmax(-1) == answers).float().mean().item()


with demonstration():
    for longest, seed in ((5, 1), (10, 1), (80, 1), (80, 2), (80, 3)):
        right = train_recall(longest, seed)
        print(f"distance {longest:2}, seed {seed}: {right:.0%} right (guessing: 25%)", flush=True)

# %% [markdown]
# Up to 10 the network has learned it. At 80 each start ends elsewhere, and far from 25% on either
# side: something of the symbol arrives, but not which of the four it was.
#
# **What you have now.** Counts that write and recite, a yardstick for every language model to come,
# a bag that loses order, and a network that reads and forgets. Ten exercises, 29 points. The next
# chapters take the troubles one by one: chapter 3 makes depth work, chapter 4 gives tokens vectors
# that know which words are alike, and chapter 5 lets every position look straight at every other,
# at any distance.
