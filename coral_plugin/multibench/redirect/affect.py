"""MOSI, MOSEI, UR-FUNNY and sarcasm: one pickle."""

from __future__ import annotations

import functools
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from coral_plugin.multibench.calls import bound
from coral_plugin.multibench.redirect.ask import Ask, Loader
from coral_plugin.multibench.redirect.widths import Widths, expected, fit

WHAT = "a pickle in MultiBench's affect layout ({split: {vision, audio, text, labels, id}})"


def replace(ask: Ask, module: ModuleType) -> Loader:
    """``get_dataloader`` with the user's pickle, its features in the widths of the script."""
    original: Loader = module.get_dataloader
    wanted: Widths = {}

    def load(file: Any, *args: Any, **options: Any) -> Any:
        content, said = fit(reader.load(file, *args, **options), wanted)
        if said:
            ask.scope.say(
                f"{ask.script.name} is written for features of {_listed(wanted)}; those of {Path(file.name).name} are "
                f"fitted to it: {', '.join(said)}. --widths file leaves them as they are."
            )
        return content

    reader = module.pickle
    ask.scope.patch(module, "pickle", SimpleNamespace(load=load))

    @functools.wraps(original)
    def get_dataloader(*args: Any, **options: Any) -> Any:
        call = bound(original, args, options)
        asked = call.arguments["filepath"]
        call.arguments["filepath"] = ask.file("filepath", asked, WHAT, *_other_names(ask.data))
        if call.arguments["robust_test"]:
            what = "the raw texts (HDF5 or pickle) beside it, for robust_test=True"
            call.arguments["raw_path"] = ask.file("raw_path", call.arguments["raw_path"], what)
        wanted.clear()
        wanted.update(expected(ask.script, asked) if ask.fit_widths else {})
        return original(*call.args, **call.kwargs)

    return get_dataloader


def _other_names(data: Path | None) -> tuple[str, ...]:
    """The only pickle of a folder is meant, whatever it is called."""
    if data is None or not data.is_dir():
        return ()
    found = sorted(path.name for path in data.glob("*.pkl"))
    return tuple(found) if len(found) == 1 else ()


def _listed(widths: Widths) -> str:
    return ", ".join(f"{width} {name}" for name, width in widths.items())
