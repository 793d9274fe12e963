"""Unit 10: answers that are written out equal the reference; a question has one right choice."""

import math

import numpy as np
import pytest

from grading.course.sources import solution_of
from grading.course.unit import load_exercise
from grading.judging.judge import judge
from grading.judging.trial import trial
from grading.units.scaling_laws import best_size, unfinished_run
from reference_impl.decoder.config import SMOLLM2_135M, ModelConfig
from reference_impl.scaling_laws import accounting, fits, scaling


def answer(topic):
    return solution_of(load_exercise(f"scaling_laws/{topic}"))


def test_the_rule_and_its_unit_are_the_reference():
    flops = scaling.training_flops(3e9, 7e10)
    assert math.isclose(
        answer("petaflop_s_days")(3e9, 7e10), scaling.petaflop_s_days(flops), rel_tol=1e-12
    )


def test_the_count_is_the_reference_over_whole_windows():
    for config in (SMOLLM2_135M, ModelConfig(11, 7, 12, 3, 3, 1, 10, 17)):
        window = config.context_length
        counted = answer("count_flops")(config, 5 * window)
        assert counted == accounting.training_flops(config, 5, window)


def test_fits_and_optimum_are_the_reference():
    rng = np.random.default_rng(0)
    x = np.geomspace(1e9, 1e12, 9)
    y = 20 * x**-0.1 * rng.lognormal(sigma=0.02, size=9)
    law = fits.fit_power_law(x, y)
    assert answer("fit_power_law")(x, y) == pytest.approx((law.coefficient, law.exponent))
    known = scaling.BESIROGLU
    coefficients = (known.E, known.A, known.B, known.alpha, known.beta)
    assert answer("best_split")(coefficients, 1e21) == pytest.approx(known.optimum(1e21))
    n, d, losses = x / 100, 20 * x / 100, y
    logs = np.array([*np.log(coefficients[:3]), known.alpha, known.beta])
    wanted, _ = scaling.huber_and_slope(logs, np.log(n), np.log(d), np.log(losses), 1e-3)
    assert answer("fit_error")(coefficients, n, d, losses) == pytest.approx(wanted)


def test_the_interval_holds_a_new_point_as_often_as_it_says():
    """t = 2.571 is for 95% with seven points; 400 draws have a spread of 1.1%."""
    rng = np.random.default_rng(1)
    x, new_x = np.geomspace(1e9, 1e11, 7), 1e12
    held = 0
    for _ in range(400):
        y = 20 * x**-0.1 * rng.lognormal(sigma=0.05, size=7)
        low, _, high = answer("predict_interval")(x, y, new_x, 2.571)
        held += low < 20 * new_x**-0.1 * rng.lognormal(sigma=0.05) < high
    assert 0.91 < held / 400 < 0.99


def test_no_two_choices_of_a_question_are_the_same():
    for seed in range(20):
        question = unfinished_run.draw(np.random.default_rng(seed))
        assert len({question.right, *question.wrong.values()}) == 1 + len(question.wrong)
        question = best_size.draw(np.random.default_rng(seed))
        assert all(abs(x / question.right - 1) > 0.02 for x in question.wrong.values())


def test_the_unfinished_run_lies_above_the_others():
    """ln L as a plane over ln N and ln D through eight of the nine runs: the ninth is far off."""
    for seed in range(30):
        question = unfinished_run.draw(np.random.default_rng(seed))
        rows = [line.replace(",", "").split() for line in question.shown["table"].splitlines()[1:]]
        n, d, loss = np.log(np.array([row[1:] for row in rows], dtype=float)).T
        columns = np.column_stack([np.ones(len(n)), n, d, d**2])
        above = []
        for i in range(len(n)):
            rest = np.arange(len(n)) != i
            plane, *_ = np.linalg.lstsq(columns[rest], loss[rest], rcond=None)
            errors = columns[rest] @ plane - loss[rest]
            above.append((errors**2).sum())
        assert rows[int(np.argmin(above))][0] == question.right


def test_a_run_that_is_said_to_fit_is_not_of_the_odd_ones_size():
    fits = {"many-tokens-per-parameter", "large-model", unfinished_run.FITS}
    for seed in range(30):
        question = unfinished_run.draw(np.random.default_rng(seed))
        lines = [line.split() for line in question.shown["table"].splitlines()[1:]]
        size = {line[0]: line[1] for line in lines}
        said = [*question.wrong.items()]
        said += [(name, letter) for name, more in question.also.items() for letter in more]
        assert sorted(letter for _, letter in said) == sorted(set(size) - {question.right})
        of_its_size = {name for name, letter in said if size[letter] == size[question.right]}
        assert unfinished_run.BESIDE in of_its_size
        assert not of_its_size & fits


def test_a_wrong_fit_keeps_the_point_for_what_it_refuses():
    exercise = load_exercise("scaling_laws/fit_power_law")
    right = solution_of(exercise)

    def higher(x, y):
        k, a = right(x, y)
        return 1.1 * k, a

    assert judge(exercise, 1, trial(exercise, 1).run(higher)).score == 1
