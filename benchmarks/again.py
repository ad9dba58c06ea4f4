"""Makes single numbers of the tables in results/ again, with today's code, and sets them beside the recorded ones.

    python benchmarks/again.py --draw 2026-11-30 --number 3 --output results/again
    python benchmarks/again.py --record results/small/plus_wearables --row coral_plus --seed 45

``--draw`` draws numbers at random, from all records or from those that the other flags leave; its text is the seed, so
that anyone draws the same ones from the same records. A number is the balanced accuracy of one training: a row, a data
set, a score and a seed. Left out are fine-tuned rows, and records that do not hold the settings of their trainings.
The same call with ``--output`` goes on where it was stopped. Data: ``../shared/data`` (or ``CORAL_TEST_DATA``).
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from choices import ROOT, SHARED

from coral_plugin.cli.flags import positive
from coral_plugin.evaluation.tables.model import NO_VALUE, Table
from coral_plugin.io.files import read_json, write_json, write_text
from coral_plugin.reproduce.trifeature import PAIRINGS, TASK_OF
from coral_plugin.runs.environment import environment
from coral_plugin.runs.run import run
from coral_plugin.runs.settings import from_dict

METRIC = "balanced_accuracy"
COLUMNS = ("record", "method", "score", "seed", "recorded", "again", "difference", "standard deviation of its seeds")


@dataclass(frozen=True)
class Number:
    """A score of a table: where it stands, and the settings of its training.

    Attributes:
        record: Folder of the record, from the root of the checkout.
        row: Name of the row.
        column: Name of the data set's column.
        score: Name of the score.
        seed: Seed of the training.
        value: Recorded value, a share.
        std: Sample standard deviation of the row's seeds; None for one seed.
        settings: Settings of the training, with the first seed of the record.
    """

    record: str
    row: str
    column: str
    score: str
    seed: int
    value: float
    std: float | None
    settings: dict[str, Any]

    @property
    def place(self) -> list[str | int]:
        """What tells it from all other numbers."""
        return [self.record, self.row, self.column, self.score, self.seed]


def numbers(results: Path) -> Iterator[Number]:
    """Every number of the records under ``results`` that hold the settings of their trainings."""
    for file in sorted(results.rglob("table.json")):
        for row in read_json(file)["rows"]:
            for score in row["scores"] if row.get("trainings") and not row["finetune"] else []:
                if score["metric"] != METRIC:
                    continue
                settings = row["trainings"][score["column"]][_condition(score)]["settings"]
                std = statistics.stdev(score["values"].values()) if len(score["values"]) > 1 else None
                record = file.parent.relative_to(results.parent).as_posix()
                for seed, value in score["values"].items():
                    yield Number(record, row["name"], score["column"], score["score"], int(seed), value, std, settings)


def _condition(score: dict[str, Any]) -> str:
    """The training of Trifeature that a score is read from; all other data have one."""
    return next((pairing for pairing, kinds in PAIRINGS.items() if score["score"] in kinds), "")


def made_again(number: Number) -> float:
    """The score of the same training today."""
    settings = replace(from_dict(number.settings), seeds=(number.seed,))
    if settings.data is not None:
        _, shared, below = settings.data.partition("shared/data/")
        settings = replace(settings, data=str(SHARED / below) if shared else settings.data)
    tasks = run(settings, raw_baseline=False).metrics["tasks"]
    return tasks[TASK_OF.get(number.score, number.score)]["values"][0]


def table(rows: list[dict[str, Any]]) -> Table:
    """The numbers beside each other, in percent."""
    return Table(
        COLUMNS,
        tuple(
            (
                row["place"][0].removeprefix("results/"),
                row["place"][1],
                f"{row['place'][2]}, {row['place'][3]}",
                str(row["place"][4]),
                f"{100 * row['recorded']:.2f}",
                f"{100 * row['again']:.2f}",
                f"{100 * (row['again'] - row['recorded']):+.2f}",
                NO_VALUE if row["std"] is None else f"{100 * row['std']:.2f}",
            )
            for row in rows
        ),
        "Numbers made again",
        "Balanced accuracy in %, of one training each.",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", help="text that the draw begins from; without it all that the other flags leave")
    parser.add_argument("--number", type=positive, default=1, help="how many are drawn")
    parser.add_argument("--record", help="folder of a record")
    parser.add_argument("--row", help="name of a row")
    parser.add_argument("--score", help="name of a score")
    parser.add_argument("--seed", type=int, help="seed of the training")
    parser.add_argument("--output", type=Path, help="folder for the table and its numbers")
    arguments = parser.parse_args()
    record = arguments.record and Path(os.path.relpath(arguments.record, ROOT)).as_posix()
    wanted = {"record": record, "row": arguments.row, "score": arguments.score, "seed": arguments.seed}
    left = [
        number
        for number in numbers(ROOT / "results")
        if all(value is None or getattr(number, name) == value for name, value in wanted.items())
    ]
    if not left or (arguments.draw is None and set(wanted.values()) == {None}):
        parser.error("no such number" if not left else "name a number, or --draw one")
    if arguments.draw is not None:
        left = random.Random(arguments.draw).sample(left, min(arguments.number, len(left)))  # noqa: S311 - no secret
    file = arguments.output and arguments.output / "again.json"
    rows: list[dict[str, Any]] = read_json(file)["rows"] if file and file.is_file() else []
    for number in left:
        if number.place in [row["place"] for row in rows]:
            continue
        print(*number.place, flush=True)
        place = {"place": number.place, "recorded": number.value, "std": number.std}
        rows.append({**place, "again": made_again(number), "environment": environment()})
        if file:
            write_json(file, {"schema": 1, "rows": rows})
            write_text(arguments.output / "again.md", table(rows).markdown())
    print(table(rows).text())


if __name__ == "__main__":
    main()
