"""The premium, and the declaration that it is measured on."""

import gzip
import json

import numpy as np
import pytest

from reference_impl.tokenization.declaration import load_declaration
from reference_impl.tokenization.premium import premium
from reference_impl.tokenization.update_samples import SAMPLES, read_declaration

PAGE = """<html data-code="xyz_1" lang="xy"><head><title>Xyz, Old (1)</title></head><body>
<article data-number="1"><h2>Article 1</h2><p>One &amp; <em>two</em>.</p>\n<p>Three.</p></article>
<article data-number="2"><h2>Article 2</h2><p>Four.</p></article></body></html>"""


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """200 samples of 30 texts each from one population whose premium is known."""
    rng = np.random.default_rng(0)
    base = rng.integers(20, 200, size=5000)
    dear = (base * rng.uniform(1, 5, size=5000)).astype(int)
    truth, held = dear.sum() / base.sum(), 0
    for _ in range(200):
        texts = rng.integers(0, 5000, size=30)
        resamples = rng.integers(0, 30, size=(300, 30))
        _, low, high = premium(dear[texts], base[texts], resamples)
        held += low <= truth <= high
    # 95% are promised; five standard errors of a share of 200 are 0.08, and the percentile
    # interval is known to be a little short in samples of this size
    assert 0.85 <= held / 200 <= 1.0


def test_equal_texts_have_no_spread():
    counts = np.array([3, 9, 27])
    np.testing.assert_allclose(premium(2 * counts, counts, np.array([[0, 0, 1], [2, 1, 0]])), 2)


def test_a_page_of_the_package():
    articles = ["One & two . Three.", "Four."]
    assert read_declaration(PAGE) == {"code": "xyz_1", "name": "Xyz", "articles": articles}


def test_the_shipped_declaration_is_the_published_one(shared_data):
    published = {
        row["code"]: row["articles"]
        for row in json.loads((shared_data / "udhr.json").read_text("utf-8"))
    }
    shipped = json.loads(gzip.decompress((SAMPLES / "udhr.json.gz").read_bytes()))
    assert all(row["articles"] == published[row["code"]] for row in shipped)
    assert len(shipped) >= 30


def test_every_language_has_every_article():
    for name, articles in load_declaration().items():
        assert len(articles) == 30 and all(articles), name
    with pytest.raises(KeyError):
        load_declaration()["Klingon"]
