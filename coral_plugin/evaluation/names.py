"""Names of methods, data sets and probes as a reader of tables and pictures knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coral_plugin.errors import counted

PROBES: dict[str, str] = {
    "linear": "linear probe", "reference": "published probe", "knn": "nearest neighbours", "ridge": "ridge probe",
}  # fmt: skip
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
    """The name of a registered method as its paper writes it; that of a plugin without underscores.

    >>> method_title("cross_self"), method_title("my_method")
    ('Cross+Self', 'my method')
    """
    return _METHODS.get(name, name.replace("_", " "))


def row_title(name: str, objective: str) -> str:
    """The name of a row of a grid: the method's, as its paper writes it, or the label that the user gave.

    >>> row_title("comm", "comm"), row_title("comm", "clip"), row_title("no_masking", "coral")
    ('CoMM', 'comm', 'no_masking')
    """
    return method_title(name) if name == objective else name


def data_title(dataset: str, name: str | None) -> str:
    """The name of a data set as its paper writes it; arrays of the user's own have the ``name`` of their file.

    Args:
        dataset: Registered name.
        name: ``data`` in ``metrics.json``: the name of the file without its ending.

    >>> data_title("mosi", "mosi"), data_title("arrays", "wear.v2"), data_title("arrays", None)
    ('MOSI', 'wear.v2', 'arrays')
    """
    return name if dataset == "arrays" and name else _DATA.get(dataset, dataset)


def run_names(metrics: Mapping[str, Any]) -> str:
    """Method and data set of a run as a reader knows them.

    >>> run_names({"objective": "coral", "dataset": "arrays", "data": "wearables"})
    'COrAL on wearables'
    """
    names = f"{method_title(metrics['objective'])} on {data_title(metrics['dataset'], metrics.get('data'))}"
    return names + result_suffix(metrics)


def result_suffix(metrics: Mapping[str, Any]) -> str:
    """What a title says of a result beside method and data: labels in the training, another probe than the linear one.

    >>> result_suffix({"finetuned": True}), result_suffix({"probe": {"kind": "knn", "neighbours": 20}})
    (', fine-tuned', ', 20 nearest neighbours')
    """
    probe = metrics.get("probe", {})
    kind = probe.get("kind", "linear")
    count = f"{probe['neighbours']} " if kind == "knn" and probe.get("neighbours") else ""  # 0 chooses their number
    name = f", {count}{PROBES[kind]}" if kind != "linear" else ""
    return (", fine-tuned" if metrics.get("finetuned") else "") + name


def seed_count(counts: Sequence[int]) -> str:
    """The number of seeds behind every mean, ``"5 seeds"``; a range where they differ.

    >>> seed_count([1]), seed_count([5, 5]), seed_count([3, 5])
    ('1 seed', '5 seeds', '3 to 5 seeds')
    """
    least, most = min(counts), max(counts)
    if least < most:
        return f"{least} to {most} seeds"
    return counted(most, "seed")


def sentence_case(text: str) -> str:
    """The text with a capital at its beginning.

    >>> sentence_case("balanced accuracy"), sentence_case("R²")
    ('Balanced accuracy', 'R²')
    """
    return text[:1].upper() + text[1:]
