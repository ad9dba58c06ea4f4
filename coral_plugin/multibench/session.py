"""One run of a script: its context, its data, the trainings that are put in place, and the record of it all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coral_plugin.errors import CoralError
from coral_plugin.multibench.checkout import Checkout
from coral_plugin.multibench.compatibility import multibench
from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.launch import run_script, seed_everything
from coral_plugin.multibench.record import Record, ScriptRun, open_folder
from coral_plugin.multibench.redirect import DataRequest, redirect
from coral_plugin.multibench.shims import SCRIPT_SHIMS
from coral_plugin.multibench.shims.base import absent
from coral_plugin.multibench.training import check_training, count_calls, refuse_others, set_epochs

SUPERVISED = "supervised"  # the objective that leaves MultiBench's own training alone


def run_in(
    folder: Path,
    run: ScriptRun,
    checkout: Checkout,
    *,
    resume: bool = False,
    trust_pickle: bool = False,
    quiet: bool = False,
) -> None:
    """Run a script of MultiBench in ``folder``, which gets what it writes and ``run.json``.

    Args:
        folder: Absolute; empty or not there yet, or with ``resume`` that of the same run.
        run: What is run.
        checkout: Whose modules it imports.
        resume: Go on with the pre-training that was stopped.
        trust_pickle: Load data with Python's own unpickler.
        quiet: Nothing of ours on standard error.

    Raises:
        InputError: folder, data or settings are wrong, or the script trains in a way that no objective replaces.
        ScriptError: the script failed.
        SystemExit: the script ended itself with a status of its own.
    """
    script = Path(run.script)
    if run.objective != SUPERVISED:
        check_training(script, run.objective)
    open_folder(folder, run, resume=resume)
    if run.objective != SUPERVISED and absent("torchvision"):
        _preload()
    without = ("safe-pickles",) if trust_pickle else ()
    with multibench(checkout, without=without, also=SCRIPT_SHIMS, say=(lambda _: None) if quiet else None) as scope:
        record = Record(folder, run, {"root": str(checkout.root), "commit": checkout.commit}, scope.shims)
        request = DataRequest(
            script=script,
            data=None if run.data is None else Path(run.data),
            limit=run.limit,
            fit_widths=run.widths == "script",
            scope=scope,
        )
        redirect(request)
        seed_everything(run.seed)
        try:
            calls = _trainings(run, scope, folder, resume=resume, quiet=quiet)
            run_script(script, run.arguments, scope, folder)
        except (CoralError, SystemExit, KeyboardInterrupt) as error:
            record.write("failed", scope.said, " ".join(str(error).split()) or type(error).__name__)
            raise
        if run.objective != SUPERVISED and not calls:
            scope.say(f"{script.name} trained nothing that --objective {run.objective} could take the place of")
        record.write("finished", scope.said)


def _trainings(run: ScriptRun, scope: Scope, folder: Path, *, resume: bool, quiet: bool) -> Sequence[Any]:
    """Put the trainings in place that ``run`` asks for; returns the list of their calls."""
    if run.objective == SUPERVISED:
        if run.epochs is not None:
            set_epochs(scope, run.epochs)
        return ()
    from coral_plugin.multibench.intercept import Request, install

    request = Request(
        objective=run.objective,
        preset=run.preset,
        epochs=run.epochs,
        seed=run.seed,
        chosen=run.chosen,
        folder=folder,
        head=run.head,
        resume=resume,
        quiet=quiet,
    )
    scope.enter(install(request))  # undone in turn with what is put around it
    scope.say(
        f"{run.objective} trains the script's encoders with a fusion and a loss of its own; "
        "the script's fusion, head and loss only tell shape and kind of the output, which a linear head learns on the "
        "representation. To train with both losses: docs/multibench.md, 'Beside the script's own loss'"
    )
    refuse_others(scope, Path(run.script).name, run.objective)
    return count_calls(scope)


def _preload() -> None:
    """Import Lightning, with its torchmetrics, and scikit-learn before they could find a stand-in for torchvision."""
    import pytorch_lightning  # noqa: F401
    import sklearn.linear_model  # noqa: F401
