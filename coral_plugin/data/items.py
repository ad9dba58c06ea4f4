"""Items of a map-style data set, read by index: their form, their shapes, and a batch of them as columns hold it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from coral_plugin.data.arrays import as_split
from coral_plugin.data.modality import Modality
from coral_plugin.data.split import Split
from coral_plugin.data.split_arrays import LENGTH, PRESENT, names_labels
from coral_plugin.data.values import as_array, as_values, is_frame
from coral_plugin.errors import CoralError, InputError, one_line, short

LABEL_KEYS = ("labels", "label")


@dataclass(frozen=True)
class Items:
    """The items of one split: dictionaries ``{modality: value}`` with a label, or tuples ``(x1, ..., xM, label)``.

    Attributes:
        dataset: Object with ``__len__`` and ``__getitem__``.
        names: Names of the modalities, in order.
        label: Key of the label in a dictionary; empty without labels.
        complete: Whether a dictionary may have no other keys.
        source: Name of the split, for messages.
        first: ``{modality: value}`` of the first item that has it.
    """

    dataset: Any
    names: tuple[str, ...]
    label: str
    complete: bool
    source: str
    first: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.dataset)

    def item(self, number: int) -> tuple[dict[str, np.ndarray | None], Any]:
        """Values of an item, None where it lacks a modality, and its label.

        Raises:
            InputError: it cannot be read, or has other modalities, numbers of dimensions or types; it is named.
        """
        place = f"{self.source}, item {number}"
        try:
            content = self.dataset[number]
        except CoralError:
            raise
        except Exception as error:
            raise InputError(f"{place} cannot be read: {one_line(error)}.") from error
        values, label = self._named(content, place)
        arrays: dict[str, np.ndarray | None] = {}
        for name, value in values.items():
            if value is None:
                arrays[name] = None
                continue
            if getattr(value, "mode", None) == "P":  # a picture of numbers of colours
                value = value.convert("RGB")
            array = arrays[name] = as_array(value if np.ndim(value) else [value], name, place)
            first = self.first.get(name, array)
            steps = slice(1 if array.ndim == 2 else 0, None)  # lengths may vary
            if array.ndim != first.ndim or array.shape[steps] != first.shape[steps]:
                raise InputError(f"{place}: {name} has shape {array.shape}, the first item has {first.shape}.")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise InputError(f"{place}: {name} holds values that are not finite; fill them in, or leave it out.")
        if all(array is None for array in arrays.values()):
            raise InputError(f"{place} has no modality at all; leave it out.")
        return arrays, label

    def arrays(self, numbers: Iterable[int], prefix: str = "") -> tuple[dict[str, Any], list[Any]]:
        """``{prefix + key: values}`` of some items, as ``from_arrays`` takes them, and their labels."""
        rows = [self.item(int(number)) for number in numbers]
        arrays: dict[str, Any] = {}
        for name in self.names:
            values = [row[name] for row, _ in rows]
            present = np.array([value is not None for value in values])
            if not present.all():
                arrays[f"{prefix}{name}/{PRESENT}"] = present
            arrays[prefix + name] = [np.zeros_like(self.first[name]) if value is None else value for value in values]
        return arrays, [label for _, label in rows]

    def _named(self, content: Any, place: str) -> tuple[dict[str, Any], Any]:
        """``{modality: value}`` and the label of what the data set gives for an item."""
        keys = (*self.names, *([self.label] if self.label else []))
        if isinstance(content, tuple | list) and len(content) == len(keys):
            content = dict(zip(keys, content, strict=True))
        if not isinstance(content, Mapping):
            seen = f"{len(content)} entries" if isinstance(content, tuple | list) else short(type(content))
            raise InputError(f"{place} has {seen}; {len(keys)} are needed: {', '.join(keys)}.")
        if missing := [key for key in keys if key not in content]:
            raise InputError(f"{place} lacks {missing[0]}; give None where it has no such modality.")
        if self.complete and (extra := [key for key in content if key not in keys]):
            raise InputError(f"{place} has {extra[0]}, which the first item lacks; name the modalities that are used.")
        return {name: content[name] for name in self.names}, content[self.label] if self.label else None


class ItemReader:
    """Batches of items in the form of columns; the last one is kept, since each modality asks for its own values.

    Args:
        items: Items of the split.
        modalities: Modalities, as their values are read.
        timed: Names of the series whose steps are all valid, however many they are; zeros at the end of others are
            padding.
        pixels: Names of the images of whole numbers.
    """

    def __init__(self, items: Items, modalities: Iterable[Modality], timed: set[str], pixels: set[str]) -> None:
        self.items, self.timed, self.pixels = items, timed, pixels
        # images are refused by the bounds of train, which are those of a part of it here
        self.modalities = tuple(replace(modality, bounds=None) for modality in modalities)
        self._last: tuple[bytes, Split] | None = None

    def values(self, name: str, rows: np.ndarray) -> Tensor:
        """The values (B, ...) of one modality in the items ``rows`` (B,)."""
        key = rows.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, self.read(rows)[0]
        values = self._last[1].columns[name].values
        assert isinstance(values, Tensor)  # noqa: S101
        return values

    def read(self, rows: Sequence[int] | np.ndarray) -> tuple[Split, list[Any]]:
        """The items ``rows`` as a split without targets, and their labels.

        Raises:
            InputError: a shape, type or value that differs from those of the first items; the item is named.
        """
        arrays, labels = self.items.arrays(rows)
        try:
            return self._split(arrays, self.items.source), labels
        except InputError:
            for row in rows:
                self._split(self.items.arrays([row])[0], f"{self.items.source}, item {row}")
            raise

    def _split(self, arrays: dict[str, Any], place: str) -> Split:
        for modality in self.modalities:
            name = modality.name
            if modality.kind != "sequence":
                shapes = {value.shape for value in arrays[name]} - {self.items.first[name].shape}
                if shapes:
                    more = f"; say kinds={{{name!r}: 'sequence'}} where lengths vary" if modality.temporal else ""
                    raise InputError(
                        f"{place}: {name} has shape {shapes.pop()}, the first item has {self.items.first[name].shape}"
                        f"{more}."
                    )
                continue
            if name in self.timed:
                arrays[f"{name}/{LENGTH}"] = np.array([len(value) for value in arrays[name]])
            arrays[name] = as_values(arrays[name], name, place)[0]
        split = as_split(arrays, self.modalities, place)
        for name, column in split.columns.items():
            if (column.values.dtype.itemsize == 1) != (name in self.pixels):
                wanted = "whole numbers (pixels)" if name in self.pixels else "floats"
                raise InputError(f"{place}: {name} is of another type than in the first items, which have {wanted}.")
        return split

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_last": None}


def items_of(dataset: Any, names: Sequence[str] | None, label: str | None, source: str) -> Items:
    """The items of a data set, with the names of their modalities from the first one.

    Args:
        dataset: Object with ``__len__`` and ``__getitem__``.
        names: Names of the modalities; None takes all keys of the first item, of tuples ``modality0``, ...
        label: Key of the label; None takes ``labels`` or ``label``, where there is one.
        source: Name of the split, for messages.

    Raises:
        InputError: no items, an item of another form, or one that changes when it is read again.
    """
    if not is_dataset(dataset) or not len(dataset):
        raise InputError(f"{source} needs a data set with __len__ and __getitem__ and an item, got {short(dataset)}.")
    try:
        content = dataset[0]
    except CoralError:
        raise
    except Exception as error:
        raise InputError(f"{source}, item 0 cannot be read: {one_line(error)}.") from error
    if isinstance(content, Mapping):
        keys = [str(key) for key in content]
        label = next((key for key in LABEL_KEYS if key in keys), "") if label is None else label
        if names is None and not label:
            for key in keys:
                if names_labels(key, getattr(content[key], "shape", ())):
                    raise InputError(
                        f"{source}: {key} would be read as a modality; where it is the label, say label={key!r}, else "
                        "name the modalities that are used."
                    )
        known = tuple(names) if names is not None else tuple(key for key in keys if key != label)
    else:
        size = len(content) if isinstance(content, tuple | list) else 0
        known = tuple(names) if names is not None else tuple(f"modality{at}" for at in range(size - 1))
        label = "labels" if size > len(known) else ""
    if not known:
        raise InputError(f"{source}, item 0 is {short(content)}; give {{modality: value}} or (x1, ..., xM, label).")
    items = Items(dataset, known, label, names is None, source, {})
    values, again = items.item(0)[0], items.item(0)[0]
    if any(a is not None and b is not None and not np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
           for a, b in zip(values.values(), again.values(), strict=True)):  # fmt: skip
        raise InputError(
            f"{source}, item 0 differs when it is read again: take random transforms out of the data set and give "
            "them as augmentations, or no run could be resumed."
        )
    first = {name: value for name, value in values.items() if value is not None}
    for number in range(1, len(items)):
        if len(first) == len(known):
            break
        first |= {n: v for n, v in items.item(number)[0].items() if v is not None and n not in first}
    if unseen := [name for name in known if name not in first]:
        raise InputError(f"{source}: no item has modality {unseen[0]}; leave it out.")
    return replace(items, first=first)


def is_dataset(value: Any) -> bool:
    """Whether a value gives items by number: a map-style data set, or columns that are read row by row.

    Neither a data frame nor a list of arrays does: they are inputs whose names are missing.
    """
    arrays = np.ndarray | Tensor
    held = isinstance(value, Mapping | arrays | str | bytes) or is_frame(value)
    named = isinstance(value, list | tuple) and len(value) > 0 and (isinstance(value[0], arrays) or is_frame(value[0]))
    return not held and not named and hasattr(value, "__len__") and hasattr(value, "__getitem__")
