"""Faults put into a copy of the package, one at a time: do the tests that should notice them notice?

    python benchmarks/mutations.py --output benchmarks/records/mutations.json
    python benchmarks/mutations.py --only "progress fixed at 0"
    python benchmarks/mutations.py --check

Each mutation makes numbers lie without an error: the schedule stands still, the penalty is chosen on test, padding is
averaged in. It replaces one text by another in one file of a temporary copy of the working tree, in which the named
tests are run; they pass on the copy as it is, which is checked first. The exit code is 1 where a mutation survives.
``--check`` only looks whether every text and test that a mutation names exists.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coral_plugin.io.files import write_json
from coral_plugin.runs.environment import environment

ROOT = Path(__file__).parents[1]
COPIED = ("coral_plugin", "adapters", "tests", "pyproject.toml", "entry_points.txt")


@dataclass(frozen=True)
class Mutation:
    """A fault: ``old`` stands once in ``file``, and one of ``tests`` must fail with ``new`` in its place."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


STEP, TERMS = "coral_plugin/training/step.py", "coral_plugin/objectives/coral_terms.py"
PROBE, SCORING = "coral_plugin/evaluation/probe/probes.py", "coral_plugin/evaluation/scoring.py"
TIES, LOSS = "tests/training/test_ties.py::", "tests/objectives/test_coral_loss.py::"
OF_PROBE, OF_SCORING = "tests/evaluation/probe/test_probes.py::", "tests/evaluation/test_scoring.py::"
OF_LOGISTIC, RANKING = "tests/evaluation/probe/test_logistic.py::", "tests/bench/test_ranking.py::"
VIEWS = TIES + "test_the_loss_gets_two_different_views_of_the_samples_and_the_progress"
MASKS = (
    TIES + "test_a_fixed_partition_masks_the_first_half_in_the_first_view",
    LOSS + "test_fixed_partition_masks_the_first_half_in_the_first_view",
)
PROTOCOL = "tests/reproduce/test_protocol.py::test_elsewhere_there_are_none_and_one_line_says_why"
PENALTY = (LOSS + "test_terms_match_the_definition",)
_ALL = "torch.cat([s.columns[m.name].values for s in splits.values()])"

MUTATIONS = (
    Mutation(
        "progress fixed at 0",
        STEP,
        "first, second, number / self.steps,",
        "first, second, 0.0,",
        (VIEWS,),
    ),
    Mutation(
        "both views the same",
        STEP,
        "first, second = self.augmenter(batch, stream), self.augmenter(batch, stream)",
        "first = second = self.augmenter(batch, stream)",
        (VIEWS,),
    ),
    Mutation(
        "masks swapped between views",
        TERMS,
        "return dict.fromkeys(parts[0], ratio), dict.fromkeys(parts[1], ratio)",
        "return dict.fromkeys(parts[1], ratio), dict.fromkeys(parts[0], ratio)",
        MASKS,
    ),
    Mutation(
        "masks of the first view for both",
        "coral_plugin/objectives/coral.py",
        "zip((step.first, step.second), masks, strict=True)",
        "zip((step.first, step.second), masks[:1] * 2, strict=True)",
        MASKS,
    ),
    Mutation(
        "one orthogonality pair left out",
        TERMS,
        "for a, b in combinations(view, 2)",
        "for a, b in list(combinations(view, 2))[:-1]",
        PENALTY,
    ),
    Mutation(
        "orthogonality of one view",
        TERMS,
        "for view in (one, two)",
        "for view in (one, one)",
        PENALTY,
    ),
    Mutation(
        "the seed does not reach the views",
        STEP,
        'generator(self.seed, "step", number,',
        'generator(0, "step", number,',
        (TIES + "test_seeds_and_steps_have_views_of_their_own",),
    ),
    Mutation(
        "labels reach every method",
        STEP,
        "if not self.objective.needs_labels:",
        "if False:",
        (TIES + "test_labels_reach_only_objectives_that_need_them",),
    ),
    Mutation(
        "statistics from all splits",
        "coral_plugin/data/arrays.py",
        "with_statistics(m, train[m.name], standardise",
        f"with_statistics(m, ModalityColumn({_ALL}), standardise",
        ("tests/data/test_arrays.py",),
    ),
    Mutation(
        "probe penalty chosen on test",
        SCORING,
        'labelled.get("valid"),',
        'labelled["test"],',
        (OF_SCORING + "test_settings_are_chosen_on_valid_and_test_changes_none",),
    ),
    Mutation(
        "probe penalty chosen on test, outside a run",
        PROBE,
        "return fit_probe(train, valid, task,",
        "return fit_probe(train, test, task,",
        (OF_PROBE + "test_the_setting_does_not_depend_on_test",),
    ),
    Mutation(
        "probe scaling from train and valid",
        PROBE,
        "scaling = scaling_of(train[0]) if",
        "scaling = scaling_of(np.concatenate([train[0], train[0] if valid is None else valid[0]])) if",
        (OF_PROBE + "test_features_are_scaled_by_train_alone",),
    ),
    Mutation(
        "probe scaling of test from test",
        PROBE,
        "scaled(features, self.scaling))",
        "scaled(features, self.scaling and scaling_of(features)))",
        (OF_PROBE + "test_features_are_scaled_by_train_alone",),
    ),
    Mutation(
        "components from train and valid",
        PROBE,
        "directions = _directions(train[0], components)",
        "directions = _directions(np.concatenate([train[0], valid[0]]), components)",
        (OF_SCORING + "test_directions_come_from_train_alone",),
    ),
    Mutation(
        "the last fit without valid",
        PROBE,
        "both = valid is not None and refit_on_valid",
        "both = False",
        (OF_PROBE + "test_linear_is_the_protocol_written_out",),
    ),
    Mutation(
        "a sweep that stops early",
        "coral_plugin/evaluation/probe/newton.py",
        "NEWTON_TOLERANCE = 1e-6",
        "NEWTON_TOLERANCE = 1e-1",
        (OF_LOGISTIC + "test_every_c_of_a_sweep_on_real_features_is_the_converged_one",),
    ),
    Mutation(
        "unconverged fits reported as converged",
        "coral_plugin/evaluation/probe/newton.py",
        "    return theta, converged",
        "    return theta, converged | True",
        (OF_LOGISTIC + "test_a_fit_that_stops_early_is_told",),
    ),
    Mutation(
        "labels shifted by a sample",
        SCORING,
        "return split.targets[task.name].cpu()",
        "return split.targets[task.name].roll(1).cpu()",
        (OF_SCORING + "test_matched_width_is_the_probe_on_components_of_train",),
    ),
    Mutation(
        "chance by all classes",
        "coral_plugin/evaluation/metrics.py",
        'return scores | ({"auroc"',
        'return scores | {"balanced_accuracy": 1 / len(task.classes)} | ({"auroc"',
        ("tests/evaluation/test_metrics.py",),
    ),
    Mutation(
        "balanced accuracy over absent classes",
        "coral_plugin/evaluation/metrics.py",
        '"balanced_accuracy": (right[present] / true[present]).mean()',
        '"balanced_accuracy": (right / np.maximum(true, 1)).mean()',
        ("tests/evaluation/test_metrics.py",),
    ),
    Mutation(
        "deviation of the population",
        "coral_plugin/runs/summary.py",
        "std = statistics.stdev(values)",
        "std = statistics.pstdev(values)",
        ("tests/runs/test_summary.py",),
    ),
    Mutation(
        "InfMasking hides no modality of one token",
        "coral_plugin/networks/mask_token.py",
        "hidden = (coins < ratio) & (coins < coins.amax(dim=0))",
        "hidden = coins < 0",
        ("tests/networks/test_mask_token.py",),
    ),
    Mutation(
        "padding weighs in attention pooling",
        "coral_plugin/networks/unique.py",
        "scores = scores.masked_fill(padding, torch.finfo(scores.dtype).min)",
        "scores = scores.clone()",
        ("tests/networks/test_unique.py::test_attention_pooling",),
    ),
    Mutation(
        "padding counted in the mean",
        "coral_plugin/networks/pooled.py",
        "(tokens * valid).sum(dim=1) / valid.sum(dim=1).clamp(min=1)",
        "(tokens * valid).sum(dim=1) / tokens.shape[1]",
        ("tests/objectives/test_pooled.py",),
    ),
    Mutation(
        "leading zeros cut",
        "coral_plugin/data/padding.py",
        "((piece != 0).any(axis=2) * steps).max(axis=1)",
        "((piece != 0).any(axis=2) * (steps > 0)).sum(axis=1)",
        ("tests/data/test_padding.py",),
    ),
    Mutation(
        "Holm left out",
        "coral_plugin/bench/ranking.py",
        "(len(p_values) - rank) * p",
        "p",
        (RANKING + "test_holm_steps_down",),
    ),
    Mutation(
        "bold below the raw features",
        "coral_plugin/bench/ranking.py",
        "if line is None or not _below(mean, line, measure)}",
        "}",
        (RANKING + "test_a_method_below_the_raw_features_has_no_rank",),
    ),
    Mutation(
        "published numbers beside another protocol",
        "coral_plugin/reproduce/protocol.py",
        "return (*reasons, *shown)",
        "return tuple(reasons)",
        (PROTOCOL + "[changes1-training.epochs is 10, the paper's is 100.]",),
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", nargs="*", help="names of mutations")
    parser.add_argument("--check", action="store_true", help="run nothing: print the mutations that no longer apply")
    args = parser.parse_args()
    chosen = [mutation for mutation in MUTATIONS if not args.only or mutation.name in args.only]
    if outdated := [line for mutation in chosen for line in mismatches(mutation)]:
        sys.exit("\n".join(outdated))
    if args.check:
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        copy = copied(Path(temporary))
        failed, seconds, tail = tested(copy, sorted({test for mutation in chosen for test in mutation.tests}))
        if failed is not None:
            sys.exit(f"without any mutation a test fails: {failed}\n{tail}")
        print(f"unchanged: all tests pass, {seconds:.0f} s", flush=True)
        rows: list[dict[str, Any]] = []
        for mutation in chosen:
            rows.append(outcome(copy, mutation))
            if args.output:  # after each mutation, so that little is lost if this is stopped
                write_json(args.output, {"environment": environment(), "mutations": rows})
    survived = [row["name"] for row in rows if not row["caught_by"]]
    print(f"{len(rows) - len(survived)} of {len(rows)} caught; survived: {', '.join(survived) or 'none'}")
    return 1 if survived else 0


def mismatches(mutation: Mutation) -> list[str]:
    """A line for each text or test of a mutation that the code does not have, or has more than once."""
    file = ROOT / mutation.file
    count = file.read_text().count(mutation.old) if file.is_file() else 0
    lines = [] if count == 1 else [f"{mutation.name}: its text stands {count} times in {mutation.file}, not once"]
    for test in mutation.tests:
        path, _, name = test.partition("::")
        function = f"def {name.partition('[')[0]}"
        if not (ROOT / path).is_file() or function.strip() not in (ROOT / path).read_text():
            lines.append(f"{mutation.name}: there is no test {test}")
    return lines


def copied(folder: Path) -> Path:
    """A copy of the package and its tests that Python finds before the installed one."""
    for name in COPIED:
        if (source := ROOT / name).is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    # the installed package maps this name to the folder beside it
    (folder / "coral_plugin" / "adapters").symlink_to(folder / "adapters")
    return folder


def outcome(copy: Path, mutation: Mutation) -> dict[str, Any]:
    """Put the fault in, run its tests, take it out."""
    file = copy / mutation.file
    text = file.read_text()
    file.write_text(text.replace(mutation.old, mutation.new))
    try:
        failed, seconds, _ = tested(copy, mutation.tests)
    finally:
        file.write_text(text)
    print(f"{'caught  ' if failed else 'SURVIVED'} {mutation.name} ({seconds:.0f} s) {failed or ''}", flush=True)
    return {
        "name": mutation.name,
        "file": mutation.file,
        "old": mutation.old,
        "new": mutation.new,
        "tests": list(mutation.tests),
        "caught_by": failed,
        "seconds": round(seconds, 1),
    }


def tested(copy: Path, tests: tuple[str, ...] | list[str]) -> tuple[str | None, float, str]:
    """The first test that fails, or None; seconds; the end of pytest's output. Tests that do not run end the script."""
    environ = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
    start = time.perf_counter()
    process = subprocess.run(command, cwd=copy, env=environ, capture_output=True, text=True, check=False)  # noqa: S603
    failure = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", process.stdout, flags=re.MULTILINE)
    if (process.returncode == 0) == (failure is not None) or process.returncode not in (0, 1):
        sys.exit(f"the tests did not run: {process.stdout[-2000:]}{process.stderr[-2000:]}")
    return (failure[1] if failure else None), time.perf_counter() - start, process.stdout[-3000:]


if __name__ == "__main__":
    sys.exit(main())
