"""What goes wrong with the factor of an adapter, alpha / rank, wherever it is used."""

from grading.course.exercise import Misconception

LINK = "fine-tuning-lora"
SCALE = "scale = alpha / a.shape[0]"

WRONG_SCALES = (
    Misconception(
        "scale-missing",
        "The adapter is added as it is: alpha / rank is missing.",
        LINK,
        {SCALE: "scale = 1.0"},
    ),
    Misconception(
        "alpha-alone",
        "The adapter is multiplied by alpha and not divided by the rank.",
        LINK,
        {SCALE: "scale = alpha"},
    ),
    Misconception(
        "alpha-times-rank",
        "The adapter is multiplied by the rank. It is divided by it.",
        LINK,
        {SCALE: "scale = alpha * a.shape[0]"},
    ),
    Misconception(
        "rank-over-alpha",
        "The factor is upside down: rank / alpha.",
        LINK,
        {SCALE: "scale = a.shape[0] / alpha"},
    ),
    Misconception(
        "over-d-in",
        "alpha is divided by the number of inputs. It is divided by the rank, the short side of A.",
        LINK,
        {SCALE: "scale = alpha / a.shape[1]"},
    ),
    Misconception(
        "over-d-out",
        "alpha is divided by the number of outputs. It is divided by the rank.",
        LINK,
        {SCALE: "scale = alpha / b.shape[0]"},
    ),
    Misconception(
        "over-root-of-rank",
        "alpha is divided by the root of the rank. That is another method; here it is the rank.",
        LINK,
        {SCALE: "scale = alpha / a.shape[0] ** 0.5"},
    ),
    Misconception(
        "whole-division",
        "The factor was rounded down to a whole number.",
        LINK,
        {SCALE: "scale = alpha // a.shape[0]"},
    ),
)
