"""The recorded sweep keeps what chapter 10 says of it."""

import pytest

from reference_impl.scaling_laws import recorded


def test_the_recorded_sweep_is_what_the_chapter_says():
    sweep, larger = recorded.recorded_sweep(), recorded.recorded_larger_run()
    assert len(sweep) >= 20 and {run.seed for run in sweep} == {0, 1}
    budgets = sorted({run.budget for run in sweep})
    assert budgets[-1] / budgets[0] >= 99.9 and larger[0].budget > budgets[-1]
    for run in sweep + larger:
        assert run.n_tokens * run.n_parameters * 6 == pytest.approx(run.budget, rel=0.02)
        assert 1 < run.loss < 4 and run.n_rates >= 2
    ratios = [run.n_tokens / run.n_parameters for run in sweep]
    assert max(ratios) > 20 * min(ratios)


def test_the_lowest_of_each_budget():
    sweep = recorded.recorded_sweep()
    best = recorded.lowest_of_each(reversed(sweep))
    assert [run.budget for run in best] == sorted({run.budget for run in sweep})
    for run in sweep:
        [lowest] = [b for b in best if b.budget == run.budget]
        assert lowest.loss <= run.loss
