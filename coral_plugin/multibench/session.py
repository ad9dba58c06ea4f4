"""One run of a script: its context, its data, the trainings that are put in place, and the record of it all."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any

from coral_plugin.errors import CoralError, one_line
from coral_plugin.multibench.checkout import Checkout
from coral_plugin.multibench.compatibility import multibench
from coral_plugin.multibench.isolation import Scope
from coral_plugin.multibench.launch import run_script, seed_everything
from coral_plugin.multibench.record import RunRecord, ScriptRun
from coral_plugin.multibench.redirect.loaders import redirect
from coral_plugin.multibench.redirect.request import DataRequest
from coral_plugin.multibench.shims.base import absent
from coral_plugin.multibench.shims.catalogue import SCRIPT_SHIMS
from coral_plugin.multibench.training import check_training, refuse_others, set_epochs
from coral_plugin.training.signals import Interrupted


def run_in(run: ScriptRun, checkout: Checkout) -> None:
    """Run a script of MultiBench in its folder, which gets what it writes and ``run.json``.

    Args:
        run: Script, and how it is run.
        checkout: Checkout whose modules it imports.

    Raises:
        InputError: folder, data or settings are wrong, or the script trains in a way that no objective replaces.
        ScriptError: the script failed.
        SystemExit: the script ended itself with a status other than 0.
    """
    if not run.supervised:
        check_training(run.script, run.objective)
    run.open_folder()
    if not run.supervised and absent("torchvision"):
        _preload()
    without = ("safe-pickles",) if run.trust_pickle else ()
    with multibench(checkout, without=without, also=SCRIPT_SHIMS, say=(lambda _: None) if run.quiet else None) as scope:
        record = RunRecord(run, {"root": str(checkout.root), "commit": checkout.commit}, scope.shims)
        fit_widths = run.widths == "script"
        redirect(DataRequest(script=run.script, data=run.data, limit=run.limit, fit_widths=fit_widths, scope=scope))
        seed_everything(run.seed)
        try:
            calls = _trainings(run, scope)
            run_script(run.script, run.arguments, scope, run.folder)
        except (CoralError, SystemExit, KeyboardInterrupt) as error:
            record.write("stopped" if isinstance(error, KeyboardInterrupt) else "failed", scope.notes, _reason(error))
            raise
        if not run.supervised and not calls:
            scope.say(f"{run.script.name} trained nothing that --objective {run.objective} could take the place of")
        record.write("finished", scope.notes)


def _reason(error: BaseException) -> str:
    """Why a script did not end, in one line."""
    if isinstance(error, Interrupted):
        return f"{signal.Signals(error.number).name} {error.place}".strip()
    if isinstance(error, SystemExit) and not isinstance(error.code, str):
        return f"the script ended itself with status {error.code}"
    return one_line(error, 1000)


def _trainings(run: ScriptRun, scope: Scope) -> Sequence[Any]:
    """Put the trainings of ``run`` in place; returns the list that grows with every call of one."""
    if run.supervised:
        if run.epochs is not None:
            set_epochs(scope, run.epochs)
        return ()
    from coral_plugin.multibench.intercept import install

    calls = scope.enter(install(run))
    scope.say(
        f"{run.objective} trains the script's encoders with another fusion and loss; "
        "the script's fusion, head and loss only determine shape and kind of the output, which a linear head learns on "
        "the representation. To train with both losses: docs/multibench.md, 'Beside the script's own loss'"
    )
    refuse_others(scope, run.script.name, run.objective)
    return calls


def _preload() -> None:
    """Import Lightning, with its torchmetrics, and scikit-learn before they could find a stand-in for torchvision."""
    import pytorch_lightning  # noqa: F401
    import sklearn.linear_model  # noqa: F401
