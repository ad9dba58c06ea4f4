"""Names as a reader of a picture knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_METHODS = {
    "coral": "COrAL", "comm": "CoMM", "infmasking": "InfMasking", "factorcl": "FactorCL", "focal": "FOCAL",
    "decur": "DeCUR", "clip": "CLIP", "cross_self": "Cross+Self", "cmc": "CMC", "simclr": "SimCLR", "slip": "SLIP",
    "mae": "masked autoencoder", "concat_raw": "raw features", "supervised": "supervised",
}  # fmt: skip


_DATA = {
    "trifeature": "Trifeature", "avmnist": "AV-MNIST", "mosi": "MOSI", "mosei": "MOSEI", "humor": "UR-FUNNY",
    "sarcasm": "MUStARD", "mimic": "MIMIC", "imdb": "MM-IMDb", "enrico": "ENRICO", "push": "gentle push",
    "robotics": "Vision & Touch",
}  # fmt: skip


def method_title(name: str) -> str:
    """The name of a method as its paper writes it; another name without underscores.

    >>> method_title("cross_self"), method_title("no_masking")
    ('Cross+Self', 'no masking')
    """
    return _METHODS.get(name, name.replace("_", " "))


def data_title(dataset: str, path: str | None) -> str:
    """The name of a data set; where a file of the user's own was read, the name of the file.

    >>> data_title("mosi", "data/mosi.pkl"), data_title("arrays", "data/wearables.npz")
    ('MOSI', 'wearables')
    """
    return Path(path).stem if dataset == "arrays" and path else _DATA.get(dataset, dataset)


def run_names(metrics: Mapping[str, Any]) -> str:
    """Method and data set of a run as a reader knows them.

    >>> run_names({"objective": "coral", "dataset": "arrays", "data": "wearables.npz"})
    'COrAL on wearables'
    """
    tuned = ", fine-tuned" if metrics.get("finetuned") else ""
    return f"{method_title(metrics['objective'])} on {data_title(metrics['dataset'], metrics.get('data'))}{tuned}"


def seed_count(counts: Sequence[int]) -> str:
    """The number of seeds behind every mean, ``"5 seeds"``; a range where they differ.

    >>> seed_count([1]), seed_count([5, 5]), seed_count([3, 5])
    ('1 seed', '5 seeds', '3 to 5 seeds')
    """
    least, most = min(counts), max(counts)
    if least < most:
        return f"{least} to {most} seeds"
    return f"{most} seed{'s' if most != 1 else ''}"


def sentence_case(text: str) -> str:
    """The text with a capital at its beginning.

    >>> sentence_case("balanced accuracy"), sentence_case("R²")
    ('Balanced accuracy', 'R²')
    """
    return text[:1].upper() + text[1:]
