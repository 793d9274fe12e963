"""The parts of the learner's own model: the pieces of the units that the capstone assembles."""

from dataclasses import dataclass

from grading.course.exercise import Exercise
from grading.course.following import names_of
from grading.course.free_names import free_names
from grading.course.unit import load_unit


@dataclass(frozen=True)
class Part:
    """One part: the unit in which it is written, and the name of its function or class.

    Where there are several names, any one of them will do.
    """

    unit: str
    names: tuple[str, ...]

    @property
    def title(self) -> str:
        """How it is called in lists."""
        return " or ".join(self.names)


PARTS = (
    Part("04_embeddings_and_positions", ("rope_angles",)),
    Part("04_embeddings_and_positions", ("apply_rope",)),
    Part("05_attention", ("attention_weights",)),
    Part("05_attention", ("scaled_dot_product_attention",)),
    Part("05_attention", ("causal_mask",)),
    Part("05_attention", ("split_heads",)),
    Part("05_attention", ("merge_heads",)),
    Part("05_attention", ("grouped_query_attention",)),
    Part("06_decoder", ("rms_norm",)),
    Part("06_decoder", ("swiglu",)),
    Part("06_decoder", ("decoder_block",)),
    Part("06_decoder", ("decoder_logits",)),
    Part("07_tokenization", ("encode",)),
    Part("07_tokenization", ("decode",)),
    Part("08_inference", ("KVCache", "attend_with_cache")),
    Part("08_inference", ("sample",)),
    Part("08_inference", ("generate",)),
    Part("11_fine_tuning", ("render_chat",)),
)


def lacks(exercise: Exercise, text: str) -> str | None:
    """A name that an answer takes from another cell of its notebook; None where it stands alone.

    Other answers, and what the course's own text imports or is given, go with it.
    """
    unit = load_unit(exercise.unit)
    names = names_of(unit.source)
    known = {other.callable for other in unit.exercises} | set(names.imported) | set(names.given)
    return next((name for name in free_names(text) if name not in known), None)
