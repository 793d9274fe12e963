"""Honest submissions with bad luck or odd habits, and what could harm whoever reads them."""

import json

from tests.grading.hostile.catalogue import Handed, entry, right_answers
from tests.grading.hostile.known_attacks import wrapped

# Marks what must not come alive on a page; see test_pages.py.
SPELL = "alert('hostile')"


# --- pages that an instructor opens -------------------------------------------------------------


@entry("has scripts in its text cells")
def scripts_in_text(handed: Handed) -> None:
    for text in (
        f"<script>{SPELL}</script>",
        f"Hello <img src=x onerror={json.dumps(SPELL)}>",
        f"<svg/onload={SPELL}>",
        f"[click](javascript:{SPELL}) and [there][1]\n\n[1]: javascript:{SPELL}",
        f"[click](&#106;avascript:{SPELL})",
        f"<iframe srcdoc='<script>{SPELL}</script>'></iframe>",
        f"<style>body {{ background: url('javascript:{SPELL}') }}</style>",
        f"$\\href{{javascript:{SPELL}}}{{x}}$ and $\\style{{position:fixed}}{{y}}$",
        f"~~~\n~~~\n<script>{SPELL}</script>\n~~~",
        f"~~~\r~~~\r<script>{SPELL}</script>\r~~~",
        f"```\n\n<details open ontoggle={SPELL}>",
    ):
        handed.extra(text, kind="markdown")


@entry("has scripts in raw cells")
def scripts_in_raw_cells(handed: Handed) -> None:
    handed.extra(f"<script>{SPELL}</script>", kind="raw", raw_mimetype="text/html")
    handed.extra(f"<script>{SPELL}</script>", kind="raw")


@entry("writes scripts into the course's own text")
def scripts_in_released_text(handed: Handed) -> None:
    for cell in handed.notebook.cells:
        if cell.cell_type == "markdown":
            cell.source += f"\n\n<script>{SPELL}</script>"


@entry("displays scripts")
def scripts_in_outputs(handed: Handed) -> None:
    handed.extra(f"""
        from IPython.display import HTML, SVG, Javascript, Markdown, display
        spell = {SPELL!r}
        bad = "<script>" + spell + "</script>"
        display(HTML(bad), Javascript(spell), Markdown(bad))
        svg = "<svg onload=" + repr(spell) + "/>"
        display({{"image/svg+xml": svg, "text/latex": bad}}, raw=True)
        display({{"image/png": 'x" onerror="' + spell, "text/plain": bad}}, raw=True,
                metadata={{"image/png": {{"width": '1" onload="' + spell}}}})
        print(bad)
        """)
    handed.extra(
        f'raise type("<b onclick={SPELL}>", (Exception,), {{}})("<script>{SPELL}</script>")'
    )


@entry("has scripts in an error message", read_map=("error", "<script>"))
def scripts_in_errors(handed: Handed) -> None:
    source = f'def read_map(*inputs): raise ValueError("<script>{SPELL}</script>")'
    handed.answer(source, topic="read_map")


@entry("has a script in its file name", remarks=["Taken from"])
def script_in_file_name(handed: Handed) -> None:
    handed.instead(handed.as_bytes(), name="attention <img src=x onerror=alert('hostile')>.ipynb")


# --- output -------------------------------------------------------------------------------------


@entry("prints, warns and draws on the way to the right answer", shown=["image/png"])
def chatty(handed: Handed) -> None:
    handed.inside("""
        import logging, warnings
        print("working on it"), warnings.warn("soon"), logging.error("nearly there")
        """)
    handed.extra("""
        import matplotlib.pyplot as plt
        plt.plot([1, 2, 4])
        plt.show()
        """)


@entry("draws as notebooks used to be told", shown=["image/png"])
def matplotlib_magic(handed: Handed) -> None:
    handed.extra("%matplotlib inline\nimport matplotlib.pyplot as plt\n_ = plt.plot([1, 2, 4])")


@entry("shows objects whose repr fails, or never ends", shown=["TimeLimit"])
def odd_reprs(handed: Handed) -> None:
    handed.extra("""
        class Fails:
            def __repr__(self): raise ValueError("no")
        Fails()
        """)
    handed.extra("""
        class Endless:
            def __repr__(self):
                while True: pass
        Endless()
        """)


@entry("shows a huge error and a huge value")
def huge_outputs(handed: Handed) -> None:
    handed.extra('raise ValueError("x" * 10**8)')
    handed.extra('"x" * 10**8')
    handed.extra("def deep(n): return deep(n - 1) if n else 1 / 0\ndeep(900)")


@entry("prints half characters and control characters", shown=["kept"])
def odd_characters_out(handed: Handed) -> None:
    handed.extra(r'print("kept \ud800 \x00 \x1b[31m \uffff")')
    handed.extra(r'raise ValueError("\udfff")')


# --- input and source ---------------------------------------------------------------------------


@entry("asks for input")
def asks(handed: Handed) -> None:
    handed.extra('name = input("Who are you?")')


@entry("has half characters and zeros in its source")
def odd_characters_in(handed: Handed) -> None:
    handed.extra("text = '\ud800'")
    handed.extra("zero = '\x00'")
    handed.extra("Half \udfff, zero \x00", kind="markdown")


@entry("was saved with Windows line ends and a byte order mark")
def windows(handed: Handed) -> None:
    for cell in handed.notebook.cells:
        cell.source = cell.source.replace("\n", "\r\n")
    text = json.dumps(handed.notebook, indent=1).replace("\n", "\r\n")
    handed.instead(b"\xef\xbb\xbf" + text.encode())


@entry("has sources as lists of lines, as Jupyter saves them")
def lines(handed: Handed) -> None:
    for cell in handed.notebook.cells:
        cell.source = cell.source.splitlines(keepends=True)


@entry("is larger than any notebook", everything=("refused", "larger than 50 MB"))
def hundred_megabytes(handed: Handed) -> None:
    handed.extra("# " + "x" * 100 * 2**20)


@entry("has a cell of 20 MB")
def twenty_megabytes(handed: Handed) -> None:
    handed.extra('text = "' + "x" * 20 * 2**20 + '"')


@entry("has ten thousand cells of its own")
def many_cells(handed: Handed) -> None:
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    handed.notebook.cells[13:13] = [{**cell, "source": f"x = {i}"} for i in range(10_000)]


@entry("uses names from all over the world")
def unicode_names(handed: Handed) -> None:
    handed.inside("größe, Δ, число, 数 = inputs[0], 1, 2, 3")


# --- cells --------------------------------------------------------------------------------------


@entry("has split its answer into several cells")
def answer_split(handed: Handed) -> None:
    handed.behind(right_answers()["attention__causal_mask__answer"])
    handed.answer("# I began here, and went on in the next cell\nhelper = 1")


@entry(
    "has its answer in another cell, above the stub that is left", causal_mask=("missing", "waits")
)
def answer_above_the_stub(handed: Handed) -> None:
    handed.extra(right_answers()["attention__causal_mask__answer"])
    handed.answer("def causal_mask(q_seq, kv_seq=None):\n    raise NotImplementedError")


@entry("has moved a check to the end")
def check_moved(handed: Handed) -> None:
    check = handed.check_cell()
    handed.notebook.cells.remove(check)
    handed.notebook.cells.append(check)


@entry("has lost all metadata and all cell ids but those of answers")
def metadata_lost(handed: Handed) -> None:
    for cell in handed.notebook.cells:
        cell.metadata = {}


@entry(
    "imports what is not there in the setup cell", remarks=["reference_impl, which is not there"]
)
def setup_broken(handed: Handed) -> None:
    handed.notebook.cells[1].source = (
        "from reference_impl.decoder.attention import attend\n" + handed.notebook.cells[1].source
    )


@entry("leaves the process in cells of its own")
def leaves_in_extra_cells(handed: Handed) -> None:
    handed.extra("import sys; sys.exit()")
    handed.extra("quit()")
    handed.extra("raise KeyboardInterrupt")


@entry(
    "uses IPython's magic, the shell and await", shown=["from the shell", "from bash", "awaited"]
)
def magic(handed: Handed) -> None:
    handed.extra("%load_ext autoreload\n%autoreload 2\n%timeit -n1 -r1 1 + 1\n%time 1 + 1")
    handed.extra("!echo from the shell")
    handed.extra("%%bash\necho from bash")
    handed.extra("%%writefile helper.py\nhelped = 1")
    handed.extra("%run helper.py\nimport helper")
    handed.extra('import asyncio\nawait asyncio.sleep(0.01)\nprint("awaited")')
    handed.extra("%no_such_magic")


@entry("starts threads and processes, and waits for them", shown=["6 workers"], weaker=False)
def workers(handed: Handed) -> None:
    handed.extra("""
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
        import multiprocessing
        with ThreadPoolExecutor(4) as threads:
            squares = list(threads.map(lambda x: x * x, range(4)))
        with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as processes:
            print(len(squares) + len(list(processes.map(abs, [1, -1]))), "workers")
        """)


# --- values -------------------------------------------------------------------------------------


@entry("returns numpy", read_map=("fail", "they come as a NumPy array"))
def numpy_answer(handed: Handed) -> None:
    handed.around(after=wrapped("right(*inputs).numpy()"), topic="read_map")


@entry("returns a matrix of numpy's", read_map=("fail", "they come as a NumPy array"))
def numpy_matrix(handed: Handed) -> None:
    handed.around(
        after="import numpy\n" + wrapped("numpy.asmatrix(right(*inputs))"), topic="read_map"
    )


@entry("returns a list", read_map=("fail", "they come as a list"))
def list_answer(handed: Handed) -> None:
    handed.around(after=wrapped("right(*inputs).tolist()"), topic="read_map")


@entry("returns a kind of tensor")
def tensor_subclass(handed: Handed) -> None:
    handed.around(after=wrapped("torch.nn.Parameter(right(*inputs))"), topic="read_map")


@entry("returns a tensor that breaks when it is touched", read_map=("error", "hands off"))
def touchy_tensor(handed: Handed) -> None:
    handed.around(
        before="""
        class Touchy(torch.Tensor):
            @classmethod
            def __torch_function__(cls, *args, **kwargs): raise RuntimeError("hands off")
        """,
        after=wrapped("right(*inputs).as_subclass(Touchy)"),
        topic="read_map",
    )


@entry("returns a sparse tensor", read_map=("error", "numpy"))
def sparse_tensor(handed: Handed) -> None:
    handed.around(after=wrapped("right(*inputs).to_sparse()"), topic="read_map")


@entry("returns a view with strides of its own")
def strided_answer(handed: Handed) -> None:
    handed.around(after=wrapped("right(*inputs).T.contiguous().T"), topic="read_map")
