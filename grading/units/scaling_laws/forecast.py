"""scaling_laws/forecast: from the runs of a sweep to a prediction with a width."""

import math

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.scaling_laws.draw import quiet

LINK = "scaling-laws-prediction"
BUDGETS = (1e9, 3e9, 1e10, 4e10, 1e11)
NEW = 2e12


def cases(rng: np.random.Generator) -> list[Case]:
    """One kind of run at a time that must not count; then all; then too little."""
    plain = sweep(rng)
    lows = [min(group, key=lambda r: r["loss"]) for group in by_budget(plain)]
    unfinished = [_run(r["budget"], 0.7 * r["loss"], finished=False) for r in lows[1:3]]
    diverged = [_run(BUDGETS[0], math.inf), _run(BUDGETS[2], math.nan)]
    minus = [_run(BUDGETS[1], -math.inf)]
    middling = [_run(r["budget"], 1.9 * r["loss"]) for r in lows[2:]]
    dead = [_run(5e9, math.inf), _run(7e9, 2.5, finished=False)]
    everything = plain + unfinished + diverged + middling
    mixed = [everything[i] for i in rng.permutation(len(everything))]
    return [
        _case("one run for each budget", lows, name="lowest"),
        _case("several runs for each budget", plain, name="plain"),
        _case("the same runs in another order", plain[::-1]),
        _case("the same runs and t = 1", plain, t=1.0),
        _case("unfinished runs among them", plain + unfinished, name="with unfinished"),
        _case("diverged runs among them", plain + diverged, name="with diverged"),
        _case("a loss of minus infinity among them", minus + plain),
        _case("a diverged run in front", diverged[1:] + plain),
        _case("more bad runs among them", plain + middling, name="with bad"),
        _case("budgets with no run that counts", plain + dead),
        _case("all of this, mixed", mixed),
        _case("a budget inside the sweep", plain, budget=2e10),
        _case("three budgets", [r for r in plain if r["budget"] <= 1e10]),
        Case("t left out", {"runs": plain, "budget": NEW}),
        _case("two budgets", [r for r in plain if r["budget"] <= 3e9]),
        _case("two budgets with finished runs", _finished_twice(plain)),
        _case("no runs", []),
        _case("diverged runs alone", [_run(b, math.inf) for b in BUDGETS]),
    ]


def sweep(rng: np.random.Generator) -> list[dict]:
    """Three runs for each budget; the budgets' lowest losses scatter about a law."""
    runs = []
    for budget in BUDGETS:
        low = 30 * budget**-0.1 * math.exp(0.03 * rng.standard_normal())
        losses = low * np.array([1.0, *rng.uniform(1.05, 1.4, 2)])
        runs += [_run(budget, float(loss)) for loss in rng.permutation(losses)]
    return runs


def by_budget(runs: list[dict]) -> list[list[dict]]:
    return [[run for run in runs if run["budget"] == budget] for budget in BUDGETS]


def _run(budget: float, loss: float, finished: bool = True) -> dict:
    return {"budget": budget, "loss": loss, "finished": finished}


def _finished_twice(runs: list[dict]) -> list[dict]:
    """All budgets, of which two have finished runs."""
    return [{**run, "finished": run["budget"] in BUDGETS[:2]} for run in runs]


def _case(says: str, runs: list[dict], budget: float = NEW, t: float = 2.5, name: str = "") -> Case:
    return Case(says, {"runs": runs, "budget": budget, "t": t}, name=name)


# --- right in other ways ---------------------------------------------------------------------


def _interval(x, y, new_x, t):
    if len(x) < 3:
        raise ValueError("too few")
    u, v = np.log(x), np.log(y)
    mean = u.mean()
    slope, height = np.polyfit(u - mean, v, 1)
    rest = ((v - height - slope * (u - mean)) ** 2).sum() / (len(u) - 2)
    out = math.log(new_x) - mean
    spread = math.sqrt(rest * (1 + 1 / len(u) + out**2 / ((u - mean) ** 2).sum()))
    middle = height + slope * out
    return tuple(math.exp(middle + side * t * spread) for side in (-1, 0, 1))


def by_sorting(runs, budget, t=2.0):
    """The lowest comes first of its budget."""
    good = [(r["budget"], r["loss"]) for r in runs if r["finished"] and abs(r["loss"]) < math.inf]
    good.sort()
    firsts = [pair for i, pair in enumerate(good) if i == 0 or good[i - 1][0] != pair[0]]
    return _interval([b for b, _ in firsts], [loss for _, loss in firsts], budget, t)


def with_arrays(runs, budget, t=2.0):
    """Masks of arrays, and the minimum of each budget."""
    budgets = np.array([r["budget"] for r in runs])
    losses = np.array([r["loss"] for r in runs])
    good = np.array([r["finished"] for r in runs], bool) & np.isfinite(losses)
    budgets, losses = budgets[good], losses[good]
    x = np.unique(budgets)
    return _interval(x, [losses[budgets == b].min() for b in x], budget, t)


def with_groupby(runs, budget, t=2.0):
    """itertools.groupby over sorted runs."""
    from itertools import groupby

    def of(run):
        return run["budget"]

    left = filter(lambda r: r["finished"] and math.isfinite(r["loss"]), runs)
    groups = groupby(sorted(left, key=of), key=of)
    best = {b: min(run["loss"] for run in group) for b, group in groups}
    return _interval(list(best), list(best.values()), budget, t)


# --- wrong in known ways -----------------------------------------------------------------------

WHICH = 'if run["finished"] and math.isfinite(run["loss"]):'
BEST = 'best_so_far = lowest.get(run["budget"], math.inf)'
KEEP = 'lowest[run["budget"]] = min(run["loss"], best_so_far)'
X = "x = np.array(list(lowest.keys()))"
Y = "y = np.array(list(lowest.values()))"
RESULT = "return predict_interval(x, y, budget, t)"
HUSH = quiet("forecast")
COUNTED = 'r["finished"] and math.isfinite(r["loss"])'
LOWEST_THEN_FINISHED = (
    f'kept = {{(r["budget"], r["loss"]) for r in runs if {COUNTED}}}\n'
    "    lowest = {b: loss for b, loss in lowest.items() if (b, loss) in kept}\n    "
)
NEIGHBOURS = (
    f"from itertools import groupby\n\n    kept = [r for r in runs if {COUNTED}]\n"
    '    groups = groupby(kept, lambda r: r["budget"])\n'
    '    groups = [(b, min(r["loss"] for r in group)) for b, group in groups]\n'
)

MISCONCEPTIONS = (
    Misconception(
        "unfinished-runs-counted",
        "Unfinished runs are counted. Their learning rate was still high: what they read is not "
        "what that compute can buy.",
        "scaling-laws-schedule",
        {WHICH: 'if math.isfinite(run["loss"]):'},
    ),
    Misconception(
        "unfinished-runs-alone",
        "The unfinished runs are counted and the finished ones left out.",
        "scaling-laws-schedule",
        {WHICH: 'if not run["finished"] and math.isfinite(run["loss"]):'},
    ),
    Misconception(
        "diverged-runs-counted",
        "Runs that diverged are not left out: infinity and NaN are no losses.",
        LINK,
        {WHICH: 'if run["finished"]:'} | HUSH,
    ),
    Misconception(
        "only-infinity-left-out",
        "Losses that are not a number (NaN) get through. NaN equals nothing, not even itself: "
        "ask with isfinite.",
        LINK,
        {
            WHICH: 'if run["finished"] and abs(run["loss"]) != math.inf:',
            KEEP: 'lowest[run["budget"]] = run["loss"] if not run["loss"] > best_so_far else '
            "best_so_far",
        }
        | HUSH,
    ),
    Misconception(
        "only-nan-left-out",
        "Infinite losses get through, and minus infinity is then the lowest of its budget. Ask "
        "with isfinite.",
        LINK,
        {WHICH: 'if run["finished"] and not math.isnan(run["loss"]):'} | HUSH,
    ),
    Misconception(
        "all-runs-fitted",
        "All runs are fitted, not the lowest of each budget. Runs of a wrong size say nothing of "
        "what the compute can buy.",
        LINK,
        {
            X: f"kept = [r for r in runs if {COUNTED}]\n"
            '    x = np.array([r["budget"] for r in kept])',
            Y: 'y = np.array([r["loss"] for r in kept])',
        },
    ),
    Misconception(
        "mean-of-each-budget",
        "The mean of each budget is fitted. Its best run tells what the compute can buy; the mean "
        "depends on how many bad sizes were tried.",
        LINK,
        {
            BEST: 'lowest.setdefault(run["budget"], []).append(run["loss"])',
            KEEP: "",
            Y: "y = np.array([np.mean(group) for group in lowest.values()])",
        },
    ),
    Misconception(
        "median-of-each-budget",
        "The median of each budget is fitted. Its best run tells what the compute can buy.",
        LINK,
        {
            BEST: 'lowest.setdefault(run["budget"], []).append(run["loss"])',
            KEEP: "",
            Y: "y = np.array([np.median(group) for group in lowest.values()])",
        },
    ),
    Misconception(
        "highest-of-each-budget",
        "The highest loss of each budget is kept. Lower is better.",
        LINK,
        {
            BEST: 'best_so_far = lowest.get(run["budget"], -math.inf)',
            KEEP: 'lowest[run["budget"]] = max(run["loss"], best_so_far)',
        },
    ),
    Misconception(
        "last-of-each-budget",
        "The last run of each budget is kept, whatever its loss: later ones are written over "
        "earlier ones.",
        LINK,
        {KEEP: 'lowest[run["budget"]] = run["loss"]'},
    ),
    Misconception(
        "first-of-each-budget",
        "The first run of each budget is kept, whatever its loss.",
        LINK,
        {KEEP: 'lowest.setdefault(run["budget"], run["loss"])'},
    ),
    Misconception(
        "best-before-unfinished-left-out",
        "Of each budget the lowest loss is chosen first, and unfinished runs are left out then: "
        "where such a run was the lowest, the whole budget is lost. Leave them out first.",
        LINK,
        {
            WHICH: 'if math.isfinite(run["loss"]):',
            X: LOWEST_THEN_FINISHED + X,
        },
    ),
    Misconception(
        "best-before-all-left-out",
        "Of each budget the lowest loss is chosen first, and runs that do not count are left out "
        "then: where such a run was chosen, the whole budget is lost. Leave them out first.",
        LINK,
        {
            WHICH: 'if run["budget"] not in lowest or run["loss"] < lowest[run["budget"]]:',
            KEEP: 'lowest[run["budget"]] = run["loss"]',
            X: LOWEST_THEN_FINISHED + X,
        },
    ),
    Misconception(
        "neighbours-joined",
        "A budget comes several times: itertools.groupby joins only runs that stand side by side. "
        "Sort by the budget first, or fill a dict.",
        LINK,
        {
            X: NEIGHBOURS + "    x = np.array([budget_of for budget_of, _ in groups])",
            Y: "y = np.array([loss for _, loss in groups])",
        },
    ),
    Misconception(
        "neighbours-overwritten",
        "itertools.groupby joins only runs that stand side by side, and a later group of a budget "
        "takes the place of an earlier one. Sort by the budget first.",
        LINK,
        {X: NEIGHBOURS + "    lowest = dict(groups)\n    " + X},
    ),
    Misconception(
        "lowest-of-all",
        "One lowest loss is kept for all budgets. Each budget has its own.",
        LINK,
        {
            BEST: "best_so_far = min(lowest.values(), default=math.inf)",
        },
    ),
    Misconception(
        "three-runs-are-enough",
        "The runs are counted to see whether there are enough. Two budgets fix no scatter, however "
        "many runs they have.",
        LINK,
        {
            RESULT: "if len(lowest) == 2 and len(runs) > 2:\n"
            "        x, y = np.append(x, x[1]), np.append(y, y[1])\n    " + RESULT
        },
    ),
    Misconception(
        "only-the-middle",
        "Only the prediction is returned. Asked for are the lower end, the middle and the upper "
        "end.",
        LINK,
        {RESULT: "return predict_interval(x, y, budget, t)[1]"},
    ),
    Misconception(
        "t-not-handed-on",
        "t is not handed on: the interval is that of the default.",
        LINK,
        {RESULT: "return predict_interval(x, y, budget)"},
    ),
    Misconception(
        "budget-exchanged-with-loss",
        "Losses and budgets have changed places in the fit.",
        LINK,
        {RESULT: "return predict_interval(y, x, budget, t)"},
    ),
    Misconception(
        "largest-budget-predicted",
        "This predicts the largest budget of the sweep, not the one that was asked for.",
        LINK,
        {RESULT: "return predict_interval(x, y, x.max() if len(x) else budget, t)"},
    ),
    Misconception(
        "largest-budgets-only",
        "Only the three largest budgets are fitted. All budgets with a run that counts take part.",
        LINK,
        {
            RESULT: "largest = np.argsort(x)[-3:]\n"
            "    return predict_interval(x[largest], y[largest], budget, t)"
        },
    ),
    Misconception(
        "kept-only-where-lower-than-before",
        "The fit takes only budgets that improve on all smaller ones in the order given. Every "
        "budget counts.",
        LINK,
        {
            WHICH: 'if run["finished"] and math.isfinite(run["loss"]) and '
            'run["loss"] <= min(lowest.values(), default=math.inf):'
        },
    ),
    Misconception(
        "runs-removed",
        "Runs that do not count are removed from the list that was handed in. It belongs to "
        "whoever gave it: leave it as it is.",
        LINK,
        {"lowest = {}": f"lowest = {{}}\n    runs[:] = [r for r in runs if {COUNTED}]"},
    ),
)

EXERCISE = Exercise(
    id="scaling_laws/forecast",
    callable="forecast",
    title="A forecast",
    parts={"all": 3},
    minutes=15,
    difficulty="medium",
    link=LINK,
    cases=cases,
    arrays="numpy",
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_sorting, with_arrays, with_groupby),
    depends=("scaling_laws/predict_interval",),
    rtol=1e-6,
    atol=1e-9,
    equivalent={"`lowest` for `lowest.keys()`": "a list of a dict is one of its keys"},
    properties=(
        Property(
            "unfinished-runs-do-not-count",
            "Unfinished runs change the forecast.",
            "scaling-laws-schedule",
            ("plain", "with unfinished"),
            lambda plain, other: bool(np.allclose(plain, other, rtol=1e-6)),
        ),
        Property(
            "bad-runs-do-not-count",
            "More runs of a budget that are worse than its best change the forecast.",
            LINK,
            ("plain", "with bad"),
            lambda plain, other: bool(np.allclose(plain, other, rtol=1e-6)),
        ),
        Property(
            "the-lowest-alone",
            "The forecast is another one where each budget's best run is given alone.",
            LINK,
            ("lowest", "plain"),
            lambda lowest, plain: bool(np.allclose(lowest, plain, rtol=1e-6)),
        ),
    ),
)
