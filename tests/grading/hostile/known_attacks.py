"""The table of known attacks on nbgrader and of mishaps that break it, row by row."""

import json
import os
import zipfile

import nbformat

from tests.grading.hostile.catalogue import Handed, entry

ALWAYS_0 = ("fail", "it is always 0")
ENDED = "ended the whole Python process"


# --- 1-6: cells that do not come to a good end --------------------------------------------------


@entry("loops for ever", row="1", causal_mask=("timeout", "did not end within 2 seconds"))
def endless_loop(handed: Handed) -> None:
    handed.inside("while True: pass")


@entry(
    "loops for ever and ignores the interrupt",
    row="2",
    causal_mask=("timeout", "did not end within 2 seconds"),
)
def deaf_loop(handed: Handed) -> None:
    handed.inside("""
        import signal
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True:
            try:
                while True: pass
            except BaseException:
                pass
        """)


@entry("ends the process in the answer", row="3", causal_mask=("error", ENDED))
def os_exit(handed: Handed) -> None:
    handed.inside("import os; os._exit(0)")


@entry("sys.exit in the answer", row="4", causal_mask=("error", "SystemExit"))
def sys_exit(handed: Handed) -> None:
    handed.inside("import sys; sys.exit(0)")


@entry("a fork bomb", row="5", causal_mask=("error", "BlockingIOError"), weaker=False)
def fork_bomb(handed: Handed) -> None:
    handed.inside("import os\nwhile True: os.fork()")


@entry("allocates 50 GB", row="6", causal_mask=("error", "allocate"))
def fifty_gigabytes(handed: Handed) -> None:
    handed.inside("torch.empty(50 * 2**30, dtype=torch.uint8).fill_(1)")


# --- 7-18: cheating -----------------------------------------------------------------------------


@entry(
    "gives itself 200 points in every gradebook it finds",
    row="7",
    causal_mask=("error", "no gradebook"),
    remarks=["gradebook"],
)
def gradebook_update(handed: Handed) -> None:
    handed.inside("""
        import glob, sqlite3
        tops = ["/" + "*/" * depth for depth in range(4)] + ["../" * up for up in range(6)]
        paths = [path for top in tops for path in glob.glob(top + "gradebook.db")]
        assert paths, "no gradebook"
        for path in paths:
            with sqlite3.connect(path) as book:
                book.execute("UPDATE grade SET auto_score = 200")
        """)


@entry(
    "reads notebooks for hidden tests",
    row="8",
    causal_mask=("error", "no notebook"),
    remarks=["searches files"],
)
def reads_notebooks(handed: Handed) -> None:
    handed.inside("""
        import os, sys
        found = []
        for top in (".", "..", "/home", "/tmp", "/srv", "/proc/1/cwd"):
            for path, folders, names in os.walk(top):
                if path == sys.prefix:  # its packages bring notebooks of their own, and take long
                    folders.clear()
                else:
                    found += [name for name in names if name.endswith(".ipynb")]
        assert found, "no notebook"
        """)


@entry(
    "looks for the tests in In, the frames and the garbage collector",
    row="9",
    causal_mask=("error", "nothing of the judge"),
    remarks=["looks into the process"],
)
def looks_for_tests(handed: Handed) -> None:
    handed.inside("""
        import gc, sys
        names = {"expected", "wrong", "misconceptions", "reference", "solution", "tolerance"}
        frame, seen = sys._getframe(), set()
        while frame:
            seen |= set(map(str, frame.f_locals)) & names
            frame = frame.f_back
        kinds = {"Trial", "Exercise", "Misconception"}
        seen |= {type(o).__name__ for o in gc.get_objects()} & kinds
        seen |= {line for line in In if "assert " + "torch" in line}
        assert seen, "nothing of the judge"
        """)


@entry(
    "deletes asserts with an AST transformer",
    row="10",
    causal_mask=ALWAYS_0,
    remarks=["changes how cells are run"],
)
def ast_transformer(handed: Handed) -> None:
    handed.wrong("""
        import ast
        class NoAsserts(ast.NodeTransformer):
            def visit_Assert(self, node):
                return ast.copy_location(ast.Pass(), node)
        get_ipython().ast_transformers.append(NoAsserts())
        """)


@entry(
    "replaces what executes cells",
    row="11",
    remarks=["changes how cells are run"],
    read_map=("missing", "brought no result"),
)
def replaces_run_cell(handed: Handed) -> None:
    handed.extra(
        """
        shell = get_ipython()
        def do_execute(*args, **kwargs):
            print("200 points")
        shell.kernel = type("Kernel", (), {"do_execute": do_execute})
        shell.run_cell = do_execute
        """,
        topic="read_map",
    )


@entry(
    "displays points by itself",
    row="12",
    causal_mask=ALWAYS_0,
    remarks=["changes how cells are run"],
)
def display_hook(handed: Handed) -> None:
    handed.wrong(after="import sys; sys.displayhook(200.0)")


@entry("tags the check with skip-execution", row="13", causal_mask=ALWAYS_0)
def skip_execution(handed: Handed) -> None:
    handed.wrong()
    check = handed.check_cell()
    check.metadata["tags"] = ["skip-execution"]
    check.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "3"})]


@entry(
    "returns objects that equal everything",
    row="14",
    causal_mask=("fail", "it returned a Always"),
    remarks=["how its values compare"],
)
def always_equal(handed: Handed) -> None:
    handed.answer("""
        class Always:
            def __eq__(self, other): return True
            def __getattr__(self, name): return self
            def __call__(self, *args, **kwargs): return self
        def causal_mask(q_seq, kv_seq=None): return Always()
        """)


@entry(
    "swallows errors with set_custom_exc",
    row="15",
    causal_mask=("error", "ZeroDivisionError"),
    remarks=["changes how cells are run"],
)
def custom_exc(handed: Handed) -> None:
    handed.answer("""
        get_ipython().set_custom_exc((BaseException,), lambda *args, **kwargs: None)
        def causal_mask(q_seq, kv_seq=None): return 1 / 0
        """)


@entry(
    "replaces allclose and numpy.testing",
    row="16",
    causal_mask=ALWAYS_0,
    remarks=["replaces functions"],
)
def patched_comparisons(handed: Handed) -> None:
    handed.wrong("""
        import numpy as np
        torch.allclose = torch.equal = torch.isclose = lambda *args, **kwargs: True
        np.allclose = np.isclose = np.array_equal = lambda *args, **kwargs: True
        np.testing.assert_allclose = np.testing.assert_equal = lambda *args, **kwargs: None
        """)


@entry(
    "puts its own reference_impl in the place of the real one",
    row="17",
    causal_mask=ALWAYS_0,
    remarks=["reference_impl, which is not there"],
)
def fake_reference(handed: Handed) -> None:
    handed.wrong("""
        import os, sys, types
        os.makedirs("reference_impl/decoder", exist_ok=True)
        with open("reference_impl/decoder/attention.py", "w") as file:
            file.write("def causal_mask(*inputs): return True")
        fake = types.ModuleType("reference_impl")
        sys.modules["reference_impl"] = sys.modules["reference_impl.decoder.attention"] = fake
        sys.path.insert(0, os.getcwd())
        """)


@entry(
    "imports the answer from reference_impl",
    row="18",
    causal_mask=("error", "reference_impl is not there while a class is graded"),
    remarks=["reference_impl, which is not there"],
)
def imports_reference(handed: Handed) -> None:
    handed.answer("from reference_impl.decoder.attention import causal_mask")


# --- 19-24: notebooks that were mangled ---------------------------------------------------------


@entry("is right, but warns", row="19")
def warns(handed: Handed) -> None:
    handed.inside('import sys, warnings; warnings.warn("soon"); print("!", file=sys.stderr)')


@entry("has a copy of a check cell", row="20")
def check_copied(handed: Handed) -> None:
    handed.notebook.cells.append(nbformat.from_dict(handed.check_cell()))


@entry("has lost a check cell", row="21")
def check_deleted(handed: Handed) -> None:
    handed.notebook.cells.remove(handed.check_cell())


@entry("says that a check is no graded cell", row="22")
def grade_flag_flipped(handed: Handed) -> None:
    handed.check_cell().metadata.nbgrader |= {"grade": False, "solution": True, "points": 0}


@entry("adds a graded cell of its own, worth 50 points", row="23")
def forged_points(handed: Handed) -> None:
    fields = {"grade": True, "grade_id": "bonus", "points": 50, "solution": False, "locked": True}
    fields |= {"schema_version": 3, "task": False, "cell_type": "code"}
    handed.extra("50.0", nbgrader=fields)


@entry("has turned a check into raw text", row="24")
def check_raw(handed: Handed) -> None:
    handed.check_cell().cell_type = "raw"


# --- 25-29: files -------------------------------------------------------------------------------


@entry("is no JSON", row="25a", everything=("refused", "it is not JSON"))
def bad_json(handed: Handed) -> None:
    handed.instead(handed.as_bytes()[:-100])


@entry("is empty", row="25b", everything=("refused", "The file is empty"))
def empty_file(handed: Handed) -> None:
    handed.instead(b"")


@entry("comes from the future", row="25c", everything=("refused", "has format 5"))
def nbformat_five(handed: Handed) -> None:
    handed.instead(json.dumps({**handed.notebook, "nbformat": 5}).encode())


@entry("hands in something else", row="26a", everything=("refused", "No notebook of 05_attention"))
def notebook_missing(handed: Handed) -> None:
    handed.instead(b"My dog ate it.", name="excuse.txt")


@entry("renames the notebook", row="26b", remarks=["Taken from 05_attention/Attention (1).ipynb"])
def notebook_renamed(handed: Handed) -> None:
    handed.instead(handed.as_bytes(), name="Attention (1).ipynb")


@entry("hands in two versions", row="26c", everything=("refused", "More than one file may be"))
def two_notebooks(handed: Handed) -> None:
    data = handed.as_bytes()
    handed.instead(data, name="attention-final.ipynb")
    handed.instead(data, name="attention-final-2.ipynb")


@entry("has a timestamp that is none", row="27a")
def timestamp_malformed(handed: Handed) -> None:
    (handed.folder / "timestamp.txt").write_text("last Tuesday, honestly\n")


@entry("has a timestamp of long ago", row="27b")
def timestamp_backdated(handed: Handed) -> None:
    (handed.folder / "timestamp.txt").write_text("2001-01-01 00:00:00 UTC\n")


@entry("is a link to somebody else's file", row="28a", everything=("refused", "It is a link"))
def symlink(handed: Handed) -> None:
    secret = handed.folder.parents[2] / "secret.ipynb"
    secret.write_bytes(handed.as_bytes())
    handed.path.symlink_to(secret)
    handed.notebook = None


@entry("is a hard link", row="28b", everything=("refused", "It is a hard link"))
def hard_link(handed: Handed) -> None:
    secret = handed.folder.parents[2] / "secret-too.ipynb"
    secret.write_bytes(handed.as_bytes())
    os.link(secret, handed.path)
    handed.notebook = None


@entry("is a zip that writes outside", row="29a", everything=("refused", "leads out of it"))
def zip_traversal(handed: Handed) -> None:
    with zipfile.ZipFile(handed.folder / "05_attention.zip", "w") as archive:
        archive.writestr("05_attention.ipynb", handed.as_bytes())
        archive.writestr("../../../escaped.txt", "here I am")
    handed.notebook = None


@entry("is a zip with an absolute path", row="29b", everything=("refused", "leads out of it"))
def zip_absolute(handed: Handed) -> None:
    with zipfile.ZipFile(handed.folder / "05_attention.zip", "w") as archive:
        archive.writestr("/tmp/05_attention.ipynb", handed.as_bytes())
    handed.notebook = None


# --- 30-34: reaching out ------------------------------------------------------------------------


@entry(
    "asks the network for the answer",
    row="30",
    causal_mask=("error", "URLError"),
    remarks=["reach the network"],
)
def network(handed: Handed) -> None:
    handed.inside('import urllib.request\nurllib.request.urlopen("http://1.1.1.1/", timeout=1)')


@entry("leaves a daemon in a new session behind", row="31", remarks=["unchains processes"])
def daemon(handed: Handed) -> None:
    handed.extra("""
        import os, subprocess
        subprocess.Popen(["sleep", "98765"], start_new_session=True)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execvp("sleep", ["sleep", "98765"])
            os._exit(0)
        """)


@entry("prints 1 GB", row="32", shown=["The rest of this cell's output is cut"])
def prints_a_gigabyte(handed: Handed) -> None:
    handed.extra('for _ in range(1024): print("x" * 2**20)')


@entry("has a thread that writes to stderr for ever", row="33")
def chatty_thread(handed: Handed) -> None:
    handed.extra("""
        import sys, threading
        def chat():
            while True: print("still here", file=sys.stderr)
        threading.Thread(target=chat, daemon=True).start()
        """)


@entry("installs a package", row="34", remarks=["installs packages"], shown=["no-such-luck"])
def pip_install(handed: Handed) -> None:
    handed.extra("""
        import subprocess, sys
        pip = [sys.executable, "-m", "pip", "install", "--no-input", "--retries=0", "cowsay"]
        done = subprocess.run(pip, capture_output=True)
        try:
            import cowsay
        except ImportError:
            print("no-such-luck" if done.returncode else "installed nothing")
        """)


# --- 35-41: values ------------------------------------------------------------------------------


@entry("changes the global seeds", row="35")
def seeds(handed: Handed) -> None:
    handed.inside("""
        import random, numpy
        torch.manual_seed(1), numpy.random.seed(1), random.seed(1)
        """)


@entry("returns NaN", row="36", read_map=("fail", "NaN"))
def not_a_number(handed: Handed) -> None:
    handed.around(after=wrapped("torch.full_like(right(*inputs), float('nan'))"), topic="read_map")


@entry("returns a result that requires gradients", row="37")
def requires_grad(handed: Handed) -> None:
    handed.around(after=wrapped("right(*inputs).requires_grad_()"), topic="read_map")


@entry(
    "is right, but in a finer dtype",
    row="38a",
    read_map=("fail", "their dtype is float64, and float32 is wanted"),
)
def finer_dtype(handed: Handed) -> None:
    handed.around(after=wrapped("right(*inputs).double()"), topic="read_map")


@entry(
    "is right in another kind of number",
    row="38b",
    causal_mask=("fail", "their dtype is int64, and bool is wanted"),
)
def other_dtype(handed: Handed) -> None:
    handed.around(after=wrapped("right(*inputs).long()", topic="causal_mask"))


@entry("changes its input in place", row="39", read_map=("fail", "were written to on the way"))
def in_place(handed: Handed) -> None:
    handed.around(after=wrapped("right(*inputs), inputs[0].zero_()", "[0]"), topic="read_map")


@entry("knows the answers to the public examples", row="40", causal_mask=("fail", "wrong on all"))
def memoised(handed: Handed) -> None:
    handed.answer("""
        KNOWN = {(3, None): [[1, 0, 0], [1, 1, 0], [1, 1, 1]], (2, 4): [[1, 1, 1, 0], [1, 1, 1, 1]]}
        def causal_mask(q_seq, kv_seq=None):
            return torch.tensor(KNOWN.get((q_seq, kv_seq), [[1]])).bool()
        """)


@entry(
    "returns an object whose pickle runs a command",
    row="41",
    causal_mask=("fail", "it returned a Bomb"),
    remarks=["compare or are copied"],
)
def pickle_bomb(handed: Handed) -> None:
    handed.answer("""
        import os
        class Bomb:
            def __reduce__(self): return os.system, ("touch exploded",)
        def causal_mask(q_seq, kv_seq=None): return Bomb()
        """)


def wrapped(value: str, end: str = "", topic: str = "read_map") -> str:
    """Code that lets the right answer return something made of its value."""
    return f"right = {topic}\ndef {topic}(*inputs): return ({value}){end}"
