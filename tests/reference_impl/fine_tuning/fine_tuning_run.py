"""A small fine-tuning run as a program, for a test that kills it.

    python fine_tuning_run.py FOLDER N_STEPS

It trains adapters on the packed samples of Dolly, resumes from the checkpoints in FOLDER, prints a
line of JSON after each step, and writes the adapters to FOLDER/lora.pt.
"""

import json
import sys
from pathlib import Path

import torch

from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.fine_tuning.chat import END, START
from reference_impl.fine_tuning.fine_tuning import encode_dialogues, pack_examples
from reference_impl.fine_tuning.lora import add_lora, save_lora
from reference_impl.fine_tuning.sft_sources import SAMPLES, Dolly
from reference_impl.pretraining.checkpoints import Checkpoints
from reference_impl.pretraining.optimizer import AdamW, decay_groups
from reference_impl.pretraining.packing import PackedBatches, PackedDecoder
from reference_impl.pretraining.training import train
from reference_impl.tokenization.tokenization import Tokenizer


def main():
    folder, n_steps = Path(sys.argv[1]), int(sys.argv[2])
    tokenizer = Tokenizer(
        {bytes([byte]): byte for byte in range(256)}, r"(?s:.)", {START: 256, END: 257}
    )
    examples, _ = encode_dialogues(tokenizer, Dolly(SAMPLES / "dolly.jsonl"), context_length=400)
    torch.manual_seed(0)
    model = Decoder(ModelConfig(258, 400, 12, 2, n_heads=2, n_kv_heads=1, head_dim=6, d_ff=20))
    add_lora(model, rank=3, alpha=6.0, layers=("q_proj", "v_proj", "down_proj"))
    steps = train(
        PackedDecoder(model),
        AdamW(decay_groups(model, 0.01)),
        PackedBatches(pack_examples(examples, 400), batch_size=2, seed=4),
        n_steps,
        lambda step: 1e-2,
        checkpoints=Checkpoints(folder, every=3),
    )
    for step in steps:
        print(json.dumps(vars(step)), flush=True)
    save_lora(model, folder / "lora.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
