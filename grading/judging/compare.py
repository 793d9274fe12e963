"""Where two answers differ first, in words a learner can act on."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

# One of an axis, for places such as [batch 0, head 2]
ONE = {"heads": "head", "kv_heads": "KV head", "n_layers": "layer", "seq": "position"}
ONE |= {"q_seq": "query", "kv_seq": "key"}
LOW_PRECISION = {"float16": 2e-3, "bfloat16": 2e-2}


@dataclass(frozen=True)
class Tolerance:
    """A float is right if |yours - expected| <= atol + rtol * |expected|."""

    rtol: float
    atol: float


def same_error(expected: dict, got: dict) -> bool:
    """Whether two errors say the same, numbers aside."""

    def gist(error: dict) -> tuple[str, str]:
        return error["type"], re.sub(r"[\d.\[\], ()-]+", "#", error["message"])[:60]

    return gist(expected) == gist(got)


def differ(expected: dict, got: dict, tolerance: Tolerance, axes: str = "") -> str | None:
    """The first difference between two encoded values (`kernel.encode`); None if there is none."""
    expected, got = _as_number(expected, got), _as_number(got, expected)
    if expected["kind"] != got["kind"]:
        return _wrong_kind(expected, got)
    match expected["kind"]:
        case "tensor" | "ndarray":
            return _differ_arrays(expected, got, tolerance, axes)
        case "list":
            return _differ_lists(expected["items"], got["items"], tolerance, axes)
        case "dict":
            return _differ_dicts(expected["items"], got["items"], tolerance, axes)
        case "json":
            return _differ_json(expected["value"], got["value"], tolerance)
    return f"it returned a {got['type']}, which is not expected here."


def _as_number(value: dict, other: dict) -> dict:
    """A tensor without axes, where the other side is a plain number, counts as that number."""
    if value["kind"] in ("tensor", "ndarray") and other["kind"] == "json":
        if value["value"].ndim == 0:
            return {"kind": "json", "value": value["value"].item()}
    return value


def describe(value: dict) -> str:
    """ "a float32 tensor of shape (2, 3)", "None", "the number 3"."""
    match value["kind"]:
        case "tensor":
            return f"a {value['dtype']} tensor of shape {tuple(value['value'].shape)}"
        case "ndarray":
            return f"a {value['dtype']} numpy array of shape {tuple(value['value'].shape)}"
        case "json" if value["value"] is None:
            return "None"
        case "json":
            return f"`{value['value']!r}`"
        case "list":
            return f"a list or tuple of {len(value['items'])}"
        case "dict":
            return f"a dict with {', '.join(value['items']) or 'no keys'}"
    return f"a {value['type']}"


def _wrong_kind(expected: dict, got: dict) -> str:
    hint = ""
    if got == {"kind": "json", "value": None}:
        hint = " Is a `return` missing?"
    elif got["kind"] == "ndarray" and expected["kind"] == "tensor":
        hint = " Keep to torch, or end with `torch.from_numpy`."
    return f"it returned {describe(got)}, expected {describe(expected)}.{hint}"


def _differ_lists(expected: list, got: list, tolerance: Tolerance, axes: str) -> str | None:
    if len(expected) != len(got):
        return f"it returned {len(got)} values, expected {len(expected)}."
    for index, (want, have) in enumerate(zip(expected, got, strict=True)):
        if text := differ(want, have, tolerance, axes):
            return f"in value {index} of those returned, {text}"
    return None


def _differ_dicts(expected: dict, got: dict, tolerance: Tolerance, axes: str) -> str | None:
    if sorted(expected) != sorted(got):
        return f"it returned {', '.join(got) or 'nothing'}, expected {', '.join(expected)}."
    for name, want in expected.items():
        if text := differ(want, got[name], tolerance, axes):
            return f"for `{name}`, {text}"
    return None


def _differ_json(expected: Any, got: Any, tolerance: Tolerance) -> str | None:
    numbers = all(type(v) in (int, float) for v in (expected, got))
    if numbers:
        close = np.isclose(got, expected, rtol=tolerance.rtol, atol=tolerance.atol, equal_nan=True)
        right = bool(close) if float in (type(expected), type(got)) else expected == got
    else:
        right = type(expected) is type(got) and expected == got
    return None if right else f"it returned `{got!r}`, expected `{expected!r}`."


def _differ_arrays(expected: dict, got: dict, tolerance: Tolerance, axes: str) -> str | None:
    want, have = np.asarray(expected["value"]), np.asarray(got["value"])
    if want.shape != have.shape:
        words = f" ({axes})" if axes else ""
        return f"the shape is {have.shape}, expected {want.shape}{words}."
    if want.dtype.kind == "b" or have.dtype.kind == "b" or want.dtype.kind != have.dtype.kind:
        if want.dtype.kind != have.dtype.kind:
            return f"the dtype is {got['dtype']}, expected {expected['dtype']}."
        wrong = want != have
    elif want.dtype.kind in "iu":
        wrong = want != have
    else:
        wrong = ~np.isclose(have, want, rtol=tolerance.rtol, atol=tolerance.atol, equal_nan=True)
    if not wrong.any():
        return None
    return _low_precision(want, have, expected, got) or _first_wrong(want, have, wrong, axes)


def _low_precision(want: np.ndarray, have: np.ndarray, expected: dict, got: dict) -> str | None:
    loose = LOW_PRECISION.get(got["dtype"])
    if loose is None or got["dtype"] == expected["dtype"]:
        return None
    if not np.allclose(have, want, rtol=loose, atol=loose, equal_nan=True):
        return None
    return (
        f"the values are right, but only to the precision of {got['dtype']}: "
        f"return {expected['dtype']}."
    )


def _first_wrong(want: np.ndarray, have: np.ndarray, wrong: np.ndarray, axes: str) -> str:
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    words = [ONE.get(word, word) for word in axes.split()]
    words = words if len(words) == want.ndim else [""] * want.ndim
    place = ", ".join(f"{word} {i}".strip() for word, i in zip(words, index, strict=True))
    text = f"first at [{place}]: yours is `{_show(have[index])}`, expected `{_show(want[index])}`"
    return f"{text}. {int(wrong.sum())} of {wrong.size} values differ."


def _show(value: Any) -> str:
    return f"{value:.5g}" if np.asarray(value).dtype.kind in "fc" else str(value)
