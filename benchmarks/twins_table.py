"""The page of the twins' record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twins_ours import EPOCH, EPOCHS, SHAPES, STEPS
from twins_rows import FULL, ON_PURPOSE, PARTS, TINY, Row

REPOSITORIES = {
    "coral": "Caro-Ci/COrAL", "comm": "Duplums/CoMM", "infmasking": "brightest66/InfMasking",
    "factorcl": "pliang279/FactorCL",
}  # fmt: skip
NAMED = {"coral": "COrAL", "comm": "CoMM", "infmasking": "InfMasking", "factorcl": "FactorCL"}
COLUMNS = {
    "loss": "loss", "gradient": "gradient", "parameter": "parameter", "parameter_rounding": "no gradient",
    "embedding": "embedding",
}  # fmt: skip
HEADER = ("row", "class of", "preset", "parameters", *COLUMNS.values(), "what else")
INTRODUCTION = f"""# Twins: the authors' classes and ours, {STEPS} steps side by side

`benchmarks/twins.py` gives the authors' class and ours the same weights, views and masks, no dropout, and takes {STEPS}
steps of each in float64, each with its own loss, backward pass and optimiser. The table has the largest absolute
difference of any term of the loss, of any gradient, of any parameter after a step, and of the embedding of samples in
evaluation mode behind the last step. Weights, values and masks are formulas of an index; `twins.json` has every step.

The rate, decay and settings of their side are those of their scripts, of our side those of the preset.
"""
NOTES = f"""
* *no gradient* is the parameters whose gradient is zero but for rounding (below 1e-11 of the largest): biases in front
  of a batch normalisation, and what only shifts an attention's scores. Adam divides such a gradient by itself and so
  makes a difference of 1e-14 one of 1e-9. Some of them shift an embedding by as much, and on images an embedding of
  Cross+Self sums over 9,216 parameters. *parameter* is all others.
* COrAL has `--preset released` (on Trifeature `released_trifeature`): constant mask ratio, squared cosine, the first
  view masks the first modality, copies at the start.
* InfMasking's covariance is that of epoch {EPOCH + 1} of {EPOCHS}; within an epoch ours grows step by step. The
  released code also fuses masked copies of each modality alone and throws them away. They go through the head, whose
  running statistics, which no embedding uses, therefore differ.
* CLIP's scale is clamped to 4.6052 in the released code, to log 100 here.
* On images our position codes (computed in float64, rounded once) and theirs (float32 throughout) differ by up to
  {{positions}}; both sides have theirs here. Their AlexNets hold a linear layer that maps do not use.
* The released FactorCL takes its two steps after each other; in this table both are of one moment, as in our code.
* The released fusion turns its padding mask into float32. On a CPU torch 2.13's attention reads it wrongly beside
  float64 queries, without an error, so it is float64 here. In float32, where the released code runs, nothing is wrong.
"""
ELSE = """
Not compared: SimCLR's crop and blur (theirs work on whole pixels of 8-bit pictures through PIL, ours on batches of
floating-point numbers), and the order of the colour operations, which torchvision draws and we fix. Neither are
`drop_consecutive` and `crop`, which no released run uses: theirs never draws the last possible start. In the row of
colours the weight of red is torchvision's 0.2989; ours is PIL's 0.299. SimCLR and SLIP have no row: their released
configurations are for MM-IMDb. MAE, FOCAL and DeCUR are not these authors'.
"""


def page(record: Mapping[str, Any]) -> str:
    """README.md of the record."""
    rows = record["rows"]
    positions = max((row["differences"].get("position_codes", 0) for row in rows.values()), default=0.0)
    shapes = "\n".join(f"* *{name}*: {_shape(name)}" for name in SHAPES)
    environment = record["environment"]
    commits = ", ".join(
        f"{NAMED[name]} ({REPOSITORIES[name]}) {commit[:7]}" for name, commit in sorted(record["references"].items())
    )
    commits_here = sorted({(row.get("commit") or "unknown")[:7] for row in rows.values()})
    packages = ", ".join(f"{name} {version}" for name, version in environment["packages"].items() if version)
    return "\n".join(
        [
            INTRODUCTION,
            _table(rows, FULL),
            "\nTiny shapes, whose numbers `golden.json` keeps for the tests:\n",
            _table(rows, TINY),
            NOTES.format(positions=_number(positions)),
            "## What differs on purpose\n",
            _table(rows, ON_PURPOSE),
            "\n## Probe, SupCon, augmentations\n",
            _parts(rows),
            ELSE,
            "## Shapes\n",
            shapes,
            f"\nReferences: {commits}. Ours: {', '.join(commits_here)}. {environment['processor']};",
            f"Python {environment['python']}, {packages}. Measured {environment['when'][:10]} by\n",
            "```\npython benchmarks/twins.py --reference COrAL CoMM InfMasking FactorCL\n```\n",
        ]
    )


def _table(rows: Mapping[str, Any], wanted: Sequence[Row]) -> str:
    lines = []
    for row in wanted:
        if (measured := rows.get(row.name)) is None:
            continue
        differences = measured["differences"]
        numbers = [_number(differences[name]) for name in COLUMNS]
        count = f"{differences['parameters']:,}"
        lines.append([row.name, NAMED[row.reference], measured["preset"], count, *numbers, row.reason or row.what])
    return _lines(HEADER, lines)


def _parts(rows: Mapping[str, Any]) -> str:
    lines = []
    for row in PARTS:
        if row.name in rows:
            differences = rows[row.name]["differences"]
            listed = "; ".join(f"{name} {_number(value)}" for name, value in differences.items())
            lines.append([row.name, row.what, _number(max(differences.values())), listed])
    return _lines(("row", "what is compared", "largest difference", "each"), lines)


def _lines(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(header)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *lines))


def _number(value: float) -> str:
    return "0" if value == 0 else f"{value:.0e}" if value < 1e-3 else f"{value:.2g}"


def _shape(name: str) -> str:
    shape = SHAPES[name]
    parts = ", ".join(f"{m.name} {' x '.join(map(str, m.shape))}" for m in shape.modalities)
    sizes = ", ".join(f"{key} {value}" for key, value in shape.sizes.items())
    return f"{parts}; {shape.batch} samples{'; ' + sizes if sizes else ''}"
