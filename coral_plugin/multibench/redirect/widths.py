"""Affect features of other widths than a script is written for.

MultiBench's affect scripts hold the widths of one published pack in the sizes of their encoders and heads. Another
pickle in the same layout fits none of them. Its features are brought to the script's widths here, in the open: a
modality with fewer gets zeros behind them; one with more is projected on the leading directions of train (a singular
value decomposition of the columns, each divided by its root mean square, without centring: steps of zeros, which are
padding, stay zeros). The labels have no part in it, and the file is not changed.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Widths = dict[str, int]

_RAW = {"vision": 35, "audio": 74, "text": 300}
_JOINT = {"vision": 371, "audio": 81, "text": 300}
# pickle that a script names -> widths of its features
PACKS: dict[str, Widths] = {
    "mosi_raw.pkl": _RAW,
    "mosi_data.pkl": {"vision": 20, "audio": 5, "text": 300},
    "mosei_raw.pkl": _RAW,
    "mosei_senti_data.pkl": _RAW,
    "sarcasm.pkl": _JOINT,
    "humor.pkl": _JOINT,
}


def expected(script: Path, script_path: str) -> Widths:
    """Widths that ``script`` is written for: those of the pack it names, if its numbers are in the script.

    Args:
        script: A Python file.
        script_path: Path of the pickle in the script.

    Returns:
        Widths by modality; empty where the script does not determine them.
    """
    widths = PACKS.get(Path(script_path).name, {})
    numbers = _numbers(script)
    known = {*widths.values(), sum(widths.values())} - {0}
    return widths if known & numbers else {}


def _numbers(script: Path) -> set[int]:
    try:
        tree = ast.parse(script.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is int}


def fit_widths(content: Any, widths: Mapping[str, int]) -> tuple[Any, list[str]]:
    """The content of an affect pickle with features of ``widths``, and what was done to each modality.

    Args:
        content: ``{split: {modality: (N, T, d), "labels": ..., "id": ...}}``; anything else comes back as it is.
        widths: Widths by modality.

    Returns:
        The content, and one line for each modality that was changed.
    """
    train = content.get("train") if isinstance(content, dict) else None
    if not isinstance(train, dict):
        return content, []
    changes: list[str] = []
    maps: dict[str, np.ndarray] = {}
    for name, width in widths.items():
        features = train.get(name)
        if not isinstance(features, np.ndarray) or features.ndim != 3 or features.shape[2] == width:
            continue
        maps[name], line = _map(_finite(features), width)
        changes.append(f"{name} {features.shape[2]} -> {width} ({line})")
    fitted = {
        split: {name: _finite(part[name]) @ maps[name] if name in maps else part[name] for name in part}
        if isinstance(part, dict)
        else part
        for split, part in content.items()
    }
    return fitted, changes


def _map(features: np.ndarray, width: int) -> tuple[np.ndarray, str]:
    """The matrix (d, width) that brings features to ``width``, and what it does."""
    held = features.shape[2]
    if held < width:
        return np.eye(held, width, dtype=features.dtype), "zeros behind"
    rows = features.reshape(-1, held).astype(np.float64)
    scale = np.sqrt(np.square(rows).mean(axis=0))
    scale[scale == 0] = 1  # a column of zeros
    energies, directions = np.linalg.eigh((rows / scale).T @ (rows / scale))  # ascending
    kept = energies[-width:].sum() / max(energies.sum(), np.finfo(float).tiny)
    leading = directions[:, ::-1][:, :width]
    # an eigenvector may point either way: its largest part is made positive, so that every machine has the same
    leading = leading * np.sign(leading[np.abs(leading).argmax(axis=0), np.arange(width)]) / scale[:, None]
    return leading.astype(features.dtype), f"leading directions of train, {100 * kept:.1f} % of its scaled energy"


def _finite(features: np.ndarray) -> np.ndarray:
    """MultiBench sets -inf, of which its audio has some, to zero later; they would spread over all columns here."""
    return np.where(np.isfinite(features), features, 0)
