"""Ways to points without the answer: forged results, faked functions, somebody else's evidence."""

from tests.grading.hostile.catalogue import Handed, entry

ALWAYS_0 = ("fail", "it is always 0")
UNREADABLE = ("refused", "The result cannot be read")
NO_ANSWER = ("refused", "What came back is not an answer to this exercise")
NO_RESULT = ("missing", "brought no result")
TOUCHES = ["touches how answers reach the judge"]
WITHOUT = ("refused", "without `torch.nn.functional.scaled_dot_product_attention`")
STOPPED = ("error", "it sent messages of its own")

# Code that writes a file where the grader looks for evidence; {json} and {npz} are expressions.
FORGED = """
import io, json, os, zipfile
import numpy as np
_box = os.environ["COURSE_EVIDENCE"] + "/evidence/attention__causal_mask"
def _arrays(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()
def _forged(*args):
    with open(_box + ".npz", "wb") as file: file.write({npz})
    with open(_box + ".json", "w") as file: file.write({json})
"""
# Code that writes frames, or anything else, into every pipe it finds: one leads to the grader.
PIPES = """
import json, os, stat, struct
def _shout(data):
    for number in range(3, 256):
        try:
            if stat.S_ISFIFO(os.fstat(number).st_mode): os.write(number, data)
        except OSError:
            pass
def _frame(kind, header=None):
    text = json.dumps(header).encode()
    return struct.pack(">cII", kind, len(text), 0) + text
"""


def shout(handed: Handed, code: str) -> None:
    """Let an answer write into the grader's pipe; CELL stands for the cell that checks it."""
    handed.extra(PIPES)
    handed.inside(code)
    handed.answer_cell().source = handed.answer_cell().source.replace("CELL", str(running(handed)))


def running(handed: Handed) -> int:
    """The index of the cell that checks the answer."""
    check = handed.check_cell()
    return next(i for i, cell in enumerate(handed.notebook.cells) if cell is check)


def forge(handed: Handed, json: str, npz: str = "_arrays()") -> None:
    """Let the check of one exercise write forged evidence instead of calling the answer."""
    code = FORGED.replace("{json}", json).replace("{npz}", npz)
    handed.extra(f"{code}\n_check, check = check, _forged")
    handed.wrong()
    after = handed.place() + 2
    handed.extra("check = _check", topic="padding_mask")
    assert handed.notebook.cells[after - 1] is handed.check_cell()


# --- the reply pipe -----------------------------------------------------------------------------


@entry("says that all cells are done, with full points", causal_mask=STOPPED)
def forged_end(handed: Handed) -> None:
    code = """
        _shout(_frame(b"D", {"cell": CELL, "outputs": [], "seconds": 0}) + _frame(b"X"))
        os._exit(0)
        """
    shout(handed, code)


@entry("says that it ran other cells", causal_mask=STOPPED)
def forged_cells(handed: Handed) -> None:
    shout(handed, '_shout(_frame(b"S", {"cell": 45}) + _frame(b"D", {"cell": 45, "outputs": []}))')


@entry("keeps the clock from running out by messages", causal_mask=("timeout", "2 seconds"))
def heartbeat(handed: Handed) -> None:
    code = """
        import time
        while True:
            _shout(_frame(b"E", {"name": "attention__nothing", "json": "{}"}))
            time.sleep(0.2)
        """
    shout(handed, code)


@entry("claims that its sandbox broke", causal_mask=STOPPED)
def forged_walls(handed: Handed) -> None:
    shout(handed, '_shout(_frame(b"W", "no walls here"))\nos._exit(0)')


@entry("floods the pipe", causal_mask=("error", "MB came back"))
def flood(handed: Handed) -> None:
    code = """
        frame = _frame(b"E", {"name": "x", "json": "y" * 2**23})
        while True: _shout(frame)
        """
    shout(handed, code)


@entry("sends what is no message at all", causal_mask=("error", "a message of impossible size"))
def garbage_frames(handed: Handed) -> None:
    shout(handed, '_shout(b"!" * 5000)')


@entry(
    "says that it ran for a number of seconds with 401 digits", causal_mask=("timeout", "2 seconds")
)
def endless_number(handed: Handed) -> None:
    """And goes on running: what it still has to say must not reach the next submission."""
    code = """
        import time
        text = b'{"cell": CELL, "outputs": [], "seconds": 1' + b"0" * 400 + b"}"
        _shout(struct.pack(">cII", b"D", len(text), 0) + text)
        time.sleep(30)
        """
    shout(handed, code)


@entry(
    "sends an output of a million empty lists",
    causal_mask=("error", "a message of impossible size"),
)
def empty_lists(handed: Handed) -> None:
    code = '_shout(_frame(b"D", {"cell": CELL, "outputs": [[]] * 1_000_000, "seconds": 0}))'
    shout(handed, code)


@entry("sends JSON too deep to read", causal_mask=("error", "a message that is not JSON"))
def deep_frames(handed: Handed) -> None:
    code = """
        text = b"[" * 100_000
        _shout(struct.pack(">cII", b"D", len(text), 0) + text)
        """
    shout(handed, code)


# --- evidence -----------------------------------------------------------------------------------


@entry("writes evidence that claims to have passed", remarks=TOUCHES, causal_mask=NO_ANSWER)
def claims_to_pass(handed: Handed) -> None:
    forge(
        handed, 'json.dumps({"exercise": "attention/causal_mask", "status": "pass", "score": 200})'
    )


@entry("writes evidence before its check", remarks=TOUCHES, causal_mask=ALWAYS_0)
def evidence_too_early(handed: Handed) -> None:
    code = FORGED.replace("{json}", '"{}"').replace("{npz}", "b''")
    handed.wrong(before=f"{code}\n_forged()")


@entry("writes evidence too deep to read", remarks=TOUCHES, causal_mask=UNREADABLE)
def deep_evidence(handed: Handed) -> None:
    forge(handed, '"[" * 200_000')


@entry("writes arrays that unpack to 200 MB", remarks=TOUCHES, causal_mask=UNREADABLE)
def zip_bomb(handed: Handed) -> None:
    forge(handed, '"{}"', "_bomb()")
    handed.extra("""
        def _bomb():
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as parts:
                with parts.open("a0.npy", "w", force_zip64=True) as part:
                    for _ in range(200): part.write(bytes(2**20))
            return file.getvalue()
        """)


@entry(
    "writes one array that is named half a million times", remarks=TOUCHES, causal_mask=NO_ANSWER
)
def amplified_array(handed: Handed) -> None:
    claim = '{"exercise": "attention/causal_mask", "cases": [{"array": "a0"}] * 500_000}'
    forge(handed, f"json.dumps({claim})", "_arrays(a0=np.zeros(8 * 2**20, dtype=np.uint8))")


@entry("writes an array whose elements take no bytes", remarks=TOUCHES, causal_mask=UNREADABLE)
def empty_elements(handed: Handed) -> None:
    case = '{"output": None, "error": None, "mutated": {"array": "a0"}, "forbidden": []}'
    claim = f'{{"exercise": "attention/causal_mask", "cases": [{case}] * 9}}'
    forge(handed, f"json.dumps({claim})", "_nothing()")
    handed.extra("""
        def _nothing():
            file = io.BytesIO()
            header = {"descr": "|V0", "fortran_order": False, "shape": (10**8,)}
            np.lib.format.write_array_header_1_0(file, header)
            parts = io.BytesIO()
            with zipfile.ZipFile(parts, "w") as archive:
                archive.writestr("a0.npy", file.getvalue())
            return parts.getvalue()
        """)


@entry("writes pickled objects as arrays", remarks=TOUCHES, causal_mask=UNREADABLE)
def object_arrays(handed: Handed) -> None:
    forge(handed, '\'{"cases": [{"array": "a0"}]}\'', "_arrays(a0=np.array([print], dtype=object))")


@entry("claims an array of 8 TB in a few bytes", remarks=TOUCHES, causal_mask=UNREADABLE)
def lying_header(handed: Handed) -> None:
    forge(handed, '\'{"cases": [{"array": "a0"}]}\'', "_lie()")
    handed.extra("""
        def _lie():
            file = io.BytesIO()
            header = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
            with zipfile.ZipFile(file, "w") as parts, parts.open("a0.npy", "w") as part:
                np.lib.format.write_array_header_1_0(part, header)
            return file.getvalue()
        """)


@entry(
    "sends the evidence of another exercise",
    remarks=TOUCHES,
    causal_mask=NO_ANSWER,
)
def other_exercise(handed: Handed) -> None:
    handed.behind("""
        import grading.kernel as kernel
        _record = kernel.record
        def record(folder, exercise_id, answer):
            if exercise_id != "attention/causal_mask":
                return _record(folder, exercise_id, answer)
            from pathlib import Path
            request = kernel.load(Path(folder) / "requests", "attention__split_heads")
            evidence = kernel.run(request, split_heads)
            kernel.save(Path(folder) / "evidence", kernel.stem(exercise_id), evidence)
        kernel.record = record
        def split_heads(x, n_heads):
            return x.unflatten(-1, (n_heads, -1)).transpose(1, 2)
        """)


@entry(
    "blows up its error message",
    remarks=TOUCHES,
    causal_mask=("error", "It stops with an error: xxx"),
)
def endless_message(handed: Handed) -> None:
    handed.behind("""
        import grading.kernel as kernel
        _describe = kernel.calls._describe
        def endless(error):
            name = {"type": "x" * 10**6} if "owned" in str(error) else {}
            return {**_describe(error), **name}
        kernel.calls._describe = endless
        """)
    handed.answer("def causal_mask(*inputs): raise ValueError('\\x1b]0;owned\\x07')")


# --- check and what it calls --------------------------------------------------------------------


@entry("replaces check by a number of points", remarks=TOUCHES, causal_mask=NO_RESULT)
def check_replaced(handed: Handed) -> None:
    handed.extra("_check, check = check, lambda *args: 3.0")
    handed.extra("check = _check", topic="padding_mask")


@entry("calls check by itself, often, for other exercises too")
def check_called_elsewhere(handed: Handed) -> None:
    handed.extra("""
        for _ in range(20):
            check("attention/merge_heads", lambda x: x)
            check("attention/causal_mask", lambda *inputs: torch.ones(3))
        """)
    handed.behind('check("attention/causal_mask", causal_mask)')


@entry("puts modules of its own in the place of the grader's", causal_mask=NO_ANSWER)
def fake_modules(handed: Handed) -> None:
    handed.extra("""
        import sys, types, pathlib
        _real, _fake = sys.modules["grading.kernel"], types.ModuleType("grading.kernel")
        def record(folder, exercise_id, answer):
            claim = {"exercise": exercise_id, "score": 200, "cases": []}
            _real.save(pathlib.Path(folder) / "evidence", _real.stem(exercise_id), claim)
        _fake.record = record
        sys.modules["grading.kernel"] = _fake
        """)
    handed.extra('sys.modules["grading.kernel"] = _real', topic="padding_mask")


@entry("asks check to judge at home", causal_mask=("error", "No module named 'grading.home'"))
def at_home(handed: Handed) -> None:
    handed.extra("""
        import os
        _right = check
        def check(*args):
            del os.environ["COURSE_EVIDENCE"]
            return _right(*args)
        """)
    handed.extra("check = _right", topic="padding_mask")


@entry(
    "makes all tensors equal, changed inputs too",
    remarks=["replaces functions"],
    causal_mask=ALWAYS_0,
)
def equal_tensors(handed: Handed) -> None:
    handed.wrong("""
        torch.Tensor.__eq__ = lambda self, other: torch.ones(1).bool()
        torch.equal = torch.allclose = lambda *args, **kwargs: True
        """)


@entry("rewrites how answers are written down", remarks=TOUCHES, causal_mask=NO_ANSWER)
def encode_replaced(handed: Handed) -> None:
    handed.wrong(
        "import grading.kernel.calls as kernel\n_encode = kernel.encode",
        after="""
        def encode(value, budget):
            kernel.encode = _encode
            return {"kind": "expected", "value": "yours"}
        kernel.encode = encode
        """,
    )


@entry("memoises the inputs it finds in the grader's files", remarks=TOUCHES, causal_mask=ALWAYS_0)
def reads_requests(handed: Handed) -> None:
    handed.wrong("""
        import os, pathlib
        box = pathlib.Path(os.environ["COURSE_EVIDENCE"], "requests")
        print([path.read_bytes() for path in sorted(box.iterdir())])
        """)


@entry(
    "traces every function for something that knows the answer",
    remarks=["looks into the process"],
    causal_mask=("error", "nothing known"),
)
def traced(handed: Handed) -> None:
    handed.extra("""
        import sys
        _seen = set()
        def _trace(frame, event, argument):
            _seen.update(frame.f_locals)
        sys.settrace(_trace)
        """)
    handed.inside('assert _seen & {"expected", "wrong", "reference"}, "nothing known"')


@entry(
    "holds the function to do without in a list",
    remarks=["names a function that an exercise is to be written without"],
    scaled_dot_product=WITHOUT,
    grouped_query=WITHOUT,
    attention_layer=WITHOUT,
)
def hidden_alias(handed: Handed) -> None:
    """It is watched from before the first cell on."""
    tools = "_tools = [torch.nn.functional.scaled_dot_product_attention]"
    handed.extra(tools, topic="scaled_dot_product")
    handed.answer(
        "def scaled_dot_product_attention(q, k, v, mask=None):\n"
        "    return _tools[0](q, k, v, attn_mask=mask).nan_to_num()",
        topic="scaled_dot_product",
    )


@entry(
    "finds the function to do without inside what watches it",
    remarks=["names a function that an exercise is to be written without"],
)
def unwrapped(handed: Handed) -> None:
    """No process can be watched from within against its will: it is remarked on."""
    handed.extra(
        """
        _watched = torch.nn.functional.scaled_dot_product_attention
        _tools = [c.cell_contents for c in _watched.__closure__ if callable(c.cell_contents)]
        """,
        topic="scaled_dot_product",
    )
    handed.answer(
        "def scaled_dot_product_attention(q, k, v, mask=None):\n"
        "    return _tools[0](q, k, v, attn_mask=mask).nan_to_num()",
        topic="scaled_dot_product",
    )
