"""Answers to unit 10, written from the learner's notebook alone before the judge saw them.

Each wrong one makes one mistake that learners make. A text is run where the names of the
notebook's first cells and the right answers to the earlier exercises stand; an answer to a
question also has `shown`, what the notebook's `question` gives, and `right`.
"""

RUNS_OF_THE_TABLE = """
    import math
    rows = [line.replace(",", "").split() for line in shown["table"].splitlines()[1:]]
    runs = [(row[0], float(row[1]), float(row[2]), float(row[3])) for row in rows]
"""

COEFFICIENTS_OF_THE_OFFER = """
    E, A, B, alpha, beta = (shown[name] for name in ("E", "A", "B", "alpha", "beta"))
    hours = shown["dollars"] / shown["dollars for an hour of one accelerator"]
    rate = shown["its operations a second (data sheet)"]
    share = shown["share of these that a run gets"]
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
"""

WRONG = [
    # --- petaflop_s_days --------------------------------------------------------------------------
    (
        "petaflop_s_days",
        """
def petaflop_s_days(n_parameters, n_tokens):
    if n_parameters < 0 or n_tokens < 0:
        raise ValueError("below 0")
    return 6 * n_parameters * n_tokens / (1e15 * 60 * 60)
""",
        "divides by the operations of an hour, so the answer is in petaflop/s-hours",
    ),
    (
        "petaflop_s_days",
        """
def petaflop_s_days(n_parameters, n_tokens):
    if n_parameters < 0 or n_tokens < 0:
        raise ValueError("below 0")
    return 6 * n_parameters * n_tokens / (1e15 * 24 * 60)
""",
        "takes the minutes of a day for its seconds: 60 times too much",
    ),
    (
        "petaflop_s_days",
        """
def petaflop_s_days(n_parameters, n_tokens):
    if n_parameters < 0 or n_tokens < 0:
        raise ValueError("below 0")
    return 6 * n_parameters * n_tokens // (10**15 * 86400)
""",
        "the floor division drops what is less than a whole petaflop/s-day",
    ),
    (
        "petaflop_s_days",
        """
def petaflop_s_days(n_parameters, n_tokens):
    operations = 6 * n_parameters * n_tokens
    if operations < 0:
        raise ValueError("below 0")
    return operations / 1e15 / 86400
""",
        "looks at the sign of the product, so two numbers below 0 pass",
    ),
    # --- count_flops ------------------------------------------------------------------------------
    (
        "count_flops",
        """
def count_flops(config, n_tokens):
    c = config
    kv = c.n_kv_heads * c.head_dim
    weights = 2 * c.d_model * c.d_model + 2 * c.d_model * kv + 3 * c.d_model * c.d_ff
    attention = 2 * 2 * c.context_length * c.n_heads * c.head_dim
    forward = c.n_layers * (2 * weights + attention) + 2 * c.d_model * c.vocab_size
    return 3 * forward * n_tokens
""",
        "takes q and o for d_model x d_model; they are d_model x (n_heads head_dim)",
    ),
    (
        "count_flops",
        """
def count_flops(config, n_tokens):
    c = config
    q, kv = c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim
    weights = c.d_model * (2 * q + 2 * kv + 3 * c.d_ff)
    seen = (c.context_length + 1) / 2
    attention = 2 * 2 * seen * q
    forward = c.n_layers * (2 * weights + attention) + 2 * c.d_model * c.vocab_size
    return int(3 * forward * n_tokens)
""",
        "counts only the positions that the causal mask lets a token see, on average",
    ),
    (
        "count_flops",
        """
def count_flops(config, n_tokens):
    forward = 0
    for _ in range(config.n_layers):
        q = config.n_heads * config.head_dim
        kv = config.n_kv_heads * config.head_dim
        forward += 2 * config.d_model * (2 * q + 2 * kv + 3 * config.d_ff)
        forward += 4 * config.context_length * q
        forward += 2 * config.d_model * config.vocab_size
    return 3 * forward * n_tokens
""",
        "the output layer stands inside the loop: it is counted once for every layer",
    ),
    (
        "count_flops",
        """
def count_flops(config, n_tokens):
    c = config
    q, kv = c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim
    weights = c.d_model * (2 * q + 2 * kv + 3 * c.d_ff)
    scores = 2 * c.context_length * q
    weighted_sum = 2 * c.context_length * kv
    forward = c.n_layers * (2 * weights + scores + weighted_sum) + 2 * c.d_model * c.vocab_size
    return 3 * forward * n_tokens
""",
        "counts the weighted sum for the key and value heads only; every query head makes one",
    ),
    (
        "count_flops",
        """
def count_flops(config, n_tokens):
    c = config
    q, kv = c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim
    weights = c.n_layers * c.d_model * (2 * q + 2 * kv + 3 * c.d_ff) + c.d_model * c.vocab_size
    attention = c.n_layers * 4 * c.context_length * q
    return (6 * weights + attention) * n_tokens
""",
        "attention's own products are counted forward only; they have a backward pass too",
    ),
    (
        "count_flops",
        """
def count_flops(config, n_tokens):
    c = config
    q, kv = c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim
    windows = n_tokens // c.context_length
    weights = c.d_model * (2 * q + 2 * kv + 3 * c.d_ff)
    layer = 2 * c.context_length * weights + 4 * c.context_length**2 * q
    forward = c.n_layers * layer + 2 * c.context_length * c.d_model * c.vocab_size
    return 3 * windows * forward
""",
        "counts whole windows, so the tokens after the last whole window cost nothing",
    ),
    # --- fit_power_law ----------------------------------------------------------------------------
    (
        "fit_power_law",
        """
def fit_power_law(x, y):
    if len(x) != len(y) or len(set(x.tolist())) < 2:
        raise ValueError("two runs at least")
    both = np.concatenate([x, y])
    if not np.isfinite(both).all() or (both <= 0).any():
        raise ValueError("no logarithm")
    u, v = np.log(x), np.log(y)
    a = np.cov(u, v)[0, 1] / np.var(u)
    return float(np.exp(v.mean() - a * u.mean())), float(a)
""",
        "np.cov divides by n - 1 and np.var by n: the slope is n / (n - 1) times too steep",
    ),
    (
        "fit_power_law",
        """
def fit_power_law(x, y):
    if len(x) != len(y) or len(np.unique(x)) < 2:
        raise ValueError("two runs at least")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and x.min() > 0 and y.min() > 0):
        raise ValueError("no logarithm")
    a, height = np.polyfit(np.log(x), np.log(y), 1)
    return 10**height, a
""",
        "the logarithms are natural and the way back is a power of 10",
    ),
    (
        "fit_power_law",
        """
def fit_power_law(x, y):
    if len(x) != len(y) or len(np.unique(x)) < 2:
        raise ValueError("two runs at least")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and x.min() > 0 and y.min() > 0):
        raise ValueError("no logarithm")
    slope, height = np.polyfit(np.log(y), np.log(x), 1)
    return float(np.exp(-height / slope)), float(1 / slope)
""",
        "fits ln x over ln y and turns the line round: the errors of x are made least, not of y",
    ),
    (
        "fit_power_law",
        """
def fit_power_law(x, y):
    from scipy.optimize import curve_fit
    if len(x) != len(y) or len(np.unique(x)) < 2:
        raise ValueError("two runs at least")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and x.min() > 0 and y.min() > 0):
        raise ValueError("no logarithm")
    a, height = np.polyfit(np.log(x), np.log(y), 1)
    (k, a), _ = curve_fit(lambda x, k, a: k * x**a, x, y, p0=(np.exp(height), a), maxfev=10_000)
    return float(k), float(a)
""",
        "makes the squared errors of y least, not those of ln y",
    ),
    (
        "fit_power_law",
        """
def fit_power_law(x, y):
    if len(x) != len(y):
        raise ValueError("as many y as x")
    good = np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)
    x, y = x[good], y[good]
    if len(np.unique(x)) < 2:
        raise ValueError("two runs at least")
    a, height = np.polyfit(np.log(x), np.log(y), 1)
    return float(np.exp(height)), float(a)
""",
        "leaves out the points that have no logarithm; a ValueError was promised for them",
    ),
    # --- predict_interval -------------------------------------------------------------------------
    (
        "predict_interval",
        """
def predict_interval(x, y, new_x, t=2.0):
    if len(x) < 3:
        raise ValueError("three points at least")
    k, a = fit_power_law(x, y)
    u = np.log(x)
    errors = np.log(y) - np.log(k) - a * u
    s = math.sqrt((errors**2).sum() / (len(x) - 2))
    off = (math.log(new_x) - u.mean()) ** 2 / ((u - u.mean()) ** 2).sum()
    spread = s * math.sqrt(1 + 1 / len(x) + off)
    middle = k * new_x**a
    return middle * (1 - t * spread), middle, middle * (1 + t * spread)
""",
        "adds and takes away a share of the middle; the ends are factors exp(-t s), exp(t s) of it",
    ),
    (
        "predict_interval",
        """
def predict_interval(x, y, new_x, t=2.0):
    if len(x) < 3:
        raise ValueError("three points at least")
    k, a = fit_power_law(x, y)
    errors = np.log(y) - np.log(k * x**a)
    s = np.sqrt((errors**2).sum() / (len(x) - 2))
    off = (new_x - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()
    factor = np.exp(t * s * np.sqrt(1 + 1 / len(x) + off))
    middle = k * new_x**a
    return middle / factor, middle, middle * factor
""",
        "measures the distance of the new point in x, not in ln x",
    ),
    (
        "predict_interval",
        """
def predict_interval(x, y, new_x, t=2.0):
    if len(x) < 3:
        raise ValueError("three points at least")
    k, a = fit_power_law(x, y)
    u = np.log(x)
    s = np.std(np.log(y) - np.log(k * x**a), ddof=1)
    off = (np.log(new_x) - u.mean()) ** 2 / ((u - u.mean()) ** 2).sum()
    factor = np.exp(t * s * np.sqrt(1 + 1 / len(x) + off))
    middle = k * new_x**a
    return middle / factor, middle, middle * factor
""",
        "divides the squared errors by n - 1; two numbers were fitted, so n - 2",
    ),
    (
        "predict_interval",
        """
def predict_interval(x, y, new_x, t=2.0):
    if len(x) < 3:
        raise ValueError("three points at least")
    k, a = fit_power_law(x, y)
    u = np.log(x)
    s = np.sqrt(((y - k * x**a) ** 2).sum() / (len(x) - 2))
    off = (np.log(new_x) - u.mean()) ** 2 / ((u - u.mean()) ** 2).sum()
    factor = np.exp(t * s * np.sqrt(1 + 1 / len(x) + off))
    middle = k * new_x**a
    return middle / factor, middle, middle * factor
""",
        "the errors are those of y, not of ln y",
    ),
    (
        "predict_interval",
        """
def predict_interval(x, y, new_x, t=2.0):
    k, a = fit_power_law(x, y)
    u, n = np.log(x), len(x)
    s = np.sqrt(((np.log(y) - np.log(k * x**a)) ** 2).sum() / max(n - 2, 1))
    off = (np.log(new_x) - u.mean()) ** 2 / ((u - u.mean()) ** 2).sum()
    factor = np.exp(t * s * np.sqrt(1 + 1 / n + off))
    middle = k * new_x**a
    return middle / factor, middle, middle * factor
""",
        "answers for two points, where nothing is left to say how sure: no ValueError",
    ),
    # --- forecast ---------------------------------------------------------------------------------
    (
        "forecast",
        """
def forecast(runs, budget, t=2.0):
    from itertools import groupby
    good = [run for run in runs if run["finished"] and math.isfinite(run["loss"])]
    groups = [(b, min(r["loss"] for r in g)) for b, g in groupby(good, lambda r: r["budget"])]
    if len(set(b for b, _ in groups)) < 3:
        raise ValueError("three budgets at least")
    x, y = np.array(groups).T
    return predict_interval(x, y, budget, t)
""",
        "groupby joins neighbours only: unsorted, a budget comes several times",
    ),
    (
        "forecast",
        """
def forecast(runs, budget, t=2.0):
    best = {}
    for run in runs:
        if run["finished"] and not math.isnan(run["loss"]):
            best[run["budget"]] = min(run["loss"], best.get(run["budget"], run["loss"]))
    return predict_interval(np.array(list(best)), np.array(list(best.values())), budget, t)
""",
        "leaves out NaN but keeps an infinite loss",
    ),
    (
        "forecast",
        """
def forecast(runs, budget, t=2.0):
    best = {}
    for run in runs:
        b = run["budget"]
        if b not in best or run["loss"] < best[b]["loss"]:
            best[b] = run
    good = [r for r in best.values() if r["finished"] and math.isfinite(r["loss"])]
    x = np.array([r["budget"] for r in good])
    y = np.array([r["loss"] for r in good])
    return predict_interval(x, y, budget, t)
""",
        "takes the best run first and then leaves out the unfinished: its whole budget is lost",
    ),
    (
        "forecast",
        """
def forecast(runs, budget, t=2.0):
    best = {}
    for run in runs:
        if run["finished"] and math.isfinite(run["loss"]):
            best.setdefault(run["budget"], []).append(run["loss"])
    x = np.array(list(best))
    y = np.array([min(losses) for losses in best.values()])
    return predict_interval(x, y, budget)
""",
        "does not hand t on: the interval is always two spreads wide",
    ),
    (
        "forecast",
        """
def forecast(runs, budget, t=2.0):
    for run in list(runs):
        if not run["finished"] or not math.isfinite(run["loss"]):
            runs.remove(run)
    best = {}
    for run in runs:
        best[run["budget"]] = min(run["loss"], best.get(run["budget"], math.inf))
    return predict_interval(np.array(list(best)), np.array(list(best.values())), budget, t)
""",
        "right numbers, but takes the runs that do not count out of the caller's list",
    ),
    (
        "forecast",
        """
def forecast(runs, budget, t=2.0):
    groups = {}
    for run in runs:
        if run["finished"] and math.isfinite(run["loss"]):
            groups.setdefault(run["budget"], []).append(run["loss"])
    x = np.array(list(groups))
    y = np.array([sum(losses) / len(losses) for losses in groups.values()])
    return predict_interval(x, y, budget, t)
""",
        "takes the mean loss of a budget, not its lowest",
    ),
    # --- unfinished_run ---------------------------------------------------------------------------
    (
        "unfinished_run",
        f"""
def unfinished_run():
    {RUNS_OF_THE_TABLE}
    by_size = sorted(runs, key=lambda run: run[1:3])
    falls = [
        (a[3] - b[3], b[0]) for a, b in zip(by_size, by_size[1:]) if a[1] == b[1]
    ]
    return max(falls)[1]
""",
        "the run after the largest fall: of two neighbours it blames the lower one",
    ),
    (
        "unfinished_run",
        """
def unfinished_run():
    return ord(right) - ord("A")
""",
        "the right row, as a number and not as its letter",
    ),
    # --- fit_error --------------------------------------------------------------------------------
    (
        "fit_error",
        """
def fit_error(coefficients, n_parameters, n_tokens, losses, delta=1e-3):
    import torch
    E, A, B, alpha, beta = coefficients
    predicted = E + A / n_parameters**alpha + B / n_tokens**beta
    ours, theirs = torch.as_tensor(np.log(predicted)), torch.as_tensor(np.log(losses))
    return torch.nn.functional.smooth_l1_loss(ours, theirs, reduction="sum", beta=delta).item()
""",
        "torch's smooth L1 loss is the Huber loss divided by delta",
    ),
    (
        "fit_error",
        """
def fit_error(coefficients, n_parameters, n_tokens, losses, delta=1e-3):
    E, A, B, alpha, beta = coefficients
    e = np.log(E + A / n_parameters**alpha + B / n_tokens**beta) - np.log(losses)
    cost = np.where(e <= delta, e**2 / 2, delta * (np.abs(e) - delta / 2))
    return float(cost.sum())
""",
        "compares e itself with delta: a large error below 0 is squared",
    ),
    (
        "fit_error",
        """
def fit_error(coefficients, n_parameters, n_tokens, losses, delta=1e-3):
    E, A, B, alpha, beta = coefficients
    e = np.abs(np.log(E + A * n_parameters**-alpha + B * n_tokens**-beta) - np.log(losses))
    if len(e) == 0:
        return 0.0
    return float(np.where(e <= delta, e**2 / 2, delta * (e - delta / 2)).mean())
""",
        "the mean over the runs, not their sum",
    ),
    (
        "fit_error",
        """
def fit_error(coefficients, n_parameters, n_tokens, losses, delta=1e-3):
    E, A, B, alpha, beta = coefficients
    total = 0.0
    for n, d, loss in zip(n_parameters, n_tokens, losses):
        e = abs(E + A / n**alpha + B / d**beta - loss)
        total += e**2 / 2 if e <= delta else delta * (e - delta / 2)
    return total
""",
        "the error is that of the loss, not of its logarithm",
    ),
    (
        "fit_error",
        """
def fit_error(coefficients, n_parameters, n_tokens, losses, delta=1e-3):
    E, A, B, alpha, beta = coefficients
    e = np.abs(np.log(E + A / n_parameters**alpha + B / n_tokens**beta) - np.log(losses))
    if (e <= delta).all():
        return float((e**2 / 2).sum())
    return float((delta * (e - delta / 2)).sum())
""",
        "chooses once for all runs: one large error, and the small ones are counted by size too",
    ),
    # --- best_split -------------------------------------------------------------------------------
    (
        "best_split",
        """
def best_split(coefficients, compute):
    if not (math.isfinite(compute) and compute > 0):
        raise ValueError("compute")
    E, A, B, alpha, beta = coefficients
    n = np.logspace(0, math.log10(compute / 6), 500)
    d = compute / (6 * n)
    best = np.argmin(E + A / n**alpha + B / d**beta)
    return float(n[best]), float(d[best])
""",
        "the best of 500 sizes on a grid: near the optimum, but some percent off",
    ),
    (
        "best_split",
        """
def best_split(coefficients, compute):
    if not (math.isfinite(compute) and compute > 0):
        raise ValueError("compute")
    _, A, B, alpha, beta = coefficients
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    n = G * compute ** (beta / (alpha + beta))
    d = compute ** (alpha / (alpha + beta)) / G
    return n, d
""",
        "forgets the 6: N D = C",
    ),
    (
        "best_split",
        """
def best_split(coefficients, compute):
    if not (math.isfinite(compute) and compute > 0):
        raise ValueError("compute")
    n = math.sqrt(compute / (6 * 20))
    return n, 20 * n
""",
        "20 tokens for each parameter, whatever the law says",
    ),
    (
        "best_split",
        """
def best_split(coefficients, compute):
    if not (math.isfinite(compute) and compute > 0):
        raise ValueError("compute")
    _, A, B, alpha, beta = coefficients
    n = (A / B) ** (1 / (alpha + beta)) * (compute / 6) ** (beta / (alpha + beta))
    return n, compute / (6 * n)
""",
        "makes the two terms equal, A / N^alpha = B / D^beta; their derivatives have to be",
    ),
    # --- best_size --------------------------------------------------------------------------------
    (
        "best_size",
        f"""
def best_size():
    {COEFFICIENTS_OF_THE_OFFER}
    compute = hours * 3600 * rate
    return G * (compute / 6) ** (beta / (alpha + beta)) / 1e9
""",
        "takes the whole rate of the data sheet; a run gets a share of it",
    ),
    (
        "best_size",
        f"""
def best_size():
    {COEFFICIENTS_OF_THE_OFFER}
    compute = hours * 60 * rate * share
    return G * (compute / 6) ** (beta / (alpha + beta)) / 1e9
""",
        "takes the minutes of an hour for its seconds",
    ),
    (
        "best_size",
        f"""
def best_size():
    {COEFFICIENTS_OF_THE_OFFER}
    compute = hours * 3600 * rate * share
    n = G * (compute / 6) ** (beta / (alpha + beta))
    return compute / (6 * n) / 1e9
""",
        "the billions of tokens, not of parameters",
    ),
]

RIGHT = [
    (
        "petaflop_s_days",
        """
def petaflop_s_days(n_parameters, n_tokens):
    from datetime import timedelta
    if min(n_parameters, n_tokens) < 0:
        raise ValueError("a number below 0")
    seconds = n_parameters / 1e15 * n_tokens * 6
    return seconds / timedelta(days=1).total_seconds()
""",
        "seconds on the machine first, then days by timedelta",
    ),
    (
        "count_flops",
        """
def count_flops(config, n_tokens):
    head, model = config.head_dim, config.d_model
    layer = [(model, config.n_heads * head)] * 2 + [(model, config.n_kv_heads * head)] * 2
    layer += [(model, config.d_ff)] * 3
    layer += [(head, config.context_length)] * 2 * config.n_heads
    matrices = layer * config.n_layers + [(model, config.vocab_size)]
    return sum(6 * rows * columns for rows, columns in matrices) * n_tokens
""",
        "a list of all matrices, each head's scores as one of them, summed at the end",
    ),
    (
        "count_flops",
        """
def count_flops(config, n_tokens):
    def stack(n_layers):
        if n_layers == 0:
            return config.vocab_size * config.d_model
        q, kv = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
        sizes = np.array([2 * q, 2 * kv, 3 * config.d_ff], dtype=object)
        return (sizes * config.d_model).sum() + 2 * config.context_length * q + stack(n_layers - 1)

    return int(2 * stack(config.n_layers) * n_tokens * (1 + 2))
""",
        "recursion over the layers, whole numbers of any size in NumPy",
    ),
    (
        "fit_power_law",
        """
def fit_power_law(x, y):
    import statistics
    x, y = list(map(float, x)), list(map(float, y))
    if len(x) != len(y) or len(set(x)) < 2:
        raise ValueError("two different x at least, and as many y")
    if not all(0 < number < math.inf for number in x + y):
        raise ValueError("a number has no logarithm")
    u, v = [math.log(number) for number in x], [math.log(number) for number in y]
    slope, height = statistics.linear_regression(u, v)
    return math.exp(height), slope
""",
        "the standard library's linear regression, on lists",
    ),
    (
        "fit_power_law",
        """
def fit_power_law(x, y):
    if x.shape != y.shape or np.ptp(x) == 0 or x.size < 2:
        raise ValueError("two different x at least, and as many y")
    points = np.stack([x, y])
    if not ((points > 0) & np.isfinite(points)).all():
        raise ValueError("a number has no logarithm")
    u, v = np.log10(points)
    (height, slope), *_ = np.linalg.lstsq(np.vander(u, 2, increasing=True), v)
    return np.array([10**height, slope])[0], slope
""",
        "logarithms of base 10 both ways, and a solver for linear systems",
    ),
    (
        "predict_interval",
        """
def predict_interval(x, y, new_x, t=2.0):
    if len(x) < 3:
        raise ValueError("three points at least")
    k, a = fit_power_law(x, y)
    X = np.stack([np.ones(len(x)), np.log(x)], axis=1)
    errors = np.log(y) - X @ [np.log(k), a]
    covariance = np.linalg.inv(np.einsum("ij,ik->jk", X, X)) * (errors @ errors) / (len(x) - 2)
    new = np.array([1.0, np.log(new_x)])
    variance = (errors @ errors) / (len(x) - 2) + new @ covariance @ new
    ends = np.log(k) + a * np.log(new_x) + np.array([-t, 0.0, t]) * np.sqrt(variance)
    return tuple(np.exp(ends))
""",
        "the covariance of the two coefficients, by matrices",
    ),
    (
        "predict_interval",
        """
def predict_interval(x, y, new_x, t=2.0):
    n = len(x)
    if n < 3:
        raise ValueError("three points at least")
    k, a = fit_power_law(x, y)
    u = [math.log(i) for i in x]
    mean = math.fsum(u) / n
    s = math.hypot(*(math.log(j / k) - a * i for i, j in zip(u, y))) / math.sqrt(n - 2)
    far = (math.log(new_x) - mean) / math.dist(u, [mean] * n)
    factor = math.exp(s * math.hypot(1, 1 / math.sqrt(n), far)) ** t
    middle = k * math.pow(new_x, a)
    return middle / factor, middle, middle * factor
""",
        "roots of sums of squares by math.hypot and math.dist, t as a power of the factor",
    ),
    (
        "forecast",
        """
def forecast(runs, budget, t=2.0):
    counted = sorted(
        ((run["budget"], run["loss"]) for run in runs
         if run["finished"] and abs(run["loss"]) < math.inf),
        reverse=True,
    )
    best = dict(counted)
    if len(best) < 3:
        raise ValueError("three budgets at least")
    x, y = np.fromiter(best.keys(), float), np.fromiter(best.values(), float)
    return predict_interval(new_x=budget, x=x, y=y, t=t)
""",
        "sorted downwards, so that the dict keeps the lowest loss of each budget",
    ),
    (
        "unfinished_run",
        f"""
def unfinished_run():
    {RUNS_OF_THE_TABLE}
    sizes = np.log([run[1] for run in runs])
    tokens = np.log([run[2] for run in runs])
    logs = np.log([run[3] for run in runs])
    rows = np.stack([np.ones(len(runs)), sizes, tokens, tokens**2], axis=1)

    def left_over(without):
        keep = np.arange(len(runs)) != without
        best = np.linalg.lstsq(rows[keep], logs[keep])[0]
        return ((rows[keep] @ best - logs[keep]) ** 2).sum()

    return runs[min(range(len(runs)), key=left_over)][0]
""",
        "a surface fitted to all runs but one; without the odd one it fits best",
    ),
    (
        "fit_error",
        """
def fit_error(coefficients, n_parameters, n_tokens, losses, delta=1e-3):
    from scipy.special import huber
    E, A, B, alpha, beta = coefficients
    terms = [np.full(np.shape(losses), E), A / n_parameters**alpha, B * n_tokens ** (-beta)]
    return huber(delta, np.log(losses) - np.log(np.sum(terms, axis=0))).sum()
""",
        "SciPy's Huber loss, the error with its sign the other way round",
    ),
    (
        "best_split",
        """
def best_split(coefficients, compute):
    from scipy.optimize import brentq
    if not 0 < compute < math.inf:
        raise ValueError("compute has to be a finite number above 0")
    _, A, B, alpha, beta = coefficients
    both = math.log(compute / 6)

    def slope(log_n):
        gain = math.log(alpha * A) - alpha * log_n
        return math.log(beta * B) - beta * (both - log_n) - gain

    log_n = brentq(slope, -1e4, 1e4, xtol=1e-12)
    return math.exp(log_n), math.exp(both - log_n)
""",
        "the place where both derivatives are equal, found by halving intervals",
    ),
    (
        "best_size",
        f"""
def best_size():
    {COEFFICIENTS_OF_THE_OFFER}
    compute = hours * 3600 * rate * share
    n = np.geomspace(1e6, 1e14, 20_001)
    losses = E + A / n**alpha + B / (compute / (6 * n)) ** beta
    return np.round(n[losses.argmin()] / 1e9, 3)
""",
        "a search over a fine grid, rounded to millions",
    ),
]
