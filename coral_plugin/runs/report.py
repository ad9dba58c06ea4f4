"""The report of one run: what was trained on what, scores, settings, cost and pictures, as one HTML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coral_plugin.errors import CoralError, InputError
from coral_plugin.evaluation.metrics import metric_named
from coral_plugin.evaluation.names import data_title, method_title, run_names
from coral_plugin.evaluation.pages.model import (
    REPORT_FILE,
    Definition,
    Definitions,
    Heading,
    Page,
    PageCell,
    PageGroup,
    PageItem,
    PagePicture,
    PageSection,
    PageTable,
)
from coral_plugin.evaluation.pages.sections import (
    data_facts,
    data_items,
    date_text,
    made_items,
    method_text,
    samples_text,
    shared_settings,
    value_text,
)
from coral_plugin.evaluation.tables.model import NO_VALUE, Table, cell
from coral_plugin.evaluation.tables.run import also_table, disentanglement_table, score_table, seeds_caption
from coral_plugin.io.files import read_json, write_text
from coral_plugin.io.yamlfile import flat
from coral_plugin.registry import OBJECTIVES
from coral_plugin.runs.environment import read_environment
from coral_plugin.runs.finetune import is_finetuned
from coral_plugin.runs.folder import METRICS, PLOTS, open_run
from coral_plugin.runs.settings import RunSettings, make_settings

_PARTS_NOTE = "All parts: the whole representation, which the run is judged by. Parts: each by itself."
_BETTER_NOTE = (
    "A part can score better than all parts together{}: the probe of all parts is fitted on more columns, and on few "
    "samples more columns can make it fit noise."
)
_RAW_NOTE = "Raw: the values as they are, without any training; what scores worse has lost information."
_SPACES_NOTE = (
    "Probed: the parts as they are scored. Projected: behind the projection heads, where the loss compares them. "
    "A dash: not defined, as between parts of different width."
)
_PARTS = "Parts against each other"
# files in plots/ by section, with their captions
_PICTURES = {
    "Scores": {"parts": "Score of all parts together, of each part and of the raw values"},
    _PARTS: {"shared": "How much every two parts share"},
    "Training curves": {"training": "Each term of the loss by epoch"},
    "Embeddings": {
        "embeddings": "Where the parts of train and test lie, in one plane; first seed",
        "embeddings-umap": "The same with UMAP",
    },
}
_NOT_SHOWN = ("objective", "dataset", "data", "modalities", "seeds")


def write_run_report(folder: Path) -> Path:
    """Write ``report.html`` into a run directory, from the files in it.

    Args:
        folder: Run directory of a finished run.

    Returns:
        The file.

    Raises:
        InputError: no run, one that is not finished, or a damaged one.
    """
    settings, record = open_run(folder)
    if not (folder / METRICS).is_file():
        raise InputError(
            f"{folder} is a run that is not finished: there is no {METRICS} in it. Go on with coral train --resume."
        )
    metrics = read_json(folder / METRICS)
    try:
        text = run_page(folder, settings, record, metrics, read_environment(folder)).html()
    except CoralError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{folder} is damaged ({type(error).__name__}: {error}); train the run again.") from error
    path = folder / REPORT_FILE
    write_text(path, text)
    return path


def run_page(
    folder: Path,
    settings: RunSettings,
    data: Mapping[str, Any],
    metrics: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> Page:
    """The report of a run.

    Args:
        folder: Run directory, for its pictures.
        settings: Run settings.
        data: Content of ``data.json``.
        metrics: Content of ``metrics.json``.
        environment: Content of ``environment.json``.
    """
    facts = data_facts(data)
    tuned = is_finetuned(folder)
    title = run_names({**metrics, "finetuned": tuned})
    pictures = _pictures(folder)
    scores, parts = pictures.pop("Scores"), pictures.pop(_PARTS)
    results: list[PageItem] = [_scores(metrics), *scores] if metrics["tasks"] else []
    chosen, others = _settings(settings)
    method = Definition(
        method_title(settings.objective),
        method_text(settings.objective) + " Trained further with labels." * tuned,
        settings.objective,
        [f"preset {settings.preset}"] * bool(settings.preset)
        + [f"{key} = {value_text(value)}" for key, value in settings.as_dict()["method"].items()],
    )
    sections = [
        PageSection("Results", results),
        PageSection("Seeds", list(_by_seed(metrics))),
        PageSection(_PARTS, [*_disentanglement(metrics), *parts]),
        PageSection("Data", list(data_items(settings.dataset, settings.data, facts, [data["fingerprint"]]))),
        PageSection("Method", [Definitions([method])]),
        PageSection("Settings", [*chosen, *shared_settings(others, f"{len(others)} settings at their defaults")]),
        PageSection("Cost", [_cost(metrics["train"])] if OBJECTIVES.get(settings.objective).trains else []),
        *(PageSection(section, items) for section, items in pictures.items()),
        PageSection("How it was made", list(made_items(environment, "Begun"))),
    ]
    of_page = [
        ("data", f"{data_title(settings.dataset, metrics.get('data'))}: {samples_text(facts['samples'])}"),
        ("seeds", ", ".join(map(str, metrics["seeds"]))),
        ("begun", date_text(environment.get("when"))),
    ]
    return Page(title, "Report of a run", _lead(metrics), [(name, fact) for name, fact in of_page if fact], sections)


def _lead(metrics: Mapping[str, Any]) -> list[str]:
    lines = []
    for task, summary in metrics["tasks"].items():
        metric = metric_named(summary["metric"])
        unit = " %" if metric.is_share else ""
        text = f"{task}: {cell(summary['values'], percent=metric.is_share)}{unit} {metric.label}"
        if summary.get("chance") is not None:
            text += f"; chance {cell([summary['chance']])} %"
        raw = [scores[task]["mean"] for scores in metrics.get("raw_features", {}).values() if task in scores]
        if raw:
            best = max(raw) if metric.higher_is_better else min(raw)
            text += f"; best raw features {cell([best], percent=metric.is_share)}{unit}"
        lines.append(f"{text}.")
    return lines or ["Nothing was scored: the data have no labels with a test split."]


def _scores(metrics: Mapping[str, Any]) -> PageTable:
    """The score table of the run, its parts, the raw features and chance apart."""
    table = score_table(metrics)
    parts = len(metrics.get("parts", {}))
    cuts = {"": (0, 1), "Parts": (1, 1 + parts), "For comparison": (1 + parts, len(table.rows))}
    groups = [
        PageGroup([[PageCell(text) for text in row] for row in table.rows[begin:end]], label)
        for label, (begin, end) in cuts.items()
        if end > begin
    ]
    better = _BETTER_NOTE.format(f" (here: {', '.join(names)})") if (names := _better_parts(metrics)) else ""
    notes = [table.caption, _PARTS_NOTE, better, _RAW_NOTE if metrics.get("raw_features") else ""]
    return PageTable(table.columns, groups, [note for note in notes if note])


def _better_parts(metrics: Mapping[str, Any]) -> list[str]:
    """Names of the parts whose mean score is better than that of all parts together, on any task."""
    signs = {task: 1 if metric_named(s["metric"]).higher_is_better else -1 for task, s in metrics["tasks"].items()}
    return [
        part
        for part, scores in metrics.get("parts", {}).items()
        if any(
            signs[task] * scores[task]["mean"] > signs[task] * whole["mean"]
            for task, whole in metrics["tasks"].items()
            if task in scores
        )
    ]


def _by_seed(metrics: Mapping[str, Any]) -> Iterator[PageItem]:
    """The score of each seed where there are several, and the other metrics of the whole representation."""
    tasks = metrics["tasks"]
    if len(metrics["seeds"]) > 1 and tasks:
        rows = [
            [PageCell(str(seed)), *(PageCell(_value(summary, place)) for summary in tasks.values())]
            for place, seed in enumerate(metrics["seeds"])
        ]
        head = ["seed", *(f"{task}: {metric_named(summary['metric']).heading}" for task, summary in tasks.items())]
        yield PageTable(head, [PageGroup(rows)], ["All parts."])
    if any(summary.get("also") for summary in tasks.values()):
        yield Heading("Other metrics of all parts")
        yield _plain(also_table(metrics), [seeds_caption(metrics)])


def _value(summary: Mapping[str, Any], place: int) -> str:
    return cell([summary["values"][place]], percent=metric_named(summary["metric"]).is_share)


def _disentanglement(metrics: Mapping[str, Any]) -> Iterator[PageItem]:
    if any(metrics.get("disentanglement", {}).values()):
        yield _plain(disentanglement_table(metrics), [seeds_caption(metrics), _SPACES_NOTE])


def _plain(table: Table, notes: list[str]) -> PageTable:
    return PageTable(table.columns, [PageGroup([[PageCell(text) for text in row] for row in table.rows])], notes)


def _settings(settings: RunSettings) -> tuple[list[PageItem], dict[str, str]]:
    """A table of the settings that are not the defaults of data set and preset, and the others as text."""
    values = _shown(settings)
    try:
        usual = _shown(make_settings(settings.objective, settings.dataset, preset=settings.preset, data=settings.data))
    except InputError:  # a preset of an earlier version: nothing is known to be a default
        usual = {}
    texts, usual_texts = ({key: value_text(value) for key, value in known.items()} for known in (values, usual))
    changed = [key for key, value in values.items() if key not in usual or value != usual[key]]
    rows = [[PageCell(key), PageCell(texts[key]), PageCell(usual_texts.get(key, NO_VALUE))] for key in changed]
    head = ("setting", "value", "default of data set and preset")
    table: list[PageItem] = [PageTable(head, [PageGroup(rows)], words=True)] if rows else []
    return table, {key: text for key, text in texts.items() if key not in changed}


def _shown(settings: RunSettings) -> dict[str, Any]:
    """``{"group.key": value}`` without the settings of the method, and without what stands elsewhere on the page."""
    values = flat(settings.as_dict()).items()
    return {key: value for key, value in values if key not in _NOT_SHOWN and key.partition(".")[0] != "method"}


def _cost(train: Mapping[str, Any]) -> PageTable:
    figures = {
        "epochs of a seed": f"{train['epochs']:,}",
        "steps of a seed": f"{train['steps']:,}" if "steps" in train else NO_VALUE,
        "seconds, all seeds together": f"{train['seconds']:,.1f}",
        "samples per second": cell([train["samples_per_second"]], percent=False),
        "peak memory, MiB": f"{train['peak_memory_bytes'] / 2**20:,.0f}",
        "trained parameters": f"{train['parameters']:,}",
    }
    rows = [[PageCell(name), PageCell(figure)] for name, figure in figures.items()]
    return PageTable(
        ("training", "value"), [PageGroup(rows)], ["Memory: peak of the process; on a GPU, of its allocator."]
    )


def _pictures(folder: Path) -> dict[str, list[PageItem]]:
    """The pictures of a run by section; those that a later evaluation drew come last."""
    drawn = {path.stem: path for path in sorted((folder / PLOTS).glob("*.png"))}
    sections: dict[str, list[PageItem]] = {
        section: [PagePicture(caption, drawn.pop(name)) for name, caption in captions.items() if name in drawn]
        for section, captions in _PICTURES.items()
    }
    more = [PagePicture(name.replace("-", " ").replace("_", " "), path) for name, path in drawn.items()]
    return {**sections, "More pictures": [*more]}
