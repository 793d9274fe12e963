"""Questions and answers so few that a model of characters learns them while one watches.

The tokens are the plays' 62 characters and the two marks of the chat template, so that a model
pretrained on the plays can be tuned to answer. Every fact is asked in several wordings; of each
fact one wording is held out, so that what is measured was never read in training.
"""

from functools import partial

import torch

from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.fine_tuning.chat import END, START, Message
from reference_impl.fine_tuning.short_answers import KINDS
from reference_impl.pretraining.characters import CHARACTERS, load_characters
from reference_impl.pretraining.data import RandomBatches
from reference_impl.pretraining.optimizer import AdamW, decay_groups
from reference_impl.pretraining.schedule import warmup_cosine
from reference_impl.pretraining.training import train
from reference_impl.pretraining.training_attention import for_training
from reference_impl.tokenization.tokenization import Tokenizer

N_TOKENS = len(CHARACTERS) + 2
CONTEXT_LENGTH = 96
WORDINGS = ("What is {}?", "{}?", "Tell me {}.", "Do you know {}?", "Please, {}.", "Say: {}!")
TOPICS = ("the opposite of {}",)


def character_tokenizer() -> Tokenizer:
    """A token for each character of the plays, numbered as in CHARACTERS, and the two marks.

    >>> character_tokenizer().encode("ab<|im_end|>", allowed_special="all")
    [36, 37, 63]
    """
    characters = {c.encode(): i for i, c in enumerate(CHARACTERS)}
    return Tokenizer(characters, r"(?s:.)", {START: len(CHARACTERS), END: len(CHARACTERS) + 1})


def small_talk() -> tuple[list[list[Message]], list[list[Message]]]:
    """Dialogues to train on, five for each of 16 facts, and dialogues held out, one for each.

    >>> training, held_out = small_talk()
    >>> len(training), len(held_out)
    (80, 16)
    >>> [message["content"] for message in held_out[1]]
    ['', 'the opposite of big?', 'small']
    """
    training, held_out = [], []
    for number, (thing, answer) in enumerate(facts()):
        for i, wording in enumerate(WORDINGS):
            place = held_out if i == number % len(WORDINGS) else training
            place.append(_dialogue(wording.format(thing), answer))
    return training, held_out


def facts() -> list[tuple[str, str]]:
    """What is asked for, such as "the opposite of hot", and the answer."""
    return [
        (topic.format(thing), answer)
        for topic in TOPICS
        for thing, answer in KINDS[f"What is {topic}?"].items()
    ]


def _dialogue(question: str, answer: str) -> list[Message]:
    return [
        {"role": "system", "content": ""},
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
    ]


def base_model(seed: int, n_steps: int = 300) -> Decoder:
    """A decoder of 58,608 parameters that read the plays for `n_steps` steps, about ten seconds.

    It has never seen the chat template: what it has of the two marks are random numbers.
    """
    torch.manual_seed(seed)
    sizes = {"d_model": 48, "n_layers": 2, "n_heads": 3, "n_kv_heads": 3, "head_dim": 16}
    model = for_training(Decoder(ModelConfig(N_TOKENS, CONTEXT_LENGTH, d_ff=128, **sizes)))
    batches = RandomBatches(load_characters()[0], context_length=64, batch_size=16, seed=seed)
    rate = partial(warmup_cosine, n_steps=n_steps, max_lr=6e-3, warmup_steps=n_steps // 10)
    optimizer = AdamW(decay_groups(model, weight_decay=0.1), betas=(0.9, 0.95))
    for _ in train(model, optimizer, batches, n_steps, rate):
        pass
    return model
