"""The repository keeps its own promises: README, locks, tools and imports agree with each other."""

import ast
import re
import subprocess
import sys
import tomllib
import unicodedata
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("requirements.lock", "requirements-test.lock", "requirements-data.lock")


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Every file under version control that is there, relative to the root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git clone: nothing says which files belong to the repository")
    paths = [Path(name) for name in listed.stdout.split("\0") if name]
    return [path for path in paths if (ROOT / path).is_file()]


def read_lock(name: str) -> dict[str, Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pins}


def pinned_version(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    assert specifier.operator == "==", f"{pin} is not an exact version"
    return specifier.version


def direct(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for, with the named extras."""
    project = PYPROJECT["project"]
    asked = list(project["dependencies"])
    for extra in extras:
        asked += project["optional-dependencies"][extra]
    return [Requirement(line) for line in asked]


# --- sources ------------------------------------------------------------------------------------

# "Hu et al. 2022", "Press & Wolf 2017", "Touvron et al. 2023b"; alone only behind "Source:".
CITED = re.compile(r"([A-Z]\w+) (?:et al\.|& [A-Z]\w+) ((?:19|20)\d\d[a-z]?)")
CITED_ALONE = re.compile(r"Sources?: ([A-Z]\w+) ((?:19|20)\d\d[a-z]?)")


def citations(text: str) -> set[str]:
    """The keys of the sources that a Python file names."""
    text = re.sub(r"\s+(# )?", " ", text)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    found = CITED.findall(plain) + CITED_ALONE.findall(plain)
    return {name.lower() + year for name, year in found}


def test_citations_are_found_across_lines_and_letters():
    text = (
        "(Köpf et al.\n    # 2023), Press & Wolf 2017; Touvron et\n al. 2023b. Source: Elman 1990."
    )
    assert citations(text) == {"kopf2023", "press2017", "touvron2023b", "elman1990"}


def test_every_source_that_the_code_cites_is_on_the_references_page(tracked):
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    known = re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE)
    assert known == sorted(set(known))
    for path in tracked:
        if path.suffix == ".py" and path.parts[0] != "tests":
            missing = citations((ROOT / path).read_text(encoding="utf-8")) - set(known)
            assert not missing, f"{path}: not in book/references.bib: {sorted(missing)}"


def test_every_axis_word_is_explained(tracked):
    known = set(re.findall(r"\w+", (ROOT / "book" / "notation.md").read_text(encoding="utf-8")))
    for path in tracked:
        if path.suffix == ".py" and path.parts[0] == "reference_impl":
            shapes = re.findall(r'Tensor, f?"([^"]*)"', (ROOT / path).read_text(encoding="utf-8"))
            words = {word for shape in shapes for word in re.findall(r"(?<![{\w])[a-z_]\w*", shape)}
            assert words <= known, f"{path}: not in book/notation.md: {sorted(words - known)}"


# --- README -------------------------------------------------------------------------------------


def readme_tree(text: str) -> set[Path]:
    """The paths that the README's tree names: indented names, folders end in a slash."""
    block = text.split("## The tree\n", 1)[1].split("\n## ", 1)[0]
    paths, folder = set(), Path()
    for line in filter(str.strip, block.splitlines()):
        indent, name = re.match(r"( +)(\S+)  +\S", line).groups()
        if len(indent) == 4:
            folder = Path(name)
            paths.add(folder)
        else:
            paths.add(folder / name)
    return paths


def needs_naming(path: Path) -> Path:
    """What the tree has to name for a tracked file: its top entry, or the module itself."""
    if path.parts[0] not in ("reference_impl", "grading") or path.name == "__init__.py":
        return Path(path.parts[0])
    return Path(*path.parts[:2])


def test_the_readme_names_every_file_and_folder(tracked):
    named = readme_tree((ROOT / "README.md").read_text(encoding="utf-8"))
    unnamed = {str(needs_naming(path)) for path in tracked} - {str(path) for path in named}
    assert not unnamed, f"one line each in the README's tree, please: {sorted(unnamed)}"


def test_everything_the_readme_names_is_there(tracked):
    named = readme_tree((ROOT / "README.md").read_text(encoding="utf-8"))
    gone = {str(path) for path in named} - {str(needs_naming(path)) for path in tracked}
    assert not gone, f"named in the README's tree, but not there: {sorted(gone)}"


def test_the_tree_is_read_as_it_is_written():
    text = "## The tree\n\n    a.py   first\n    b/     second\n        c.py  third\n\n## Next\n"
    assert readme_tree(text) == {Path("a.py"), Path("b"), Path("b/c.py")}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_link_and_make_target_in_prose_exists(name, tracked):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert links and [link for link in links if Path(link) not in tracked] == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = set(re.findall(r"(?:^    |`)make ([a-z-]+)", text, re.MULTILINE))
    assert used and used - targets == set()


# --- Packages -----------------------------------------------------------------------------------


@pytest.mark.parametrize("extras", [(), ("test",)])
def test_every_direct_dependency_is_locked_within_its_range(extras):
    locked = read_lock("requirements.lock")
    if extras:
        locked = locked | read_lock("requirements-test.lock")
    for asked in direct(*extras):
        pin = locked.get(canonicalize_name(asked.name))
        assert pin, f"{asked.name} is not locked: run `python bootstrap.py --lock`"
        assert asked.specifier.contains(pinned_version(pin)), f"{pin} is outside {asked}"


def test_the_locks_hold_on_every_platform():
    seen = set()
    for name in LOCKS:
        lock = read_lock(name)
        assert not seen & set(lock), "a package in two locks can be asked for twice"
        seen |= set(lock)
        for pin in lock.values():
            assert "+" not in pinned_version(pin), f"{pin} exists on one machine only"
            assert not pin.name.startswith(("nvidia-", "cuda-")) and pin.name != "triton"
            assert not pin.url


def test_this_environment_is_the_locked_one():
    """Else a test result says nothing about what a fresh clone gets."""
    from importlib.metadata import PackageNotFoundError, version

    different = []
    for name in LOCKS:
        for pin in read_lock(name).values():
            if pin.marker and not pin.marker.evaluate():
                continue
            try:
                here = version(pin.name)
            except PackageNotFoundError:
                here = "missing"
            if here.split("+")[0] != pinned_version(pin):
                different.append(f"{pin} but {here}")
    assert different == [], "run `python bootstrap.py --test`"


def imports(source: str) -> set[str]:
    """The top-level names of the modules that a Python text imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def python_of(path: Path) -> str:
    """The Python in a file: all of it, or the code cells of a chapter without their magics."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.suffix == ".py":
        return text
    cells = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(re.sub(r"\A---\n.*?^---$", "", c, flags=re.M | re.S) for c in cells)
    return re.sub(r"^(?::|[%!]).*$", "", lines, flags=re.MULTILINE)


def is_a_tool(path: Path) -> bool:
    """Whether a file is for authors and tests, who have the test extras."""
    return path.parts[0] in ("tests", "benchmarks") or path.name.startswith("update_")


@pytest.mark.parametrize(("tools", "extras"), [(False, ()), (True, ("test",))])
def test_every_import_is_a_declared_dependency(tools, extras, tracked):
    own = {path.stem for path in tracked if path.suffix == ".py"}
    own |= {folder for path in tracked for folder in path.parent.parts}
    declared = {canonicalize_name(asked.name) for asked in direct(*extras)}
    declared |= set(read_lock("requirements-data.lock"))
    providers = packages_distributions()
    undeclared = []
    for path in tracked:
        if path.suffix not in (".py", ".md") or is_a_tool(path) != tools:
            continue
        for module in imports(python_of(path)) - sys.stdlib_module_names - own:
            names = {canonicalize_name(name) for name in providers.get(module, [module])}
            if not names & declared:
                undeclared.append(f"{path} imports {module} ({', '.join(sorted(names))})")
    assert not undeclared, f"add to pyproject.toml, then `make lock`: {undeclared}"


def test_imports_are_seen_in_files_and_in_cells():
    assert imports("import a.b\nfrom c import d\ndef f():\n    import e\nfrom . import g") == {
        "a",
        "c",
        "e",
    }


# --- Tools --------------------------------------------------------------------------------------


def test_hooks_use_the_tools_of_the_lock():
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    pins = [Requirement(pin) for pin in re.findall(r"additional_dependencies: \[([^\]]+)\]", text)]
    locked = read_lock("requirements-test.lock")
    assert {pin.name for pin in pins} == {"ruff", "codespell"}
    assert [pin for pin in pins if pin.specifier != locked[pin.name].specifier] == []


def test_ci_ends_with_the_readmes_test_command():
    last = (ROOT / ".ci" / "run").read_text(encoding="utf-8").rstrip().splitlines()[-1]
    assert last == "exec make test </dev/null"


def test_no_file_names_a_place_on_one_machine(tracked):
    """A path that starts at somebody's home or at a disk's root works on that machine alone."""
    place = re.compile(r"(?<![\w.:/~])/(?:home|root|Users|work|mnt)/\w|[A-Z]:\\Users\\")
    found = []
    for path in tracked:
        if b"\0" in (data := (ROOT / path).read_bytes())[:8000] or path.suffix == ".svg":
            continue
        text = data.decode("utf-8")
        for number, line in enumerate(text.splitlines() if place.search(text) else [], 1):
            if place.search(line) and "re.compile" not in line:
                found.append(f"{path}:{number}: {line.strip()[:80]}")
    assert found == []
