"""Links into the book: served on this machine alone, at an address that lasts, else in words."""

import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest

from grading.learner import links, server
from grading.learner.server import HOST, BookServer
from grading.notebooks import book_links


@pytest.fixture
def html(tmp_path, monkeypatch):
    """A built book, the only one there is."""
    folder = tmp_path / "html"
    (folder / "book").mkdir(parents=True)
    (folder / "index.html").write_text("<title>Book</title>")
    (folder / "book" / "05_attention.html").write_text("<h1>Attention</h1>")
    monkeypatch.setattr(links, "HTML", folder)
    monkeypatch.delenv("COURSE_BOOK")
    for name in links.ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def ports(monkeypatch):
    """Two ports that nobody has."""
    held = [socket.create_server((HOST, 0)) for _ in range(2)]
    numbers = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    monkeypatch.setattr(links, "_ports", lambda: numbers)
    return numbers


@pytest.fixture
def started(monkeypatch):
    """The servers that the test starts; they end with it."""
    processes = []
    monkeypatch.setattr(links, "_started", processes)
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def get(address):
    with urllib.request.urlopen(address, timeout=10) as reply:
        return reply.read().decode()


def test_a_server_is_started_once_and_serves_pages(html, ports, started):
    first = links.chapters()
    assert first == f"http://{HOST}:{ports[0]}/book/"
    assert get(f"{first}05_attention.html") == "<h1>Attention</h1>"
    assert links.chapters() == first and links.lasting() == first
    assert len(started) == 1


def test_two_that_start_at_once_agree(html, ports, started):
    found = []
    threads = [threading.Thread(target=lambda: found.append(links.chapters())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [f"http://{HOST}:{ports[0]}/book/"] * 4


def test_a_port_that_another_program_has_is_passed_over(html, ports, started):
    with BookServer(ports[0], html, "somebody else's") as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        assert links.chapters() == f"http://{HOST}:{ports[1]}/book/"
        other.shutdown()


def test_no_server_is_started_where_none_is_wanted(html, ports, started):
    assert links.chapters(start=False) is None
    assert started == []


def test_without_a_built_book_words_must_do(html, ports, started):
    (html / "index.html").unlink()
    assert links.chapters() is None
    assert links.lasting() == f"http://{HOST}:{ports[0]}/book/"  # it may be built later
    assert started == []


def test_where_the_browser_is_elsewhere_the_public_address_or_words(html, started, monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    assert links.chapters() is None and links.lasting() is None
    monkeypatch.setattr(links, "setting", lambda name: "https://example.org/lm/")
    assert links.chapters() == "https://example.org/lm/book/"


def test_the_port_is_the_same_each_time_and_another_for_each_course(monkeypatch):
    first = links._ports()
    assert first == links._ports() and len(set(first)) == links.TRIES
    assert all(links.FIRST <= port < links.FIRST + links.PORTS for port in first)
    monkeypatch.setattr(links, "_identity", lambda: "somebody another-course")
    assert links._ports() != first


def test_it_listens_to_this_machine_only_and_shows_no_lists(html):
    with BookServer(0, html, "x") as running:
        assert running.server_address[0] == "127.0.0.1"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        root = f"http://{HOST}:{running.server_address[1]}"
        for path in ("/book/", "/book/../../secret", "/nothing.html"):
            with pytest.raises(urllib.error.HTTPError) as error:
                get(root + path)
            assert error.value.code == 404
            error.value.close()
        assert get(root + server.WHO) == "x"
        running.shutdown()


def test_it_ends_when_nobody_asks(html):
    with BookServer(0, html, "x") as running:
        running.end_when_idle(seconds=0.05)
        running.serve_forever(poll_interval=0.01)  # comes back


def test_a_port_in_use_is_told_by_the_exit_status(html):
    with socket.create_server((HOST, 0)) as held:
        port = str(held.getsockname()[1])
        command = [sys.executable, "-m", "grading.learner.server", port, str(html), "x"]
        assert subprocess.run(command, cwd=links.ROOT).returncode == 1


def test_words_name_the_chapter_the_section_and_the_file(tmp_path):
    assert links.words("05_attention.html#attention-causal-mask").endswith("(book/05_attention.md)")
    page = tmp_path / "x.md"
    page.write_text("(top)=\n# The page\n\n(a)=\n(b)=\n\n## Section *one*\n\n(c)=\ntext\n")
    assert links._titles(page, "a") == ("The page", "Section *one*")
    assert links._titles(page, "b") == ("The page", "Section *one*")
    assert links._titles(page, "c") == ("The page", "Section *one*")
    assert links._titles(page, "d") == ("The page", "")
    assert links._titles(tmp_path / "none.md", "a") == ("none", "")


def test_links_of_a_copy_are_those_of_the_release_again():
    text = "[a](../../book/05_attention.md#attention-scale) [b](https://example.org/book.html)"
    copy = book_links.served(text, "http://127.0.0.1:20001/book/")
    assert copy.startswith("[a](http://127.0.0.1:20001/book/05_attention.html#attention-scale) [b]")
    assert book_links.released(copy) == text


def test_every_link_of_the_exercises_has_a_title():
    from grading.course.unit import load_unit, unit_slugs

    for unit in map(load_unit, unit_slugs()):
        chapter = links.ROOT / "book" / f"{unit.slug}.md"
        for exercise in unit.exercises:
            assert links._titles(chapter, exercise.link)[1], exercise.id


def test_settings_that_are_not_there_are_empty():
    assert links.setting("no_such_setting") == ""
