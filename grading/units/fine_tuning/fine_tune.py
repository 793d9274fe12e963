"""fine_tuning/fine_tune: the loop, step by step, on a small model."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.fine_tuning import drive
from grading.units.fine_tuning.draw import example

LINK = "fine-tuning-loop"
VOCAB, D_MODEL = 11, 5


def cases(rng: np.random.Generator) -> list[Case]:
    """No step, one, several; other rates and batch sizes; one example; old gradients."""
    weights = {
        "embedding.weight": rng.standard_normal((VOCAB, D_MODEL)),
        "output.weight": rng.standard_normal((VOCAB, D_MODEL)),
        "output.bias": rng.standard_normal(VOCAB),
    }
    weights = {name: value.astype(np.float32) for name, value in weights.items()}
    several = [example(rng, n, k, 0, VOCAB) for n, k in ((5, 2), (7, 3), (4, 1), (6, 5), (3, 2))]

    def case(says, n_steps, max_lr=0.1, batch_size=3, examples=several, stale=False, name=""):
        inputs = {"weights": weights, "examples": examples, "n_steps": n_steps}
        inputs |= {"max_lr": max_lr, "batch_size": batch_size, "stale": stale}
        return Case(says, inputs, name=name)

    return [
        case("no step", 0, name="none"),
        case("one step", 1, name="one"),
        case("one step with a smaller rate", 1, max_lr=0.01, name="slower"),
        case("two steps", 2),
        case("five steps", 5, name="five"),
        case("one step with gradients of an earlier run", 1, stale=True, name="stale"),
        case("a batch of one", 3, batch_size=1),
        case("a batch with more rows than there are examples", 2, batch_size=13),
        case("a single example", 3, examples=several[1:2]),
        case("a small rate", 6, max_lr=0.001),
        case("a large rate", 6, max_lr=1.0),
    ]


# --- right in other ways ---------------------------------------------------------------------


def with_a_scheduler(model, examples, n_steps, max_lr, batch_size=8):
    """PyTorch's schedule, and its own cross-entropy."""
    optimizer = torch.optim.AdamW(model.parameters(), max_lr, (0.9, 0.95), weight_decay=0)
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: 1 - s / max(n_steps, 1))
    losses = []
    for step in range(n_steps):
        drawn = torch.randint(0, len(examples), [batch_size], generator=_seeded(step))
        inputs, targets = _batch([examples[i] for i in drawn])
        optimizer.zero_grad(set_to_none=False)
        loss = torch.nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        losses.append(float(loss.detach()))
        loss.backward()
        optimizer.step()
        falling.step()
    return losses


def by_hand(model, examples, n_steps, max_lr, batch_size=8):
    """AdamW without decay, written out."""
    parameters = list(model.parameters())
    first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    losses = []
    for step in range(n_steps):
        rate = max_lr * (n_steps - step) / n_steps
        drawn = torch.randint(len(examples), (batch_size,), generator=_seeded(step))
        inputs, targets = _batch([examples[int(i)] for i in drawn])
        log_p = model(inputs).log_softmax(-1)
        real = targets != -100
        loss = -log_p[real].gather(1, targets[real][:, None]).mean()
        for i, gradient in enumerate(torch.autograd.grad(loss, parameters)):
            first[i] = 0.9 * first[i] + 0.1 * gradient
            second[i] = 0.95 * second[i] + 0.05 * gradient**2
            up, down = first[i] / (1 - 0.9 ** (step + 1)), second[i] / (1 - 0.95 ** (step + 1))
            parameters[i].data -= rate * up / (down.sqrt() + 1e-8)
        losses.append(loss.item())
    return losses


def with_adam(model, examples, n_steps, max_lr, batch_size=8):
    """Adam is AdamW where nothing decays; gradients cleared behind each step."""
    model.zero_grad()
    optimizer = torch.optim.Adam(list(model.parameters()), betas=(0.9, 0.95), lr=1.0)
    history = [0.0] * n_steps
    for step, left in enumerate(range(n_steps, 0, -1)):
        for group in optimizer.param_groups:
            group.update(lr=max_lr * left / n_steps)
        numbers = torch.randint(high=len(examples), size=(batch_size,), generator=_seeded(step))
        inputs, targets = _batch(list(map(examples.__getitem__, numbers.tolist())))
        logits = model(inputs).permute(0, 2, 1)  # batch vocab seq
        loss = torch.nn.CrossEntropyLoss(ignore_index=-100)(logits, targets)
        loss.backward()
        optimizer.step()
        model.zero_grad()
        history[step] = loss.item()
    return history


def _seeded(step):
    generator = torch.Generator()
    generator.manual_seed(step)
    return generator


def _batch(examples):
    pad = torch.nn.utils.rnn.pad_sequence
    inputs = pad([ids[:-1] for ids, _ in examples], batch_first=True)
    targets = [torch.where(learned, ids, -100)[1:] for ids, learned in examples]
    return inputs, pad(targets, batch_first=True, padding_value=-100)


# --- wrong in known ways -----------------------------------------------------------------------

BETAS = "betas=(0.9, 0.95), weight_decay=0.0"
MAKE = "model.parameters(), lr=max_lr, betas=(0.9, 0.95), weight_decay=0.0"
LOOP = "for step in range(n_steps):"
RATE = 'optimizer.param_groups[0]["lr"] = max_lr * (1 - step / n_steps)'
SEED = "generator = Generator().manual_seed(step)"
DRAW = "numbers = torch.randint(len(examples), (batch_size,), generator=generator).tolist()"
BATCH = "inputs, targets = sft_batch([examples[number] for number in numbers])"
LOSS = "loss = next_token_loss(model(inputs), targets)"
ZERO = "optimizer.zero_grad()"
BACK = "loss.backward()"
STEP = "optimizer.step()"
APPEND = "losses.append(loss.item())"
RETURN = "return losses"

MISCONCEPTIONS = (
    Misconception(
        "gradients-pile-up",
        "The gradients of earlier steps, or of an earlier run, are still there: `backward` adds to "
        "them. They are cleared before each step.",
        LINK,
        {ZERO: "pass"},
    ),
    Misconception(
        "cleared-behind-the-step-alone",
        "Gradients from before the run count in its first step. They are cleared before "
        "`backward`.",
        LINK,
        {ZERO: "pass", STEP: "optimizer.step()\n        optimizer.zero_grad()"},
    ),
    Misconception(
        "constant-rate",
        "The rate stays at its highest. It falls in a line over the run.",
        LINK,
        {RATE: "pass"},
    ),
    Misconception(
        "rising-rate",
        "The rate rises over the run. It starts at its highest and falls.",
        LINK,
        {RATE: 'optimizer.param_groups[0]["lr"] = max_lr * step / n_steps'},
    ),
    Misconception(
        "rate-falls-a-step-early",
        "The rate is that of the next step: the first one is lower already, and the last is 0.",
        LINK,
        {RATE: 'optimizer.param_groups[0]["lr"] = max_lr * (1 - (step + 1) / n_steps)'},
    ),
    Misconception(
        "rate-falls-to-0",
        "The rate reaches 0 at the last step, which then changes nothing. Divided by `n_steps`, it "
        "would be 0 only behind it.",
        LINK,
        {RATE: RATE.replace("step / n_steps", "step / max(n_steps - 1, 1)")},
    ),
    Misconception(
        "steps-less-one",
        "The step is divided by `n_steps` - 1. That is 0 for a run of one step, and makes the last "
        "rate of a longer one 0.",
        LINK,
        {RATE: RATE.replace("step / n_steps", "step / (n_steps - 1)")},
    ),
    Misconception(
        "cosine-rate",
        "The rate falls along a wave, as in pretraining. Here it falls in a line.",
        LINK,
        {RATE: 'wave = (1 + math.cos(math.pi * step / n_steps)) / 2\n'
               '        optimizer.param_groups[0]["lr"] = max_lr * wave'},
    ),
    Misconception(
        "rate-multiplied-up",
        "The rate falls faster and faster: the one before is multiplied again. It is a share of "
        "`max_lr`.",
        LINK,
        {RATE: 'optimizer.param_groups[0]["lr"] *= 1 - step / n_steps'},
    ),
    Misconception(
        "new-optimizer-each-step",
        "The optimizer's moments are lost after every step, as when it is made anew in the loop.",
        LINK,
        {ZERO: "optimizer.zero_grad()\n        optimizer.state.clear()"},
    ),
    Misconception(
        "default-decay",
        "The weights decay. PyTorch's AdamW does that by itself, by 0.01, where nothing is said.",
        LINK,
        {BETAS: "betas=(0.9, 0.95)"},
    ),
    Misconception(
        "decay-of-pretraining",
        "The weights decay by a tenth of the rate, as in pretraining. Here they do not.",
        LINK,
        {BETAS: "betas=(0.9, 0.95), weight_decay=0.1"},
    ),
    Misconception(
        "default-betas",
        "The second moment remembers longer: its beta is 0.999, PyTorch's own. 0.95 was asked for.",
        LINK,
        {BETAS: "weight_decay=0.0"},
    ),
    Misconception(
        "gradient-descent",
        "The steps are those of plain gradient descent. AdamW was asked for.",
        LINK,
        {"optimizer = torch.optim.AdamW(": "optimizer = torch.optim.SGD(",
         MAKE: "model.parameters(), lr=max_lr"},
    ),
    Misconception(
        "same-batch-each-time",
        "Every step reads the batch of the first. The generator is seeded with the step's number.",
        LINK,
        {SEED: "generator = Generator().manual_seed(0)"},
    ),
    Misconception(
        "not-repeatable",
        "The batches are not those of a generator that is seeded with the step's number.",
        LINK,
        {SEED: "generator = Generator().manual_seed(12345 + step)"},
    ),
    Misconception(
        "seed-from-1",
        "The batches are those of the steps after: steps are counted from 0, and so are the seeds.",
        LINK,
        {SEED: "generator = Generator().manual_seed(step + 1)"},
    ),
    Misconception(
        "one-generator-for-all",
        "One generator draws all batches. Each step has a new one, so that it can be repeated by "
        "itself.",
        LINK,
        {LOOP: "generator = Generator().manual_seed(0)\n    for step in range(n_steps):",
         SEED: "pass"},
    ),
    Misconception(
        "examples-in-order",
        "The examples come in their order. They are drawn.",
        LINK,
        {DRAW: "numbers = [(step * batch_size + i) % len(examples) for i in range(batch_size)]"},
    ),
    Misconception(
        "no-example-twice",
        "No example comes twice in a batch, as in a permutation, and a batch may have too few "
        "rows. `torch.randint` draws each number anew.",
        LINK,
        {DRAW: "permuted = torch.randperm(len(examples), generator=generator)\n"
               "        numbers = permuted[:batch_size].tolist()"},
    ),
    Misconception(
        "last-example-never-drawn",
        "The last example is never drawn: `torch.randint` leaves out its upper end by itself.",
        LINK,
        {DRAW: DRAW.replace("len(examples)", "max(len(examples) - 1, 1)")},
    ),
    Misconception(
        "all-examples-each-time",
        "Every step reads all examples. It takes a batch of them.",
        LINK,
        {DRAW: "numbers = range(len(examples))"},
    ),
    Misconception(
        "loss-on-the-questions-too",
        "The loss counts every token, those of the questions as well.",
        "fine-tuning-mask",
        {BATCH: "chosen = [examples[number] for number in numbers]\n"
                "        inputs, targets = sft_batch(chosen)\n"
                "        everything = [(ids, torch.ones_like(on)) for ids, on in chosen]\n"
                "        _, targets = sft_batch(everything)"},
    ),
    Misconception(
        "sum-of-losses",
        "The loss is the sum over the targets. The mean was asked for.",
        LINK,
        {LOSS: "loss = next_token_loss(model(inputs), targets) * (targets != -100).sum()"},
    ),
    Misconception(
        "loss-after-the-step",
        "The losses are those after each step. Those before it were asked for.",
        LINK,
        {APPEND: "with torch.no_grad():\n"
                 "            losses.append(next_token_loss(model(inputs), targets).item())"},
    ),
    Misconception(
        "no-step-made",
        "The model stays as it is: no step is made, or the gradients are cleared between "
        "`backward` "
        "and the step.",
        LINK,
        {STEP: "pass"},
    ),
    Misconception(
        "one-step-too-few",
        "A step is missing: `n_steps` are to be made.",
        LINK,
        {LOOP: "for step in range(n_steps - 1):"},
    ),
    Misconception(
        "losses-as-tensors",
        "The losses are tensors. Plain floats are wanted: a tensor keeps its whole graph in "
        "memory.",
        LINK,
        {APPEND: "losses.append(loss)"},
    ),
    Misconception(
        "last-loss-alone",
        "Only the last loss is returned. That of every step is wanted.",
        LINK,
        {RETURN: "return losses[-1] if losses else 0.0"},
    ),
    Misconception(
        "mean-loss",
        "The mean of the losses is returned. That of every step is wanted.",
        LINK,
        {RETURN: "return sum(losses) / max(len(losses), 1)"},
    ),
    Misconception(
        "running-mean",
        "Each number is the mean of all losses so far. The loss of each step's own batch is "
        "wanted.",
        LINK,
        {RETURN: "return [sum(losses[:n]) / n for n in range(1, len(losses) + 1)]"},
    ),
    Misconception(
        "model-returned",
        "The model is returned. It is changed already; the losses are wanted.",
        LINK,
        {RETURN: "return model"},
    ),
)  # fmt: skip

EXERCISE = Exercise(
    id="fine_tuning/fine_tune",
    callable="fine_tune",
    title="The loop",
    parts={"all": 3},
    minutes=18,
    difficulty="hard",
    link=LINK,
    cases=cases,
    drive=drive.tuned,
    depends=("fine_tuning/sft_batch",),
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "`9` for `8`": "the check hands over every argument",
        "`7` for `8`": "the check hands over every argument",
        "`torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.0)` for "
        "`torch.optim.AdamW(model.parameters(), lr=max_lr, betas=(0.9, 0.95), "
        "weight_decay=0.0)`": "the rate is set before each step",
        "`batch_size` for `max_lr`": "the rate is set before each step",
        "`n_steps` for `max_lr`": "the rate is set before each step",
        "`optimizer.param_groups[-1]` for `optimizer.param_groups[0]`": "there is one group",
        "`torch.randint(len(examples), (batch_size,), generator=generator)` for "
        "`torch.randint(len(examples), (batch_size,), generator=generator).tolist()`": "a tensor "
        "of one whole number may be an index",
    },
    alternatives=(with_a_scheduler, by_hand, with_adam),
    rtol=1e-3,
    atol=1e-4,
    properties=(
        Property(
            "old-gradients-do-not-count",
            "The model that came with gradients of an earlier run ended elsewhere.",
            LINK,
            ("one", "stale"),
            lambda one, stale: all(
                np.allclose(one["parameters"][name], stale["parameters"][name], atol=1e-4)
                for name in one["parameters"]
            ),
        ),
    ),
)
