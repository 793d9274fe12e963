"""The sides of bench_decode.py: each gives a function from a prompt to the times of its tokens."""

import importlib
import json
import subprocess
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

QUESTION = [{"role": "user", "content": "What is gravity?"}]

BENCHMARK = Path(__file__).with_name("bench_decode.py")

Run = Callable[[list[int], int], list[float]]  # prompt, number of tokens -> when each came


def run_of(model) -> Run:
    from reference_impl.inference.generation import generate

    def run(token_ids: list[int], n: int) -> list[float]:
        return [time.perf_counter() for _ in generate(model, token_ids, n)]

    return run


def load_ours(dtype):
    from reference_impl.fine_tuning.chat import encode_chat
    from reference_impl.inference.fast_decoder import FastDecoder
    from reference_impl.published.weights import load_smollm2

    model, tokenizer = load_smollm2(dtype=dtype)
    n_bytes = sum(parameter.nbytes for parameter in model.parameters())
    return run_of(FastDecoder(model)), encode_chat(tokenizer, QUESTION), n_bytes, model


def load_transformers(dtype):
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.generation.streamers import BaseStreamer

    from reference_impl.published.weights import find_weights

    transformers.logging.set_verbosity_error()
    path = find_weights()
    where = {"gguf_file": path.name, "local_files_only": True}
    model = AutoModelForCausalLM.from_pretrained(path.parent, dtype=dtype, **where)
    tokenizer = AutoTokenizer.from_pretrained(path.parent, **where)
    prompt = tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True, return_dict=True)
    n_bytes = sum(parameter.nbytes for parameter in model.parameters())

    class Clock(BaseStreamer):
        def __init__(self):
            self.times = []

        def put(self, value):
            self.times.append(time.perf_counter())

        def end(self):
            pass

    def run(token_ids: list[int], n: int) -> list[float]:
        ids, clock = torch.tensor([token_ids]), Clock()
        model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=n,
            min_new_tokens=n,
            do_sample=False,
            streamer=clock,
        )
        return clock.times[1:]  # the first thing put is the prompt

    return run, prompt["input_ids"], n_bytes, model


def llama_run(python: str, threads: int) -> Run:
    """llama.cpp in a process of its own, on the same file, with the same prompt."""
    from reference_impl.published.weights import find_weights

    def run(token_ids: list[int], n: int) -> list[float]:
        task = {"path": str(find_weights()), "threads": threads, "ids": token_ids, "n": n}
        command = [python, BENCHMARK, "--llama", json.dumps(task)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return json.loads(output.splitlines()[-1])

    return run


def llama_child(path: str, threads: int, ids: list[int], n: int) -> None:
    """Child process: generate greedily with llama.cpp, print when each token came."""
    llama_cpp = importlib.import_module("llama_cpp")  # in an environment of its own, if at all
    llama = llama_cpp.Llama(
        path, n_ctx=2048, n_threads=threads, n_threads_batch=threads, verbose=False
    )
    tokens = llama.generate(ids, top_k=1, temp=0.0, repeat_penalty=1.0)
    print(json.dumps([time.perf_counter() for _ in islice(tokens, n)]))


def has_llama(python: str) -> bool:
    return subprocess.run([python, "-c", "import llama_cpp"], capture_output=True).returncode == 0


LOADERS = {"ours": load_ours, "transformers": load_transformers}
