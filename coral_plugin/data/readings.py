"""How the modalities of a data set were read: one line for each, for people."""

from __future__ import annotations

from collections.abc import Sequence

from coral_plugin.data.dataset import MultimodalData
from coral_plugin.data.modality import Modality
from coral_plugin.data.split import ModalityColumn

_MOST = 10  # feature numbers that are listed


def readings(data: MultimodalData) -> list[str]:
    """One line for each modality: kind, axes in words, type, and what is padded, missing or constant in train."""
    return [f"{m.name}: {reading(m, data.train.columns[m.name])}" for m in data.modalities]


def reading(modality: Modality, train: ModalityColumn) -> str:
    """How one modality was read.

    >>> import torch
    >>> reading(Modality(name="eye", kind="image", shape=(3, 64, 48)), ModalityColumn(torch.zeros(2, 3, 64, 48)))
    'image, 3 channels, 64 x 48, float32'
    """
    told = [_axes(modality, train), str(train.values.dtype).removeprefix("torch.")]
    present = train.presence()
    if missing := int((~present).sum()):
        told.append(f"missing in {_percent(missing / len(train))} of train")
    if len(modality.constant) == modality.features:
        told.append("every feature is constant in train")
    elif modality.constant:
        told.append(f"constant in train: {_listed(modality, modality.constant)}")
    if modality.offset is not None and modality.unit is not None:
        pairs = enumerate(zip(modality.offset, modality.unit, strict=True))
        moved = [at for at, (offset, unit) in pairs if offset or unit != 1]
        told.append(f"centred before it became 32-bit floats: {_listed(modality, moved)}")
    return ", ".join(told)


def _axes(modality: Modality, train: ModalityColumn) -> str:
    shape = modality.shape
    if modality.kind == "image":
        return f"image, {_count(shape[0], 'channel')}, {shape[1]} x {shape[2]}"
    if modality.kind == "tabular":
        return f"table, {_count(shape[0], 'feature')}"
    series = f"{_count(shape[0], 'step')} x {_count(shape[1], 'feature')}"
    if modality.kind == "timeseries":
        return f"series, {series} (kind timeseries)"
    return f"series, up to {series}, {_percent(_padded(modality, train))} padded (kind sequence)"


def _padded(modality: Modality, train: ModalityColumn) -> float:
    """Share of the steps of train that are padding."""
    present = train.presence()
    if train.lengths is None or not present.any():
        return 0.0
    lengths = train.lengths if train.rows is None else train.lengths[train.rows]
    return 1 - float(lengths[present].double().mean()) / modality.shape[0]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or not share else "under 1 %"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _listed(modality: Modality, numbers: Sequence[int]) -> str:
    what = "channel" if modality.kind == "image" else "feature"
    more = len(numbers) - _MOST
    names = ", ".join(map(modality.feature, numbers[:_MOST])) + (f" and {more} more" if more > 0 else "")
    return f"{what}{'' if len(numbers) == 1 else 's'} {names}"
