# %% [markdown]
# # Exercises: Scaling laws
#
# You write seven short functions and answer two questions. Together they say, before a run is paid
# for, what it costs, what loss it will reach, how sure that is, and how large the model should be.
# You apply them to a sweep of small models that was recorded for this chapter, and to a larger run
# that was kept aside. Plan about two hours; every exercise says how long it takes. All exercises
# need only the core of the chapter.
#
# **How checking works.** Replace `raise NotImplementedError()` by your code, run the cell, then
# run the `check` cell below it. The verdict comes within seconds: right, or what goes wrong and
# where. Where your answer shows a known misunderstanding, the verdict says which one and links to
# the section that clears it up. The inputs are new each time, and you can check as often as you
# like. Demonstration cells use your functions. While one is missing, they say so and go on.
#
# **How to read a signature.** `Float[ndarray, " runs"]` is a NumPy array of floats with a number
# for each run. Nothing checks these words while you work: they are there for you. Where a docstring
# promises a `ValueError`, the check asks for it; its wording is yours. No input may be changed.
# Numbers are compared to about six digits; a NumPy number is as good as a Python float.
#
# N is the number of parameters, D the number of training tokens, C the operations (FLOPs) of the
# training run. `np.log` is the natural logarithm, and so is ln.

# %% tags=["setup"]
import math

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grading import check, demonstration, given, question

# %%
ModelConfig = given("reference_impl.decoder.config:ModelConfig")

# %% [markdown]
# ## 1. A machine for a day
#
# {{scaling_laws/petaflop_s_days}}
#
# Numbers like 3.15e23 say little. A **petaflop/s-day** is what a machine of 10¹⁵ operations a
# second does in a day. The warm-up: the operations of a run by the rule 6ND, in this unit.
#
# <details><summary>Hint</summary>
#
# First the operations, then the operations of one day: 10¹⁵ in each of its seconds. How many
# seconds has a day?
#
# </details>


# %% exercise="scaling_laws/petaflop_s_days"
def petaflop_s_days(n_parameters: int | float, n_tokens: int | float) -> float:
    """What a training run costs in petaflop/s-days, by C = 6 N D.

    A petaflop/s-day is 10^15 operations a second, for 24 hours. Nothing is rounded. Raises
    ValueError where one of the two numbers is below 0; 0 is allowed and costs 0.

    >>> round(petaflop_s_days(175e9, 300e9))  # GPT-3: 3.15e23 operations, 8.64e19 a day
    3646
    """
    if n_parameters < 0 or n_tokens < 0:
        raise ValueError(f"{n_parameters} parameters and {n_tokens} tokens: give 0 or more")
    flops = 6 * n_parameters * n_tokens
    flops_per_day = 1e15 * 24 * 60 * 60
    return flops / flops_per_day


# %% [markdown]
# Four published runs. OpenAI reported 3,640 petaflop/s-days for GPT-3 (Brown et al. 2020, table
# D.1). How close is the rule?

# %% tags=["demo"]
with demonstration():
    runs = {
        "GPT-3": (175e9, 300e9),
        "Chinchilla": (70e9, 1.4e12),
        "Llama 2 70B": (70e9, 2e12),
        "SmolLM2-135M": (134.5e6, 2e12),
    }
    for name, (n_parameters, n_tokens) in runs.items():
        print(f"{name:13} {petaflop_s_days(n_parameters, n_tokens):10,.1f} petaflop/s-days")

# %% [markdown]
# ## 2. Operations, one by one
#
# {{scaling_laws/count_flops}}
#
# 6ND is a rule of thumb. Count what really runs: every matrix product of a training run, from the
# sizes of the model. Attention's own products have no weights, so 6ND does not see them.
#
# <details><summary>Hint 1</summary>
#
# Think of one token in one layer. q and o are matrices of d_model × (n_heads · head_dim), k and v
# of d_model × (n_kv_heads · head_dim), the feed-forward has three of d_model × d_ff. Each weight
# costs a multiplication and an addition.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# A token's scores: for each head and each of the context_length positions, a dot product of
# head_dim numbers. The weighted sum of the values takes as many operations once more. At the end,
# think of forward and backward.
#
# </details>


# %% exercise="scaling_laws/count_flops"
def count_flops(config: "ModelConfig", n_tokens: int) -> int:
    """Operations of training a decoder on `n_tokens`, read in windows of the full context.

    A product of m x k and k x n counts 2 m k n. For a token, the forward pass has
    - in each of `n_layers` layers: the weights of q, k, v and o, and of gate, up and down; and the
      scores with all `context_length` positions and the weighted sum over them, for each query
      head (what the mask hides is computed, so it counts);
    - once: the output layer, `d_model` x `vocab_size`.
    The backward pass takes twice the forward pass. Looking up embeddings, norms, softmax, rotations
    and the optimizer are left out.

    >>> config = ModelConfig(10, 8, d_model=4, n_layers=1, n_heads=2, n_kv_heads=1,
    ...                      head_dim=2, d_ff=6)
    >>> 2 * (48 + 72 + 40) + 2 * 2 * 8 * 4  # forward, one token: weights; scores and sums
    448
    >>> count_flops(config, 100)  # 3 * 448 * 100
    134400
    """
    q_width = config.n_heads * config.head_dim
    kv_width = config.n_kv_heads * config.head_dim
    attention = config.d_model * (2 * q_width + 2 * kv_width)
    feed_forward = 3 * config.d_model * config.d_ff
    looking = 2 * config.context_length * q_width  # scores, and weighted sums
    output = config.d_model * config.vocab_size
    forward = 2 * (config.n_layers * (attention + feed_forward + looking) + output)
    return 3 * forward * n_tokens


# %% [markdown]
# Your count divided by 6ND, for models of several widths and contexts. Where is the rule of thumb
# a good one, and where does it miss half of the work?


# %% tags=["demo"]
def decoder_of(width, context):
    """A decoder of 62 characters and two layers, of the shape used in the sweep below."""
    heads = max(width // 16, 1)
    return ModelConfig(62, context, width, 2, heads, heads, width // heads, 8 * round(width / 3))


with demonstration():
    parameter_counts = given("reference_impl.scaling_laws.accounting:parameter_counts")
    contexts = (64, 512, 4096)
    print("width    " + "".join(f"{context:>7,}" for context in contexts) + "  positions")
    for width in (8, 32, 128, 1024):
        ratios = []
        for context in contexts:
            config = decoder_of(width, context)
            rule = 6 * parameter_counts(config).total
            ratios.append(count_flops(config, 1) / rule)
        print(f"{width:5}    " + "".join(f"{ratio:7.2f}" for ratio in ratios))

# %% [markdown]
# ## 3. A straight line on log paper
#
# {{scaling_laws/fit_power_law}}
#
# A power law y = k xᵃ becomes a straight line when both axes are logarithmic: ln y = ln k + a ln x.
# So fit a line to the logarithms.
#
# <details><summary>Hint 1</summary>
#
# With u = ln x and v = ln y, the slope of least squares is Σ (u − ū) v / Σ (u − ū)², where ū is the
# mean of u. The line passes through the means. `np.polyfit` gives the same.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The height of the line at u = 0 is ln k, not k. Look at the order in which the two are wanted.
#
# </details>


# %% exercise="scaling_laws/fit_power_law"
def fit_power_law(
    x: Float[ndarray, " runs"], y: Float[ndarray, " more_runs"]
) -> tuple[float, float]:
    """The k and the a of y = k x^a, by least squares of ln y over ln x.

    Two numbers, k first. Raises ValueError where x and y differ in length, where x has fewer
    than two different numbers, and where a number is not finite or not above 0: it has no
    logarithm.

    >>> k, a = fit_power_law(np.array([1.0, 10.0, 100.0]), np.array([2.0, 20.0, 200.0]))
    >>> round(k, 6), round(a, 6)  # y = 2 x
    (2.0, 1.0)
    """
    if len(x) != len(y) or len(np.unique(x)) < 2:
        raise ValueError(f"{len(x)} x and {len(y)} y: as many, and at least two different x")
    data = np.stack([x, y])
    if not (np.isfinite(data) & (data > 0)).all():
        raise ValueError("logarithms need finite numbers above 0: leave out runs that diverged")
    log_x, log_y = np.log(data)
    from_mean = log_x - log_x.mean()
    exponent = (from_mean * log_y).sum() / (from_mean**2).sum()
    log_k = log_y.mean() - exponent * log_x.mean()
    return float(np.exp(log_k)), float(exponent)


# %% [markdown]
# The sweep: small decoders trained on the plays of Shakespeare by characters, for several amounts
# of compute, each at the best of several learning rates. The best run of each amount, and your line
# through them. (The recording itself is one command: `benchmarks/record_scaling_laws.py`.)

# %% tags=["demo"]
with demonstration():
    from reference_impl.scaling_laws.recorded import lowest_of_each, recorded_sweep

    best = lowest_of_each(recorded_sweep())
    compute = np.array([run.budget for run in best])
    losses = np.array([run.loss for run in best])
    k, a = fit_power_law(compute, losses)
    print(f"loss = {k:.2f} · C^({a:.4f}): ten times the compute, {10**a:.3f} times the loss")
    figure, axes = plt.subplots(figsize=(5, 3))
    axes.loglog(compute, losses, "o")
    axes.loglog(compute, k * compute**a)
    axes.set(xlabel="operations, C", ylabel="loss, nats a character")
    plt.show()

# %% [markdown]
# ## 4. How sure?
#
# {{scaling_laws/predict_interval}}
#
# A prediction without a width is a guess. The points scatter about the line; from that follows how
# far a new point may lie from it, and the further outside it is, the further. With u = ln x, for n
# points and s² the sum of their squared errors in ln y, divided by n − 2:
#
# $$
# \text{spread} = s \sqrt{1 + \frac{1}{n} + \frac{(u_\text{new} - \bar u)^2}{\sum (u - \bar u)^2}}
# $$
#
# The interval goes from t spreads below the line to t spreads above it, on log paper.
#
# <details><summary>Hint 1</summary>
#
# Fit first, with your function. The errors are ln y minus the logarithm of what the law says, so
# the interval is added to a logarithm too: factors, not differences, of the middle.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Work out u, its mean, and the sum of squares about that mean, as in the fit. The middle is
# k · new_xᵃ, low = middle · exp(−t · spread), high = middle · exp(t · spread).
#
# </details>


# %% exercise="scaling_laws/predict_interval"
def predict_interval(
    x: Float[ndarray, " runs"], y: Float[ndarray, " runs"], new_x: float, t: float = 2.0
) -> tuple[float, float, float]:
    """The lower end, the middle and the upper end of the prediction of y at `new_x`.

    The middle is the power law nearest to the points. s^2 is the sum of the squared errors of ln y,
    divided by the number of points less 2, because two numbers were fitted. The spread of a new
    point is s times the root of 1 + 1 / points + (ln new_x - mean of ln x)^2 / (sum of squared
    distances of ln x from that mean). The ends lie `t` spreads below and above on log paper.
    Three numbers. Raises ValueError for fewer than three points, and all that a power law
    cannot be fitted to.

    >>> x, y = np.exp([-1.0, 0.0, 1.0]), np.exp([0.1, -0.2, 0.1])  # errors 0.1, -0.2, 0.1
    >>> low, middle, high = predict_interval(x, y, 1.0)  # s^2 = 0.06; 0.06 (1 + 1/3) = 0.08
    >>> round(middle, 4), round(math.log(high), 4)  # twice the root of 0.08
    (1.0, 0.5657)
    """
    if len(x) < 3:
        raise ValueError(
            f"{len(x)} points tell nothing of how far they scatter: give three or more"
        )
    k, a = fit_power_law(x, y)
    log_x = np.log(x)
    errors = np.log(y) - np.log(k * x**a)
    variance = (errors**2).sum() / (len(x) - 2)
    squares = ((log_x - log_x.mean()) ** 2).sum()
    distance = np.log(new_x) - log_x.mean()
    spread = np.sqrt(variance * (1 + 1 / len(x) + distance**2 / squares))
    middle = k * new_x**a
    return float(middle * np.exp(-t * spread)), float(middle), float(middle * np.exp(t * spread))


# %% [markdown]
# The same points seen from further and further away. t is 3.18 here: for five points and two fitted
# numbers, that makes 95% of the intervals hold the new point, *if* the points scatter about a
# straight line. Keep the if in mind.

# %% tags=["demo"]
with demonstration():
    for factor in (1, 10, 100, 10_000):
        low, middle, high = predict_interval(compute, losses, factor * compute[-1], t=3.18)
        print(f"{factor:6,} times the largest budget: {low:.3f} to {high:.3f}, middle {middle:.3f}")

# %% [markdown]
# ## 5. A forecast
#
# {{scaling_laws/forecast}}
#
# Now put it together, on runs as they come: finished or not, diverged or not, several for each
# budget. Of each budget only its best run tells what that compute can buy.
#
# <details><summary>Hint 1</summary>
#
# A dict from the budget to the lowest loss so far, filled in one loop over the runs that count.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `math.isfinite(loss)` is False for infinity and for NaN. Two arrays, and `predict_interval` does
# the rest, its ValueError too.
#
# </details>


# %% exercise="scaling_laws/forecast"
def forecast(runs: list[dict], budget: float, t: float = 2.0) -> tuple[float, float, float]:
    """What loss the best run of a larger budget will reach: lower end, middle, upper end.

    Each run is a dict with "budget" (operations), "loss" and "finished". Runs whose schedule did
    not end ("finished" is False) and runs that diverged (a loss that is not finite) are left out.
    Of each budget the lowest loss counts, and no other. The rest is `predict_interval`. Runs may
    come in any order, and stay as they are. Raises ValueError where fewer than three budgets are
    left.

    >>> runs = [{"budget": 10.0**i, "loss": 8.0 / 2**i, "finished": True} for i in range(4)]
    >>> runs += [{"budget": 1e3, "loss": 5.0, "finished": True}]  # not the best of its budget
    >>> runs += [{"budget": 1e2, "loss": 0.1, "finished": False}]  # not ended
    >>> [round(end, 4) for end in forecast(runs, 1e4)]  # 8, 4, 2, 1: no scatter
    [0.5, 0.5, 0.5]
    """
    lowest = {}
    for run in runs:
        if run["finished"] and math.isfinite(run["loss"]):
            best_so_far = lowest.get(run["budget"], math.inf)
            lowest[run["budget"]] = min(run["loss"], best_so_far)
    x = np.array(list(lowest.keys()))
    y = np.array(list(lowest.values()))
    return predict_interval(x, y, budget, t)


# %% [markdown]
# The run that was kept aside has ten times the compute of the largest in the sweep. **Write down
# your own guess of its loss first**, then run the cell. Does the measured loss lie in the interval?


# %% tags=["demo"]
with demonstration():
    from reference_impl.scaling_laws.recorded import recorded_larger_run

    runs = [{"budget": run.budget, "loss": run.loss, "finished": True} for run in recorded_sweep()]
    larger = recorded_larger_run()
    low, middle, high = forecast(runs, larger[0].budget, t=3.18)
    print(f"forecast for {larger[0].budget:.0e} operations: {low:.3f} to {high:.3f}")
    print(f"middle:   {middle:.3f}")
    print("measured:", ", ".join(f"{run.loss:.3f}" for run in larger), "(two seeds)")

# %% [markdown]
# ## 6. Which run was not finished?
#
# {{scaling_laws/unfinished_run}}
#
# Runs of the sweep, each with its size, the tokens that it was planned to read, and the loss that
# somebody wrote down. All numbers are real. But one loss was written down when a third of that
# run's tokens had been read and its learning rate was still high. All others were read at the end.
# Which one? Return its letter, such as `"A"`. The letters were drawn for you.
#
# <details><summary>Hint</summary>
#
# Follow one size at a time: more tokens should lower the loss, smoothly. Then compare sizes that
# lie beside each other. On paper, plot the loss over the logarithm of the tokens.
#
# </details>

# %%
print(question("scaling_laws/unfinished_run")["table"])


# %% exercise="scaling_laws/unfinished_run"
def unfinished_run() -> str:
    """The letter of the run whose loss was read before its schedule had ended.

    No input: read the table above. Plot it, fit it, or do both.
    """
    return "C"


# %% [markdown]
# ## 7. How far off is a law?
#
# {{scaling_laws/fit_error}}
#
# Hoffmann and colleagues describe the loss by N and D together: L = E + A / Nᵅ + B / Dᵝ, where E is
# what no model can go below. To fit it, one needs a number that says how badly given coefficients
# describe the runs. They take errors of the logarithm and the **Huber loss**, which counts small
# errors by their squares and large ones by their size, so that an odd run cannot pull the fit away.
#
# <details><summary>Hint</summary>
#
# Predict all losses at once. The error is a difference of logarithms. `np.where(condition, a, b)`
# chooses for each run; the condition looks at the size of the error, without its sign.
#
# </details>


# %% exercise="scaling_laws/fit_error"
def fit_error(
    coefficients: tuple[float, float, float, float, float],
    n_parameters: Float[ndarray, " runs"],
    n_tokens: Float[ndarray, " runs"],
    losses: Float[ndarray, " runs"],
    delta: float = 1e-3,
) -> float:
    """How badly L(N, D) = E + A / N^alpha + B / D^beta describes the runs; 0 is perfect.

    `coefficients` are E, A, B, alpha, beta. For each run the error e is the logarithm of the
    predicted loss minus that of the measured one. It costs e^2 / 2 where |e| <= delta, and
    delta * (|e| - delta / 2) beyond. The result is the sum over all runs; without any it
    is 0.

    >>> law = (1.0, 10.0, 20.0, 0.5, 1.0)  # at N = 100, D = 20 it predicts 1 + 1 + 1 = 3
    >>> n, d, near = np.array([100.0]), np.array([20.0]), np.array([3.0 / math.exp(0.1)])
    >>> round(fit_error(law, n, d, near, delta=0.5), 6)  # e = 0.1: 0.1^2 / 2
    0.005
    >>> round(fit_error(law, n, d, near, delta=0.02), 6)  # 0.02 * (0.1 - 0.01)
    0.0018
    """
    E, A, B, alpha, beta = coefficients
    predicted = E + A / n_parameters**alpha + B / n_tokens**beta
    errors = np.log(predicted) - np.log(losses)
    size = np.abs(errors)
    costs = np.where(size <= delta, errors**2 / 2, delta * (size - delta / 2))
    return float(costs.sum())


# %% [markdown]
# Your error, in the hands of a search: the five coefficients of the sweep. The search is the
# course's and begins at several points. What does it say of E, the loss that no model of this kind
# could go below? Compare with the published E of 1.69 to 1.82 nats a *token*: ours is for a
# character.

# %% tags=["demo"]
with demonstration():
    from reference_impl.scaling_laws.scaling import fit_parametric_loss

    sweep = recorded_sweep()
    n, d, measured = (
        np.array([getattr(run, name) for run in sweep])
        for name in ("n_parameters", "n_tokens", "loss")
    )
    law = fit_parametric_loss(n, d, measured, n_searches=10)
    ours = (law.E, law.A, law.B, law.alpha, law.beta)
    print("E {:.3f}, A {:.1f}, B {:.0f}, alpha {:.3f}, beta {:.3f}".format(*ours))
    print(f"your error of this law:     {fit_error(ours, n, d, measured):.5f}")
    moved = (ours[0] * 1.05, *ours[1:])
    print(f"with an E that is 5% more:  {fit_error(moved, n, d, measured):.5f}")
    print(f"the larger run by this law: {law(larger[0].n_parameters, larger[0].n_tokens):.3f}")

# %% [markdown]
# ## 8. The best size
#
# {{scaling_laws/best_split}}
#
# For a given compute, a larger model means fewer tokens. The law says which pair is best, in closed
# form: no search.
#
# <details><summary>Hint 1</summary>
#
# Put D = C / (6N) into the law. It becomes E + A N^(−α) + B (6/C)^β N^β. Where is its derivative by
# N equal to 0? E plays no part.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# N = G (C/6)^(β/(α+β)) with G = (α A / (β B))^(1/(α+β)). D follows from C = 6 N D.
#
# </details>


# %% exercise="scaling_laws/best_split"
def best_split(
    coefficients: tuple[float, float, float, float, float], compute: int | float
) -> tuple[float, float]:
    """The N and D of lowest loss E + A / N^alpha + B / D^beta among all with 6 N D = compute.

    `coefficients` are E, A, B, alpha, beta. Two numbers, N first, not rounded.
    Raises ValueError unless `compute` is a finite number above 0.

    >>> n, d = best_split((1.0, 10.0, 10.0, 0.5, 0.5), 6e6)  # the same in N and D
    >>> round(n), round(d)  # both the root of a million
    (1000, 1000)
    """
    if not 0 < compute < math.inf:
        raise ValueError(f"compute={compute}: give a finite number above 0")
    E, A, B, alpha, beta = coefficients
    total = alpha + beta
    g = (alpha * A / (beta * B)) ** (1 / total)
    n_parameters = g * (compute / 6) ** (beta / total)
    n_tokens = compute / (6 * n_parameters)
    return n_parameters, n_tokens


# %% [markdown]
# Predict before you run it. The same experiments, three sets of coefficients: as the paper prints
# them, with two digits more, and refitted in 2024. For Chinchilla itself, the three losses
# differ by less than 3%. What do they advise for Chinchilla's own budget, 5.76e23 operations?

# %% tags=["demo"]
PUBLISHED = {  # E, A, B, alpha, beta
    "Hoffmann 2022, as printed": (1.69, 406.4, 410.7, 0.34, 0.28),
    "the same, less rounded": (1.6934, 406.4, 410.7, 0.3392, 0.2849),
    "Besiroglu 2024": (1.8172, 482.01, 2085.43, 0.3478, 0.3658),
}
with demonstration():
    for name, coefficients in PUBLISHED.items():
        n, d = best_split(coefficients, 5.76e23)
        print(f"{name:26} {n / 1e9:5.1f} billion parameters, {d / n:5.1f} tokens for each")

# %% [markdown]
# ## 9. What the money buys
#
# {{scaling_laws/best_size}}
#
# Somebody gives you a sum of money and asks how large the model should be. The prices and the law
# are drawn for you; they are made up, and real ones change every month. Return the number of
# **parameters** that reaches the lowest loss, in billions, such as `7.5`. It has to be right within
# 1%.
#
# <details><summary>Hint 1</summary>
#
# Dollars buy hours, hours are seconds, and in each second the machine does its rate times the share
# that a run gets of it. Use your `best_split`.
#
# </details>

# %%
offer = question("scaling_laws/best_size")
for name, value in offer.items():
    print(f"{name}: {value:,}")


# %% exercise="scaling_laws/best_size"
def best_size() -> float:
    """Billions of parameters of the model that reaches the lowest loss for the money.

    No input: read the numbers above, and compute. Right within 1%.
    """
    return 48.8


# %% [markdown]
# ## Your machine for an hour
#
# All your pieces, for a run of your own. The cell measures how many operations a second your
# machine does in training a small decoder, for a second or two. An hour of that is your budget.
# Your `best_split` says the size, with the law fitted to the sweep; your `forecast` says the loss.
# Is it within the range of the sweep, or far outside? (No points hang on it. Whoever wants to know
# makes the run: chapter 9 has all its parts.)

# %% tags=["demo"]
with demonstration():
    from time import perf_counter

    import torch

    from reference_impl.decoder.decoder import Decoder

    config = decoder_of(64, 64)
    model, ids = Decoder(config), torch.randint(62, (8, 64))
    start, n_steps = perf_counter(), 0
    while perf_counter() - start < 1.5 and n_steps < 200:
        model(ids).logsumexp(-1).mean().backward()
        n_steps += 1
    rate = n_steps * count_flops(config, ids.numel()) / (perf_counter() - start)
    hour = 3600 * rate
    n, d = best_split(ours, hour)
    low, middle, high = forecast(runs, hour, t=3.18)
    print(f"{rate:.1e} operations a second, {hour:.1e} in an hour")
    print(f"{hour / compute[-1]:,.0f} times the largest budget of the sweep")
    print(f"best size by the sweep's law: {n:,.0f} parameters, {d:,.0f} characters")
    print(f"loss: {middle:.3f}, between {low:.3f} and {high:.3f}, if the line stays straight")

# %% [markdown]
# The plays have 4.3 million characters. If your run asks for more, it has to read them again, and
# repeated text is worth less than new text: no law of this notebook knows that.
#
# **What you have now.** The cost of a run in operations, in days of a machine and in money; a law
# fitted to logarithms; a prediction that says how sure it is; the best size in closed form; and an
# eye for a loss that was read too early. Together the exercises are worth 21 points. Next comes
# chapter 11, fine-tuning: how a model that only completes texts learns to answer.
