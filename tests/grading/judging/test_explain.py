"""What the judge says of answers that nobody foresaw: true of them, and of them alone."""

import numpy as np
import pytest
import torch

from grading.course.unit import load_exercise, load_unit, unit_slugs
from grading.judging.evidence import value_of
from grading.judging.explaining import containers
from grading.judging.explaining.pairs import View
from grading.judging.judge import judge
from grading.judging.trial import trial
from grading.kernel import encode

ATTEND, LAYER, SPLIT = (
    f"attention/{topic}" for topic in ("scaled_dot_product", "attention_layer", "split_heads")
)
MASK, MAP, WEIGHTS = (
    f"attention/{topic}" for topic in ("causal_mask", "read_map", "attention_weights")
)

COUNT, NEXT, EVALUATE = (
    f"text_before_transformers/{topic}"
    for topic in ("count_ngrams", "next_probabilities", "evaluate_ngram")
)
PATCHES, KMERS = (f"embeddings_and_positions/{topic}" for topic in ("image_to_patches", "kmer_ids"))

EXERCISES = [exercise for slug in unit_slugs() for exercise in load_unit(slug).exercises]


def said_of(name, answer, seed=1):
    exercise = load_exercise(name)
    return judge(exercise, seed, trial(exercise, seed).run(answer))


def right(name):
    return trial(load_exercise(name), 1).solution()


def then(name, change):
    """The right answer with something done to its result."""
    answer = right(name)
    return lambda *inputs: change(answer(*inputs))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (ATTEND, torch.neg, "the wrong sign"),
        (ATTEND, lambda x: 3 * x, "times 3."),
        (ATTEND, lambda x: x + 0.25, "plus 0.25."),
        (ATTEND, lambda x: x * x.shape[-1] ** 0.5, "times the square root of `head_dim`"),
        (ATTEND, lambda x: x.flip(-2), "q_seq runs backwards"),
        (ATTEND, lambda x: x.roll(1, -1), "moved one place on along head_dim"),
        (ATTEND, lambda x: x.mT, "q_seq and head_dim have changed places"),
        (ATTEND, lambda x: x.cumsum(-1), "running sums of the right ones along head_dim"),
        (ATTEND, torch.square, "their squares"),
        (ATTEND, lambda x: x.round(decimals=2), "rounded to 2 decimals"),
        (ATTEND, lambda x: x / x.norm(dim=-1, keepdim=True), "their length over head_dim"),
        (ATTEND, torch.Tensor.double, "float64, and float32 is wanted"),
        (ATTEND, torch.Tensor.numpy, "as a NumPy array, and a tensor is wanted"),
        (ATTEND, lambda x: x[..., :-1], "1 is missing at the end of head_dim"),
        (ATTEND, lambda x: x[..., 0, :], "the first along q_seq alone"),
        (ATTEND, lambda x: x.sum(-1), "the sums of the right ones over head_dim"),
        (ATTEND, lambda x: torch.full_like(x, 3), "3 everywhere"),
        (ATTEND, lambda x: x[..., :1].expand_as(x), "the same all along head_dim"),
        (SPLIT, lambda x: x.permute(2, 0, 1, 3), "yours are seq, batch, heads, head_dim"),
        (MASK, lambda x: x.flip(1), "kv_seq runs backwards"),
        (MAP, lambda x: x / 2, "times 0.5"),
        (MAP, lambda x: x.T, "n_layers and heads have changed places"),
    ],
)
def test_what_was_done_to_the_right_result_is_told(name, change, words):
    said = said_of(name, then(name, change))
    assert words in said.message
    assert said.cause == "explained"
    assert len(said.message.split()) <= 45


def test_the_scale_of_scores_is_told_from_the_shares():
    weights = right(WEIGHTS)
    said = said_of(WEIGHTS, lambda q, k, mask=None: weights(3 * q, k, mask))
    assert "multiplied by 3." in said.message


def test_the_cases_that_are_right_are_told_by_what_they_share():
    def only_masked(q, k, v, mask=None):
        return right(ATTEND)(q, v, k, mask) if mask is None else right(ATTEND)(q, k, v, mask)

    said = said_of(ATTEND, only_masked)
    assert "right on cases with `mask`, and wrong on all 4 cases without `mask`" in said.message


def test_an_error_names_the_sizes_that_met():
    said = said_of(WEIGHTS, lambda q, k, mask=None: q @ k)
    assert "11 (head_dim) against 7 (kv_seq)" in said.message
    assert "q @ k" in said.message
    assert said.status == "error"


def test_another_error_than_the_promised_one_is_told_with_the_one_that_is_wanted():
    def asserts(image, size):
        if image.shape[0] % size or image.shape[1] % size:
            raise AssertionError  # what `assert` does, without words
        return right(PATCHES)(image, size)

    said = said_of(PATCHES, asserts)
    assert "a ValueError is wanted and an AssertionError comes" in said.message
    assert "(7 by 6, size 3), it raised AssertionError at `raise" in said.details[0]


def test_an_error_that_does_not_come_is_told_where_all_else_is_right():
    def hands_back(image, size):
        fits = image.shape[0] % size == image.shape[1] % size == 0
        return right(PATCHES)(image, size) if fits else image

    said = said_of(PATCHES, hands_back)
    assert "Every value that should come back is right. On " in said.message
    assert "a ValueError should be raised instead, and was not" in said.message
    assert said.cause == "explained"


def test_several_inputs_that_were_changed_are_named_together():
    def changes(q, k, v, mask=None):
        out = right(ATTEND)(q, k, v, mask)
        q += 1
        k += 1
        return out

    assert "the inputs `k` and `q` were changed in place" in said_of(ATTEND, changes).message


def test_where_an_error_comes_is_named_before_where_it_does_not():
    def wants_a_word(dna, k):
        if len(dna) < k:
            raise IndexError("no word")
        return right(KMERS)(dna, k)

    said = said_of(KMERS, wants_a_word)
    told = "on all 2 cases where the length of `dna` is at most 2, and on none where it is 3"
    assert told in said.message


def test_a_value_of_an_unknown_type_is_not_called_random():
    said = said_of(ATTEND, lambda *inputs: object())
    assert "another result" not in said.message


def test_a_function_that_was_not_called_is_told():
    said = said_of(ATTEND, lambda q, k, v, mask=None: v.sum)
    assert "the brackets of a call are missing" in said.message


def test_a_random_answer_is_told_so_before_any_property():
    said = said_of(ATTEND, lambda q, k, v, mask=None: torch.randn_like(q))
    assert "The same inputs gave another result" in said.message


def test_an_input_changed_in_place_is_told_beside_another_reason():
    def changes(q, k, v, mask=None):
        q += 1
        return -right(ATTEND)(q - 1, k, v, mask)

    said = said_of(ATTEND, changes)
    assert "wrong sign" in said.message
    assert any("`q` was changed in place" in text for text in said.details)


def test_values_right_and_an_input_changed():
    def changes(q, k, v, mask=None):
        result = right(ATTEND)(q, k, v, mask)
        v.zero_()
        return result

    assert "the input `v` was changed in place" in said_of(ATTEND, changes).message


@pytest.mark.parametrize(
    "exercise",
    [e for e in load_unit("attention").exercises if not e.is_decision],
    ids=lambda e: e.id,
)
def test_nothing_is_said_of_random_values(exercise):
    """Numbers that have nothing to do with the right ones; the same at each call."""
    answer = trial(exercise, 1).solution()
    for number in range(2):

        def wrong(*inputs, number=number):
            made = answer(*inputs)
            rng = np.random.default_rng([number, *made.shape])
            values = torch.from_numpy(rng.standard_normal(made.shape))
            return values > 0 if made.dtype == torch.bool else values.to(made.dtype)

        said = said_of(exercise.id, wrong)
        assert said.cause in ("difference", "property"), said.message


ODD = [
    torch.full((2, 3), float("inf")),
    torch.zeros(0),
    torch.zeros(2, 0, 3),
    torch.tensor(1.0),
    torch.tensor([1 + 2j]),
    torch.arange(3),
    np.array(["a"]),
    10**400,
    [1, [2.0, "x"]],
    [10**300, 1],
    {"a": [torch.ones(2), None], 3: {4}},
    (),
    "",
    iter(range(3)),
]


@pytest.mark.parametrize("n", range(len(EXERCISES)), ids=[e.id for e in EXERCISES])
def test_no_value_makes_looking_for_a_reason_fail(n):
    """A fault in it is a warning, and here warnings are errors. Each exercise gets one value."""
    exercise = EXERCISES[n]
    if exercise.is_decision or exercise.seconds > 20:
        return  # its answers are no functions, or run for minutes
    value = ODD[n % len(ODD)]
    assert judge(exercise, 1, trial(exercise, 1).run(lambda *i, **m: value)).message


def test_which_of_two_numbers_is_right_is_told_without_axes():
    def cost_wrong(*inputs):
        nats, unseen = right(EVALUATE)(*inputs)
        return nats + nats**2, unseen

    said = said_of(EVALUATE, cost_wrong)
    assert "of what comes back only the last item is right" in said.message.lower()


def test_an_error_that_is_promised_elsewhere_is_told_with_its_case():
    def refuses(token_ids, context, vocab_size, k):
        if len(context) == 2:
            raise ValueError("not two")
        return right(NEXT)(token_ids, context, vocab_size, k)

    said = said_of(NEXT, refuses)
    assert "ValueError also where a result is wanted, first on a context of two" in said.message


def test_a_key_that_holds_something_strange_is_told():
    def with_an_end(token_ids, n):
        counts = right(COUNT)(token_ids, n)
        return counts | {("</s>",) * n: 1} if n > 1 else counts

    assert "'</s>'" in said_of(COUNT, with_an_end).message


# --- containers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("want", "have", "key"),
    [
        ({"a": 1, "b": 2}, {}, "empty"),
        ({"a": 1, "b": 2}, {"a": 1, "b": 1}, "values low"),
        ({"a": 1, "b": 2}, {"a": 3, "b": 2}, "values high"),
        ({"a": 1, "b": 2}, {"a": 1}, "keys missing"),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}, "keys extra"),
        ({"a": 2, "b": 2}, {"a": 1}, "less"),
        ({(1, 2): 1}, {(1,): 1}, "keys shorter"),
        ({(1, 2): 1}, {(1,): 1, (1, 2, 3): 1}, "keys uneven"),
        ({"a": {1, 2}, "b": {3}}, {"a": {1}, "b": {3}}, "held less"),
        ({"a": {1, 2}}, {"a": {1, 2}, "b": {3}}, "held more"),
        (["a", "b", "b"], ["a", "b"], "items missing"),
        (["a", "b"], ["a", "b", "b"], "items repeated"),
        (["a", "b"], ["a", "c", "b"], "items extra"),
    ],
)
def test_what_holds_of_collections(want, have, key):
    found = list(containers._relations(*(value_of(encode(x, [999])) for x in (want, have))))
    assert key in found
    other = list(containers._relations(*(value_of(encode(x, [999])) for x in (want, {"z": 9}))))
    assert key not in other


MERGE = "tokenization/apply_merge"


def spoilt(change):
    """The right step, and then a fault in the books."""
    answer = right(MERGE)

    def step(words, word_counts, pair_counts, words_with, pair):
        answer(words, word_counts, pair_counts, words_with, pair)
        change(pair_counts, words_with)

    return step


def entries_told(change):
    """What `entries` says; the whole judge would look for two mistakes at once beside it."""
    at = trial(load_exercise(MERGE), 1)
    got = at.parsed(spoilt(change))
    return containers.entries(View(at, got, at.differences(got)))[1]


def test_the_wrong_entry_of_named_results_is_told():
    """The right ones are not, though their sets and dicts may come in another order."""
    found = entries_told(lambda counts, holders: holders.update({(b"?", b"!"): {0}}))
    assert found.startswith("Of what comes back only `words with` is wrong: ")
    assert "keys too many" in found

    def both(counts, holders):
        counts[b"?", b"!"] = 5
        holders[b"?", b"!"] = {0}

    told = "Of what comes back only `pair counts` and `words with` are wrong."
    assert entries_told(both) == told


def test_one_too_small_is_less_and_not_plus_minus():
    said = said_of(
        "convolutions/output_size", lambda *a, **k: right("convolutions/output_size")(*a, **k) - 1
    )
    assert "plus -" not in said.message
    wrong = then(ATTEND, lambda result: result - 3.0)
    assert "the right ones less 3" in said_of(ATTEND, wrong).message
