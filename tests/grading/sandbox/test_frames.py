"""Messages through a pipe, from a writer who may be anybody."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grading.sandbox.inside import frames

HEADERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.lists(
    st.tuples(st.sampled_from([b"S", b"E", b"D", b"X"]), HEADERS, st.binary(max_size=50)),
    max_size=6,
)


@given(MESSAGES, st.lists(st.integers(0, 400), max_size=8))
def test_however_the_bytes_are_cut_the_messages_are_the_same(messages, cuts):
    data = b"".join(frames.pack(*message) for message in messages)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    reader, got = frames.Reader(2**20), []
    for start, end in zip(places, places[1:], strict=False):
        got += reader.feed(data[start:end])
    assert got == messages


@given(st.binary(max_size=300))
def test_garbage_is_a_message_or_broken_but_nothing_else(data):
    reader = frames.Reader(200)
    try:
        for kind, _, body in reader.feed(data):
            assert len(kind) == 1 and isinstance(body, bytes)
    except frames.BrokenFrame:
        pass


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (frames.HEAD.pack(b"S", 3, 0) + b"{no", "not JSON"),
        (frames.HEAD.pack(b"S", 2, 0) + b"\xff\xfe", "not JSON"),
        (frames.HEAD.pack(b"S", 4 * 10**9, 0), "impossible size"),
        (frames.HEAD.pack(b"S", 2, 4 * 10**9) + b"{}", "impossible size"),
        (frames.pack(b"S", [[[]]] * 10) + b"x" * 1000, "more than"),
        (frames.HEAD.pack(b"S", 900, 0) + b"[" * 900, "not JSON"),
    ],
)
def test_what_is_no_message_is_refused(data, words):
    with pytest.raises(frames.BrokenFrame, match=words):
        list(frames.Reader(1000).feed(data))


def test_writing_waits_for_a_full_pipe_and_writes_all():
    source, target = os.pipe()
    if os.fork() == 0:
        frames.write(target, b"E", {"name": "x"}, b"y" * 10**6)
        os._exit(0)
    os.close(target)
    reader, got = frames.Reader(2**21), []
    while data := os.read(source, 70000):
        got += reader.feed(data)
    os.close(source)
    os.wait()
    assert got == [(b"E", {"name": "x"}, b"y" * 10**6)]
