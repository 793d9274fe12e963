"""Unit 5: its own answers against the reference model, its tolerances, its demonstrations."""

import doctest
import re

import jupytext
import matplotlib
import numpy as np
import pytest
import torch
from beartype import beartype
from jaxtyping import jaxtyped

from grading.course.sources import solution_of
from grading.course.unit import load_unit
from grading.judging.judge import judge, trial
from reference_impl.decoder.attention import Attention, causal_mask
from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder, attention_maps

UNIT = load_unit("attention")
TINY = ModelConfig(
    vocab_size=97,
    context_length=64,
    d_model=14,
    n_layers=2,
    n_heads=9,
    n_kv_heads=3,
    head_dim=2,
    d_ff=11,
)


def answer(topic):
    return solution_of(UNIT.by_id[f"attention/{topic}"])


def said_of(topic, function, seed=1):
    exercise = UNIT.by_id[f"attention/{topic}"]
    return judge(exercise, seed, trial(exercise, seed).run(function))


# --- the answers that are written out in the notebook --------------------------------------------


def test_attention_layer_is_the_reference_where_nothing_turns():
    torch.manual_seed(0)
    layer, x = Attention(TINY), torch.randn(3, 5, 14)
    angles = torch.zeros(5, TINY.head_dim // 2)
    weights = [getattr(layer, f"{name}_proj").weight for name in "qkvo"]
    ours = answer("attention_layer")(x, *weights, 9, 3, causal_mask(5))
    torch.testing.assert_close(ours, layer(x, angles))


def test_read_map_on_the_maps_of_a_decoder():
    torch.manual_seed(0)
    maps = attention_maps(Decoder(TINY), torch.randint(97, (1, 11)))[:, 0].detach()
    shares = answer("read_map")(maps, [6, 7], [2, 3])
    row = maps[1, 4, 7].tolist()
    assert row[0] < 0.9
    assert shares[1, 4].item() == pytest.approx((row[2] + row[3]) / sum(row[1:]))
    # over all words that position 7 sees, the shares add up to everything but the sink
    every = sum(answer("read_map")(maps, [7], [j]) for j in range(1, 8))
    torch.testing.assert_close(every, (maps[:, :, 7, 0] <= 0.9).float())


@pytest.mark.parametrize("topic", ["attention_layer", "read_map"])
def test_signatures_hold_and_examples_are_true(topic):
    exercise, function = UNIT.by_id[f"attention/{topic}"], answer(topic)
    checked = jaxtyped(typechecker=beartype)(function)
    for case in exercise.draw(1):
        inputs = case.inputs.values()
        checked(*(torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in inputs))
    names = {**function.__globals__, "torch": torch}
    [example] = doctest.DocTestFinder(recurse=False).find(function, topic, globs=names)
    assert example.examples
    assert doctest.DocTestRunner(verbose=False).run(example).failed == 0


# --- the question -------------------------------------------------------------------------------


def signs_of(weights, yours) -> list[bool]:
    """For each fault in order, whether a map shows it: the reasoning of the hints."""
    rows, columns = weights.sum(axis=1), weights.sum(axis=0)
    above, below = np.triu(weights, 1), np.tril(weights, -1)
    in_rows, in_columns = np.allclose(rows, 1, atol=5e-3), np.allclose(columns, 1, atol=5e-3)
    sound = in_rows and not above.any()
    return [
        above[0, 2:].sum() > 0.01 and below.sum() > 0.01,
        in_columns,
        sound and weights.max(axis=1).sum() > yours.max(axis=1).sum() + 0.1,
        not in_rows and not in_columns and not above.any(),
        above.any() and not np.triu(weights, 2).any(),
        above.any() and not below.any(),
    ]


@pytest.mark.parametrize("seed", range(8))
def test_the_faults_can_be_told_from_the_maps(seed):
    shown = UNIT.by_id["attention/tell_maps"].question(seed).shown
    q, k = torch.from_numpy(shown["q"]), torch.from_numpy(shown["k"])
    yours = answer("attention_weights")(q, k, causal_mask(5)).numpy()
    assert not any(signs_of(yours, yours))
    found = {letter: signs_of(weights, yours) for letter, weights in shown["maps"].items()}
    assert all(sum(signs) == 1 for signs in found.values())
    told = sorted(found, key=lambda letter: found[letter].index(True))
    assert "".join(told) == UNIT.by_id["attention/tell_maps"].question(seed).right


def test_the_maps_are_those_of_the_faults():
    """Each written out once more, from the scores."""
    question = UNIT.by_id["attention/tell_maps"].question(3)
    q, k, maps = (question.shown[name] for name in ("q", "k", "maps"))
    may = np.tril(np.ones((5, 5)))
    sharp = np.exp(answer("scores")(torch.from_numpy(q), torch.from_numpy(k)).double().numpy())
    grown = sharp ** (1 / 3)  # exp of the scores divided by the root of 9

    def shares(numbers, axis=1):
        return numbers / numbers.sum(axis=axis, keepdims=True)

    written = [
        shares(grown),
        shares(grown * may, axis=0),
        shares(sharp * may),
        shares(grown) * may,
        shares(grown * np.tril(np.ones((5, 5)), 1)),
        shares(grown * may.T),
    ]
    for letter, weights in zip(question.right, written, strict=True):
        np.testing.assert_allclose(maps[letter], weights, atol=6e-4)


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_the_letters_is_told_what_is_mixed_up(seed):
    question = UNIT.by_id["attention/tell_maps"].question(seed)
    show_the_future = {i: np.triu(question.shown["maps"][i], 1).any() for i in "ABCDEF"}
    rng = np.random.default_rng(seed)
    orders = {"".join(rng.permutation(list("ABCDEF"))) for _ in range(12)} - {question.right}
    for order in orders:
        said = said_of("tell_maps", lambda order=order: order, seed)
        assert said.misconception
        crossed = any(show_the_future[letter] for letter in order[1:4])
        if said.misconception in ("halves-mixed", "both-halves-mixed"):
            assert crossed == (said.misconception == "halves-mixed")


def test_two_pairs_that_have_changed_places_and_a_letter_twice():
    right = UNIT.by_id["attention/tell_maps"].question(1).right
    no_mask, over_queries, no_scale, after, ahead, turned = right
    pairs = turned + after + no_scale + over_queries + ahead + no_mask
    assert said_of("tell_maps", lambda: pairs).misconception == "both-halves-mixed"
    twice = right[:-1] + no_mask
    assert said_of("tell_maps", lambda: twice).misconception == "letter-twice"


# --- points -------------------------------------------------------------------------------------


def test_what_is_wrong_without_a_mask_leaves_the_point_for_the_mask():
    def causal_by_default(x, q_proj, k_proj, v_proj, o_proj, n_heads, n_kv_heads, mask=None):
        mask = causal_mask(x.shape[1]) if mask is None else mask
        weights = q_proj, k_proj, v_proj, o_proj
        return answer("attention_layer")(x, *weights, n_heads, n_kv_heads, mask)

    said = said_of("attention_layer", causal_by_default)
    assert (said.score, said.misconception) == (1, "causal-where-no-mask")
    assert "Right: with a mask (1)." in said.details


# --- wording ------------------------------------------------------------------------------------


def test_another_wording_of_an_error_is_named_all_the_same():
    def with_einsum(x, q_proj, k_proj, v_proj, o_proj, n_heads, n_kv_heads, mask=None):
        def turn(y, weight):
            return torch.einsum("bsi,io->bso", y, weight)

        split, merge = answer("split_heads"), answer("merge_heads")
        q, k, v = turn(x, q_proj), turn(x, k_proj), turn(x, v_proj)
        heads = split(q, n_heads), split(k, n_kv_heads), split(v, n_kv_heads)
        return turn(merge(answer("grouped_query")(*heads, mask)), o_proj)

    assert said_of("attention_layer", with_einsum).misconception == "all-projections-transposed"


def test_an_error_in_every_case_is_not_two_misunderstandings():
    def times(q, k, v, mask=None):
        return answer("attention_weights")(q, k, mask) * v  # shapes never fit

    said = said_of("scaled_dot_product", times)
    assert (said.status, said.misconception) == ("error", None)


def test_an_error_of_torch_is_not_taken_for_an_untouched_stub():
    def float_and(lengths, kv_seq):
        mask = (torch.arange(kv_seq) < lengths[:, None]).float()
        return mask & mask  # torch: NotImplementedError, with a message

    said = said_of("padding_mask", float_and)
    assert said.status == "error"
    assert "NotImplementedError" in said.message


def test_a_mistake_made_earlier_is_named_where_it_shows():
    def without_scale(q, k, v, mask=None):
        return answer("attention_weights")(q * q.shape[-1] ** 0.5, k, mask) @ v

    said = said_of("scaled_dot_product", without_scale)
    assert said.misconception == "no-scale"
    assert "`attention_weights`" in said.message


@pytest.mark.parametrize("topic", ["attention_weights", "scaled_dot_product", "attention_layer"])
def test_torch_does_not_do_the_exercise(topic):
    exercise = UNIT.by_id[f"attention/{topic}"]

    def borrowed(q, k, *more):
        return torch.nn.functional.scaled_dot_product_attention(q, k, k)

    def built(x, *more):
        return torch.nn.MultiheadAttention(4, 1)(*[torch.zeros(2, 4)] * 3)

    for function in (borrowed, built):
        assert judge(exercise, 1, trial(exercise, 1).run(function)).status == "refused"


# --- the notebook --------------------------------------------------------------------------------


class Words:
    """A tokenizer with a token for each word."""

    known: list[str] = []

    def encode(self, text):
        pieces = re.findall(r"\s?[\w,]+", text)
        self.known += [piece for piece in pieces if piece not in self.known]
        return [self.known.index(piece) for piece in pieces]

    def decode(self, ids):
        return "".join(self.known[i] for i in ids)


def run_demonstrations(monkeypatch, answers):
    """Run the notebook from top to bottom, with these answers, on a tiny model."""
    torch.manual_seed(0)
    monkeypatch.setattr(
        "reference_impl.published.weights.load_smollm2", lambda: (Decoder(TINY), Words())
    )
    matplotlib.use("agg")
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: None)
    monkeypatch.setattr("torch.set_printoptions", lambda **options: None)
    namespace = {}
    for cell in jupytext.read(UNIT.source, fmt="py:percent").cells:
        if "exercise" in cell.metadata:
            exercise = UNIT.by_id[cell.metadata["exercise"]]
            namespace[exercise.callable] = answers(exercise)
        elif cell.cell_type == "code":
            exec(compile(cell.source, f"<{UNIT.slug}>", "exec"), namespace)
    matplotlib.pyplot.close("all")


def test_demonstrations_run_on_right_answers(monkeypatch, capsys):
    run_demonstrations(monkeypatch, solution_of)
    shown = capsys.readouterr().out
    assert "waits for your code" not in shown and "demonstration stops" not in shown
    assert "KV head of query heads 0 to 8: [0, 0, 0, 1, 1, 1, 2, 2, 2]" in shown
    assert "your mask ['0.000', '0.000', '0.000', '0.000', " in shown
    assert "the same: True" in shown
    [difference] = re.findall(r"largest difference: ([\d.]+)", shown)
    assert float(difference) < 1e-5


def test_demonstrations_fail_kindly_before_an_exercise_is_solved(monkeypatch, capsys):
    def stub(*inputs, **more):
        raise NotImplementedError()

    run_demonstrations(monkeypatch, lambda exercise: stub)
    shown = capsys.readouterr().out
    cells = jupytext.read(UNIT.source, fmt="py:percent").cells
    demonstrations = [cell for cell in cells if "demo" in cell.metadata.get("tags", [])]
    others = 3  # one shows broken maps, one loads the model, the last one says how far one is
    assert shown.count("still waits for your code") == len(demonstrations) - others
    assert "demonstration stops" not in shown
