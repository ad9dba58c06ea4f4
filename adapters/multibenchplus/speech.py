"""Language, voice and face: the pickles of CH-SIMS, IEMOCAP and MELD."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.data import SPLITS
from coral_plugin.data.modality import Kind
from coral_plugin.data.values import as_array
from coral_plugin.errors import InputError
from coral_plugin.io.pickles import read_pickle
from coral_plugin.io.sniff import require_kind

from .content import Content, MultibenchPlusSettings, last_groups

SIMS, SIMS_V2 = "Processed/unaligned_39.pkl", "unaligned.pkl"
IEMOCAP = "IEMOCAP_features_raw.pkl"
MELD = "features/data_{0}.p"
_MELD_TEXT = "features/text_glove_average_{0}.pkl"
_MELD_AUDIO = "features/audio_embeddings_feature_selection_{0}.pkl"
_MODALITIES = ("text", "audio", "vision")


def read_sims(folder: Path, settings: MultibenchPlusSettings) -> Content:
    """CH-SIMS: sequences of text, audio and vision, and the sentiment from -1 to 1."""
    return _read_mmsa(folder / SIMS, settings)


def read_sims_v2(folder: Path, settings: MultibenchPlusSettings) -> Content:
    """CH-SIMS v2, with the same keys."""
    return _read_mmsa(folder / SIMS_V2, settings)


def _read_mmsa(path: Path, settings: MultibenchPlusSettings) -> Content:
    """The layout of MMSA: ``{split: {text, text_bert, audio, vision, regression_labels, audio_lengths, ...}}``."""
    content = _read(path, settings)
    notes = ["text is the file's features ('text'); MultiBench++ gives its tokens ('text_bert') to a BERT of its own"]
    arrays: dict[str, Any] = {}
    infinite = 0
    for label in SPLITS:
        table = content.get(label) if isinstance(content, Mapping) else None
        if not isinstance(table, Mapping):
            raise InputError(f"{path} has no split {label}; expected the pickle of MMSA.")
        if missing := [key for key in (*_MODALITIES, "regression_labels") if key not in table]:
            raise InputError(f"{path}: {label} lacks {missing[0]}; it has {', '.join(map(str, table))[:200]}.")
        for name in _MODALITIES:
            values = as_array(table[name], f"{label}/{name}", str(path))
            if values.ndim != 3:
                raise InputError(f"{path}: {label}/{name} has shape {values.shape}; sequences are (N, T, d).")
            infinite += int((gaps := np.isneginf(values)).sum())
            arrays[f"{label}/{name}"] = np.where(gaps, 0, values)
            if (lengths := _lengths(table, name, values, f"{path}: {label}")) is not None:
                arrays[f"{label}/{name}/length"] = lengths
        scores = as_array(table["regression_labels"], f"{label}/regression_labels", str(path))
        arrays[f"{label}/labels"] = scores.reshape(len(scores)).astype(np.float32)
    if infinite:
        notes.append(f"{infinite} values are minus infinity and become 0")
    return Content(arrays, dict.fromkeys(_MODALITIES, "sequence"), notes)


def _lengths(table: Mapping[str, Any], name: str, values: np.ndarray, place: str) -> np.ndarray | None:
    """``(N,)`` steps that the file counts: the mask of the tokens, or ``audio_lengths`` and ``vision_lengths``."""
    if name == "text":
        if "text_bert" not in table:
            return None
        tokens = as_array(table["text_bert"], "text_bert", place)  # (N, 3, T): tokens, mask, segments
        if tokens.ndim != 3 or tokens.shape[1] != 3:
            raise InputError(f"{place}: text_bert has shape {tokens.shape}, expected (N, 3, T).")
        lengths = tokens[:, 1].sum(axis=1)
    elif f"{name}_lengths" in table:
        lengths = as_array(table[f"{name}_lengths"], f"{name}_lengths", place).reshape(-1)
    else:
        return None
    return np.clip(lengths, 1, values.shape[1]).astype(np.int64)


def read_iemocap(folder: Path, settings: MultibenchPlusSettings) -> Content:
    """IEMOCAP: features of utterances; the videos of train and of test are those that the file lists."""
    path = folder / IEMOCAP
    parts = _read(path, settings)
    if not isinstance(parts, tuple | list) or len(parts) != 9:
        raise InputError(f"{path} holds no tuple of nine parts, as the features of IEMOCAP do.")
    videos, _, labels, text, audio, vision, _, train, test = parts
    tables = dict(zip((*_MODALITIES, "labels"), (text, audio, vision, labels), strict=True))
    if not all(isinstance(part, Mapping) for part in (videos, *tables.values())):
        raise InputError(f"{path}: parts 1 and 3 to 6 are not dictionaries by video, as in the features of IEMOCAP.")
    arrays: dict[str, np.ndarray] = {}
    for label, names in (("train", train), ("test", test)):
        listed = set(map(str, names)) if isinstance(names, set | list | tuple) else set()
        kept = [video for video in videos if str(video) in listed]
        if not kept:
            raise InputError(f"{path}: {label} lists no video that has utterances.")
        for video in kept:
            counts = {len(_steps(table.get(video))) for table in tables.values()}
            if len(counts) > 1 or 0 in counts:
                raise InputError(f"{path}: video {video!s:.40} lacks features or labels of some utterances.")
        for key, table in tables.items():
            utterances = [step for video in kept for step in table[video]]
            arrays[f"{label}/{key}"] = as_array(utterances, f"{label}/{key}", str(path))
        if label == "train" and settings.valid == "train":
            rows, held = last_groups([video for video in kept for _ in text[video]])
            for key in tables:
                whole = arrays[f"train/{key}"]
                arrays[f"train/{key}"], arrays[f"valid/{key}"] = whole[rows], whole[held]
    notes = []
    if settings.valid == "train":
        count = len(arrays["valid/labels"])
        notes = [f"valid is the last videos of train, {count} utterances; MultiBench++ validates on test"]
    return Content(arrays, dict.fromkeys(_MODALITIES, "tabular"), notes, valid_is_test=settings.valid == "test")


def _steps(value: Any) -> Any:
    """Utterances of a video; nothing where they are no list or array of them."""
    return value if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim) else ()


def read_meld(folder: Path, settings: MultibenchPlusSettings) -> Content:
    """MELD: features of the voice and the words of utterances; those that lack one of both are left out."""
    path = folder / MELD.format(settings.labels)
    parts = _read(path, settings)
    if not isinstance(parts, tuple | list) or len(parts) != 6 or not isinstance(parts[5], Mapping):
        raise InputError(f"{path} holds no list of six parts, as MELD's data_{settings.labels}.p does.")
    numbers = {str(name): number for name, number in parts[5].items()}
    if sorted(numbers.values(), key=str) != sorted(range(len(numbers)), key=str):
        raise InputError(f"{path}: its labels are not numbered from 0 on.")
    known: dict[str, dict[str, int]] = {"train": {}, "val": {}, "test": {}}
    for entry in _steps(parts[0]):
        if not isinstance(entry, Mapping) or not {"split", "dialog", "utterance", "y"} <= set(entry):
            raise InputError(f"{path}: an utterance lacks split, dialog, utterance or y.")
        if str(entry["y"]) not in numbers:
            raise InputError(f"{path}: an utterance has the unknown label {entry['y']!s:.40}.")
        if str(entry["split"]) in known:
            known[str(entry["split"])][f"{entry['dialog']}_{entry['utterance']}"] = numbers[str(entry["y"])]
    features = {"audio": _splits_of_meld(folder / _MELD_AUDIO.format(settings.labels), settings),
                "text": _splits_of_meld(folder / _MELD_TEXT.format(settings.labels), settings)}  # fmt: skip
    arrays: dict[str, Any] = {"classes": sorted(numbers, key=lambda name: numbers[name])}
    left = 0
    for place, (label, ids) in enumerate(zip(SPLITS, known.values(), strict=True)):
        kept = [key for key in features["text"][place] if key in ids and key in features["audio"][place]]
        if not kept:
            raise InputError(f"{folder}: no utterance of {label} has a label, audio and text.")
        left += len(ids) - len(kept)
        for name, splits in features.items():
            arrays[f"{label}/{name}"] = as_array([splits[place][key] for key in kept], f"{label}/{name}", str(folder))
        arrays[f"{label}/labels"] = np.array([ids[key] for key in kept], dtype=np.int64)
    kinds: dict[str, Kind] = {"audio": "tabular", "text": "tabular"}
    notes = [f"{left} utterances without audio or text are left out"] if left else []
    return Content(arrays, kinds, notes)


def _splits_of_meld(path: Path, settings: MultibenchPlusSettings) -> list[Mapping[str, Any]]:
    parts = _read(path, settings)
    if not isinstance(parts, tuple | list) or len(parts) < 3 or not all(isinstance(p, Mapping) for p in parts[:3]):
        raise InputError(f"{path} holds no list of three dictionaries (train, valid, test), as MELD's features do.")
    return list(parts[:3])


def _read(path: Path, settings: MultibenchPlusSettings) -> Any:
    require_kind(path, "pickle", "a pickle of MultiBench++")
    return read_pickle(path, trust=settings.trust_pickle)
