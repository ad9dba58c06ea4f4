"""The published numbers that may be shown beside ours, those of the same data and protocol, and why not the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coral_plugin.bench.comparison import AVERAGE, ComparedRow, Comparison, Measure
from coral_plugin.bench.grid import DatasetColumn, Grid, MethodRow, run_settings
from coral_plugin.errors import InputError
from coral_plugin.reproduce.published import PublishedTable, covering, published_tables
from coral_plugin.reproduce.targets import backbone, grids_for, needs_files
from coral_plugin.runs.settings import from_dict

_SHOWN = 3  # settings that a line names
# settings that do not decide on the result, or are compared in another way
_IGNORED = (
    "seeds", "data", "preset", "modalities", "training.device", "training.devices", "training.timeout_seconds",
    "training.checkpoint_seconds", "training.keep_every", "training.on_nonfinite", "training.compile",
    "training.deterministic", "probe.matched_width",
)  # fmt: skip


class PaperNumbers:
    """Looks published numbers up in several tables, the first of which that has one gives it.

    A number may be shown beside a row if the grid of its paper (``targets.yaml``) has a row of that name with the same
    settings, modalities and unit, if its authors ran it, and if the data are generated or the user declares that the
    files are the papers'.

    Args:
        names: Names of the published tables; None for all that have numbers on the data sets of the comparison.
        comparison: Scores of our runs.
    """

    def __init__(self, names: Sequence[str] | None, comparison: Comparison) -> None:
        if names is None:
            names = covering(column.dataset for column in comparison.grid.columns)
        self.names = names
        self._comparison = comparison
        self._columns = {column.name: column for column in comparison.grid.columns}
        self._withheld: dict[str, dict[str, tuple[str, ...]]] = {}
        self._backbones: dict[str, list[str]] = {}
        self._used: list[PublishedTable] = []

    def __call__(self, compared: ComparedRow, measure: Measure) -> str | None:
        """The number as printed, with the mark of its source; None where none may be shown beside this one."""
        first: tuple[str, ...] | None = None
        for name in self.names:
            for row, column in self._counterparts(name, compared, measure):
                reasons = self._reasons(name, compared, measure, row, column)
                if not reasons:
                    return self._marked(
                        name, published_tables()[name].values[row.name, column.name, measure.score], column
                    )
                first = first or reasons
        if first:
            self._withheld.setdefault(measure.column, {})[compared.method.name] = first
        return None

    def average(self, compared: ComparedRow, measures: Sequence[Measure]) -> str | None:
        """The printed average over the data sets, if the numbers of exactly these data sets are shown beside ours."""
        for name in self.names:
            text = published_tables()[name].values.get((compared.method.name, AVERAGE, ""))
            printed = {column for _, column, _ in published_tables()[name].values} - {AVERAGE}
            matching = {column.name for m in measures for _, column in self._counterparts(name, compared, m)}
            same_columns = matching == printed == set(self._columns)
            if text is not None and same_columns and all(self(compared, m) for m in measures):
                return self._marked(name, text, None)
        return None

    def citations(self) -> list[str]:
        """A line per published table in use: its mark, where it is printed, its protocol, and other backbones."""
        lines = []
        for mark, source in enumerate(self._used, start=1):
            line = f"[{mark}] {source.cite}. Protocol: {source.protocol}."
            if differing := self._backbones.get(source.cite):
                line += f" Other backbones here: {'; '.join(differing)}."
            lines.append(line)
        return lines

    def withheld(self) -> list[str]:
        """A line per data set whose published numbers may not be shown beside ours, with the reason."""
        lines = []
        for column, by_row in self._withheld.items():
            groups: dict[tuple[str, ...], list[str]] = {}
            for row, reasons in by_row.items():
                groups.setdefault(reasons, []).append(row)
            for reasons, rows in groups.items():
                listed = "" if len(groups) == 1 else f" ({', '.join(rows)})"
                lines.append(f"No published number stands beside {column}{listed}: {'; '.join(reasons)}.")
        return lines

    def sources(self) -> list[dict[str, str]]:
        """``cite`` and ``protocol`` of each published table in use, in the order of the marks."""
        return [{"cite": source.cite, "protocol": source.protocol} for source in self._used]

    def _counterparts(
        self, name: str, compared: ComparedRow, measure: Measure
    ) -> Iterator[tuple[MethodRow, DatasetColumn]]:
        """Row and column of the paper's own grid, where its table has a number for this row and measure."""
        column = self._columns[measure.column]
        used = set(self._comparison.modalities.get(column.name, column.modalities or ()))
        for grid in grids_for(name):
            for row, theirs in _cells(grid, compared.method.name, column.dataset):
                same = theirs.modalities is None or set(theirs.modalities) == used
                if same and (row.name, theirs.name, measure.score) in published_tables()[name].values:
                    yield row, theirs

    def _reasons(
        self, name: str, compared: ComparedRow, measure: Measure, row: MethodRow, theirs: DatasetColumn
    ) -> tuple[str, ...]:
        """Reasons not to show the number of the paper's ``row`` and column ``theirs``; empty if it may be shown."""
        if reason := published_tables()[name].apart.get((row.name, theirs.name)):
            return (reason,)
        column, reasons = self._columns[measure.column], []
        if needs_files(theirs.name) and not column.papers_data:
            reasons.append(f"its files are not known to be the papers' (--papers-data {column.name} declares them)")
        if measure.unit != theirs.readings[measure.score].unit:
            reasons.append("the paper prints it in another unit")
        if (compared.method.finetune or None) != (row.finetune or None):
            reasons.append("it is fine-tuned in another way")
        trainings = compared.trainings.get(column.name)
        if not trainings:
            return (*reasons, "this record does not hold the settings of its runs")
        differing: dict[str, None] = {}
        for condition in theirs.conditions:
            if (ours := trainings.get(condition)) is None:
                differing[f"the paper's training {condition!r} is not in this record"] = None
                continue
            expected = _flat(run_settings(row, theirs, condition, 0).as_dict())
            differing |= dict.fromkeys(_differences(_flat(_completed(ours.settings)), expected))
        shown = list(differing)[:_SHOWN]
        if len(differing) > _SHOWN:
            shown.append(f"{len(differing) - _SHOWN} more settings differ")
        return (*reasons, *shown)

    def _marked(self, name: str, text: str, column: DatasetColumn | None) -> str:
        source = published_tables()[name]
        if source not in self._used:
            self._used.append(source)
        if column is not None and (difference := backbone(column.name)):
            lines = self._backbones.setdefault(source.cite, [])
            if (line := f"{column.name}: {difference}") not in lines:
                lines.append(line)
        return f"{text} [{self._used.index(source) + 1}]"


def _cells(grid: Grid, row: str, dataset: str) -> Iterator[tuple[MethodRow, DatasetColumn]]:
    for candidate in grid.rows:
        for column in grid.columns:
            if candidate.name == row and column.dataset == dataset:
                yield candidate, column


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"group.key": value}`` of the settings that decide on a result."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        name = prefix + key
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{name}.")
        elif name not in _IGNORED:
            flat[name] = value
    return flat


def _completed(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Recorded settings, with the defaults of those that are younger than the record; as they are if unknown today."""
    try:
        return from_dict(settings).as_dict()
    except InputError:
        return settings


def _differences(ours: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys([*expected, *ours]):
        if ours.get(key) != expected.get(key):
            yield f"{key} is {ours.get(key, 'the default')}, the paper's is {expected.get(key, 'the default')}"
