"""Sections that every report has: data, methods, settings, and how it was made."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from coral_plugin.errors import CoralError, counted
from coral_plugin.evaluation.pages.model import (
    Definition,
    Definitions,
    Folded,
    Listing,
    PageCell,
    PageGroup,
    PageItem,
    PageTable,
    Paragraphs,
)
from coral_plugin.registry import DATASETS, OBJECTIVES, first_line

_MOST_NAMES = 12  # classes that are listed by name
_SPLITS = {"pretrain": "for training without labels", "train": "train", "valid": "valid", "test": "test"}
NO_FACTS = "The record holds no sizes of splits, no shapes and no classes: it was made by an earlier version."


def data_facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a report shows of ``data.json``: samples by split, modalities, tasks and notes.

    >>> eye = {"name": "eye", "kind": "image", "shape": [3, 8, 8], "mean": [0.0]}
    >>> data_facts({"name": "mine", "modalities": [eye], "samples": {"train": 9}})["modalities"]
    [{'name': 'eye', 'kind': 'image', 'shape': [3, 8, 8]}]
    """
    return {
        "samples": dict(record.get("samples") or {}),
        "modalities": [{key: entry[key] for key in ("name", "kind", "shape")} for entry in record["modalities"]],
        "tasks": [{key: entry[key] for key in ("name", "kind", "classes")} for entry in record.get("tasks") or []],
        "notes": list(record.get("notes") or []),
    }


def samples_text(samples: Mapping[str, int]) -> str:
    """The number of samples of each split.

    >>> samples_text({"train": 2337, "test": 735})
    '2,337 train, 735 test'
    """
    return ", ".join(f"{count:,} {_SPLITS.get(split, split)}" for split, count in samples.items())


def data_items(
    dataset: str, path: str | None, facts: Mapping[str, Any] | None, fingerprints: Sequence[str]
) -> Iterator[PageItem]:
    """The description of a data set.

    Args:
        dataset: Registered name.
        path: Path of its files; None for data that are generated or come with a library.
        facts: Result of :func:`data_facts`; None for an old record.
        fingerprints: Fingerprints of the data.
    """
    entries = []
    if facts is None:
        yield Paragraphs([NO_FACTS])
    else:
        yield PageTable(
            ("modality", "kind", "shape of a sample"),
            [PageGroup([_cells(m["name"], m["kind"], _shape(m["kind"], m["shape"])) for m in facts["modalities"]])],
            words=True,
        )
        if facts["samples"]:
            entries.append(Definition("Samples", samples_text(facts["samples"])))
        entries += [Definition(f"Task: {task['name']}", task_text(task)) for task in facts["tasks"]]
    from_python = dataset == "arrays" and not path
    source = "given from Python, not read from a file." if from_python else _source(dataset, path)
    entries.append(Definition("Source", source, "" if from_python else f"--dataset {dataset}"))
    if fingerprints:
        entries.append(Definition("Fingerprint (sha256 of all splits)", ", ".join(fingerprints)))
    if facts and facts["notes"]:
        entries.append(Definition("Decided while it was read", "; ".join(facts["notes"])))
    yield Definitions(entries)


def task_text(task: Mapping[str, Any]) -> str:
    """Kind of a task, and its classes, labels or outputs.

    >>> task_text({"kind": "classification", "classes": ["a", "b"]})
    'classification, 2 classes: a, b'
    """
    names = [str(name) for name in task["classes"]]
    noun = {"classification": "class", "multilabel": "label"}.get(task["kind"], "output")
    plural = noun if len(names) == 1 else f"{noun}es" if noun == "class" else f"{noun}s"
    listed = ", ".join(names[:_MOST_NAMES]) + (f" and {len(names) - _MOST_NAMES} more" * (len(names) > _MOST_NAMES))
    return f"{task['kind']}, {len(names):,} {plural}{f': {listed}' if names else ''}"


def method_text(objective: str) -> str:
    """The sentence that describes a registered method; empty for one that is not installed here."""
    try:
        registered = OBJECTIVES.get(objective)
    except CoralError:
        return ""
    text = vars(registered).get("__doc__") or inspect.getdoc(inspect.getmodule(registered))
    line = first_line(text).replace(">=", "\N{GREATER-THAN OR EQUAL TO}")
    return f"{line}." if line else ""


def value_text(value: Any) -> str:
    """A setting as a user writes it: nothing is rounded, and nothing is cut.

    >>> value_text(0.0001), value_text(1.0), value_text(0.12345678), value_text({"a": [1, 2]})
    ('0.0001', '1', '0.12345678', '{a: [1, 2]}')
    >>> value_text(None), value_text({}), value_text("")
    ('none', '{}', 'empty')
    """
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {value_text(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, float):
        return text if float(text := f"{value:g}") == value else repr(value)
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value) or "empty"


def shared_settings(shared: Mapping[str, str], summary: str) -> Iterator[PageItem]:
    """Settings in a table that is folded at first."""
    if shared:
        rows = [_cells(key, text) for key, text in sorted(shared.items())]
        yield Folded(summary, [PageTable(("setting", "value"), [PageGroup(rows)], words=True)])


def made_items(record: Mapping[str, Any], date: str = "Made") -> Iterator[PageItem]:
    """The command and the machine behind a report.

    Args:
        record: Content of ``environment.json``.
        date: Name of the date: whether the command began or ended then.
    """
    if record.get("command"):
        yield Listing(command_text(record["command"]))
    packages = record.get("packages") or {}
    threads, workers = record.get("threads"), record.get("workers") or 1
    machine = [
        record.get("processor"),
        f"GPU {record['gpu']}" if record.get("gpu") else "no GPU",
        counted(threads, "thread") if threads else "",
        f"{workers} trainings at a time" if workers > 1 else "",
        record.get("platform"),
    ]
    versions = {"Python": record.get("python"), **packages}
    entries = [
        Definition(date, date_text(record.get("when"))),
        Definition("Machine", "", facts=[fact for fact in machine if fact]),
        Definition("Versions", "", facts=[f"{name} {number}" for name, number in versions.items() if number]),
        Definition("Commit", record.get("commit") or "unknown"),
    ]
    yield Definitions([entry for entry in entries if entry.text or entry.facts])


def command_text(command: Sequence[str]) -> str:
    r"""A command as it is typed, a line for each flag.

    >>> print(command_text(["/venv/bin/coral", "bench", "--seeds", "1,2", "--quiet"]))
    coral bench \
      --seeds 1,2 \
      --quiet
    """
    words = [Path(command[0]).name, *command[1:]]
    lines: list[list[str]] = [[]]
    for word in words:
        if word.startswith("--"):
            lines.append([])
        lines[-1].append(word)
    return " \\\n  ".join(shlex.join(line) for line in lines if line)


def date_text(when: str | None) -> str:
    """A date in words.

    >>> date_text("2026-11-25T17:38:56+00:00")
    '25 November 2026, 17:38 UTC'
    """
    try:
        moment = datetime.fromisoformat(when or "")
    except ValueError:
        return when or ""
    return f"{moment.day} {moment:%B %Y, %H:%M} {moment.tzname() or ''}".rstrip()


def _cells(*texts: str) -> list[PageCell]:
    return [PageCell(text) for text in texts]


def _shape(kind: str, shape: Sequence[int]) -> str:
    if kind == "image":
        return f"{counted(shape[0], 'channel')}, {shape[1]} \N{MULTIPLICATION SIGN} {shape[2]} pixels"
    if kind == "tabular":
        return counted(shape[0], "feature")
    series = f"{counted(shape[0], 'step')} \N{MULTIPLICATION SIGN} {counted(shape[1], 'feature')}"
    return f"up to {series}" if kind == "sequence" else series


def _source(dataset: str, path: str | None) -> str:
    read = f"read from {path}" if path else "no file: generated, or part of a library"
    try:
        registered = DATASETS.get(dataset)
    except CoralError:
        return f"{read}."
    if dataset in ("arrays", "dataloaders"):
        return f"{registered.source}, {read}."
    return f"{registered.source} ({read}). Licence: {registered.licence}."
