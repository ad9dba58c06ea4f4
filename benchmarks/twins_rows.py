"""The rows of the twins: which method at which shape against whose code, and what differs on purpose."""

from __future__ import annotations

from dataclasses import dataclass

PADDING = (
    "our batch says which steps are padding, and they are left out of attention, pooling and every layer; in the "
    "released code they are ordinary tokens. No preset has that"
)
SINGLE = (
    "the released code hides a modality of one token (any of which the mask ratio leaves less than one) in every "
    "masked view; here one token stays, and an only one is hidden with the probability of the ratio (`MaskToken`). No "
    "preset has the released way"
)
ORDER = (
    "the released loop trains the critics of the upper bounds after the update of all else, here both updates are of "
    "one moment (`FactorCL`)"
)


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        name: Name in the record.
        reference: Checkout of the authors' class.
        method: Registered name of ours.
        shape: Key of ``twins_ours.SHAPES``.
        what: Note on what is compared.
        part: Function of ``twins_parts.py``, for what is no training step.
        reason: Why the two differ, where they are meant to.
        declared: Whether our batch says what is padding.
        alternate: FactorCL's order of updates as released.
    """

    name: str
    reference: str
    method: str = ""
    shape: str = ""
    what: str = ""
    part: str = ""
    reason: str = ""
    declared: bool = False
    alternate: bool = False

    @property
    def needs(self) -> set[str]:
        """Checkouts that it takes."""
        return {self.reference, "comm"} if self.reference == "factorcl" else {self.reference}


NAMES = {
    "coral": "COrAL", "comm": "CoMM", "infmasking": "InfMasking", "clip": "CLIP", "cross_self": "Cross+Self",
    "cmc": "CMC", "factorcl": "FactorCL", "supervised": "With labels",
}  # fmt: skip
REFERENCES = {"coral": "coral", "infmasking": "infmasking", "factorcl": "factorcl"}
VECTORS = "encoders end in the mean over tokens on both sides, as no configuration is released for this data"
FLAT = "the flattened AlexNet of the authors stands in our network too; our own averages the tokens of the map"
WHAT = {
    ("clip", "mosi"): VECTORS, ("clip", "mimic"): VECTORS, ("clip", "trifeature"): FLAT,
    ("cross_self", "mosi"): VECTORS, ("cross_self", "mimic"): VECTORS, ("cross_self", "trifeature"): FLAT,
    ("cmc", "humor"): "vision, text and audio; encoders end in the mean over tokens",
    ("factorcl", "mosi"): "CoMM's encoders, both of width 40, the last step (`method.pool=last`); without our clipping",
    ("factorcl", "mimic"): "CoMM's encoders at width 512, the last state; without our clipping",
    ("factorcl", "trifeature"): f"{FLAT}; without our clipping",
    ("supervised", "mosi"): "CoMM's fine-tuning (`bce_with_logits`) from the start; both of our views are the sample",
    ("supervised", "mimic"): "the same",
}  # fmt: skip


def _row(method: str, shape: str) -> Row:
    name, what = f"{NAMES[method]}, {shape}", WHAT.get((method, shape), "")
    return Row(name, REFERENCES.get(method, "comm"), method, shape, what)


FUSED = ("coral", "comm", "infmasking")
PAIRED = ("clip", "cross_self", "factorcl")
PAPERS = ("mosi", "mimic", "trifeature")
TINY = [
    *(_row(method, "tiny") for method in (*FUSED, "clip", "cross_self", "factorcl", "supervised")),
    *(_row(method, "tiny, sequences") for method in FUSED),
    _row("cmc", "tiny, three"),
]
GOLDEN = {row.name: row for row in TINY}
FULL = [
    *(_row(method, shape) for method in (*FUSED, *PAIRED) for shape in PAPERS),
    _row("cmc", "humor"),
    *(_row("supervised", shape) for shape in ("mosi", "mimic")),
    Row(
        "COrAL, mosi, padded", "coral", "coral", "mosi, padded",
        "sentences of 5 to 50 steps with zeros behind, which both sides take as steps",
    ),
]  # fmt: skip
PARTS = [
    Row("probe: fits", "comm", part="probe_fits", what="weights of the layer at all seven costs, 100 iterations"),
    Row(
        "probe: scores", "comm", part="probe_scores", what="score on test, with and without valid (theirs is a float32)"
    ),
    Row("SupCon", "comm", part="supcon", what="`losses.supervised_contrast`, value and gradient, τ 0.07 and 0.1"),
    Row("augmentations", "comm", part="augmentations", what="noise, drop, permute, mixup: the same draws"),
    Row("colours", "comm", part="colours", what="jitter, grey, flip against torchvision's functions of tensors"),
]
ON_PURPOSE = [
    Row("COrAL, mosi, padding declared", "coral", "coral", "mosi, padded", reason=PADDING, declared=True),
    Row("InfMasking, one token", "infmasking", "infmasking", "tiny, one token", reason=SINGLE),
    Row("FactorCL, the released order", "factorcl", "factorcl", "tiny", reason=ORDER, alternate=True),
]
ROWS = [*TINY, *PARTS, *ON_PURPOSE, *FULL]
