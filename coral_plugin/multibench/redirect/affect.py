"""MOSI, MOSEI, UR-FUNNY and sarcasm: one pickle."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from coral_plugin.multibench.redirect.request import ArgumentChange, DataRequest
from coral_plugin.multibench.redirect.widths import Widths, expected, fit_widths

PICKLE_LAYOUT = "a pickle in MultiBench's affect layout ({split: {vision, audio, text, labels, id}})"


def affect_loader(request: DataRequest, module: ModuleType) -> ArgumentChange:
    """The user's pickle, its features in the widths of the script."""
    wanted: Widths = {}

    def load(file: Any, *args: Any, **options: Any) -> Any:
        content, changes = fit_widths(reader.load(file, *args, **options), wanted)
        if changes:
            request.scope.say(
                f"{request.script.name} is written for features of {_listed(wanted)}; those of {Path(file.name).name} "
                f"are fitted to it: {', '.join(changes)}. --widths file leaves them as they are."
            )
        return content

    reader = module.pickle
    request.scope.patch(module, "pickle", SimpleNamespace(load=load))

    def change(arguments: dict[str, Any]) -> None:
        script_path = arguments["filepath"]
        arguments["filepath"] = request.file("filepath", script_path, PICKLE_LAYOUT, *_other_names(request.data))
        if arguments["robust_test"]:
            what = "the raw texts (HDF5 or pickle) beside it, for robust_test=True"
            arguments["raw_path"] = request.file("raw_path", arguments["raw_path"], what)
        wanted.clear()
        wanted.update(expected(request.script, script_path) if request.fit_widths else {})

    return change


def _other_names(data: Path | None) -> tuple[str, ...]:
    """The only pickle of a folder is meant, whatever it is called."""
    if data is None or not data.is_dir():
        return ()
    names = sorted(path.name for path in data.glob("*.pkl"))
    return tuple(names) if len(names) == 1 else ()


def _listed(widths: Widths) -> str:
    return ", ".join(f"{width} {name}" for name, width in widths.items())
