"""Names to objects through entry points, loaded one at a time and only when needed."""

from __future__ import annotations

import contextlib
import difflib
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coral_plugin.errors import CoralError, DefectError, PluginError, UnknownNameError, one_line, short

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

OURS = "coral-multibench"
ALIASES = {"lr": "learning_rate", "wd": "weight_decay"}  # short names of settings
_MARKUP = re.compile(r":\w+:`~?|`")


def closest(name: object, known: Iterable[str]) -> str | None:
    """The known name that a mistyped one stands for; None where none is similar.

    >>> closest("corall", ["clip", "coral"]), closest("--Batch_Size", ["--batch-size"])
    ('coral', '--batch-size')
    >>> closest("temp", ["temperature"]), closest("lr", ["learning_rate"])
    ('temperature', 'learning_rate')
    """
    if not isinstance(name, str):  # a name may be any value of a user's file
        return None
    folded = {_folded(candidate): candidate for candidate in known}
    text = _folded(ALIASES.get(name, name[:100]))  # matching takes time with the square of the length
    if close := difflib.get_close_matches(text, folded, n=1):
        return folded[close[0]]
    begun = [candidate for start, candidate in folded.items() if len(text.strip("-")) > 2 and start.startswith(text)]
    return begun[0] if len(begun) == 1 else None


def _folded(name: str) -> str:
    return name.casefold().replace("_", "-")


def hint(name: object, known: Iterable[str]) -> str:
    """`` Did you mean 'NAME'?`` with the closest known name, for a message; empty where none is similar."""
    close = closest(name, known)
    return f" Did you mean {close!r}?" if close else ""


def suggest(name: object, known: list[str], kind: str) -> UnknownNameError:
    """The error for an unknown ``name``: the closest match first, then every known name.

    >>> print(suggest("corall", ["clip", "coral"], "objective"))
    Unknown objective 'corall'. Did you mean 'coral'? Known: clip, coral.
    """
    listed = ", ".join(sorted(known)) or "none"
    return UnknownNameError(f"Unknown {kind} {short(name)}.{hint(name, known)} Known: {listed}.")


def plain(docstring: str) -> str:
    """The text of a docstring without the marks of reStructuredText.

    >>> plain("As :class:`~coral_plugin.Model` has ``embed``.")
    'As coral_plugin.Model has embed.'
    """
    return _MARKUP.sub("", docstring)


def first_line(docstring: str | None) -> str:
    r"""What a docstring says first, plain and without its full stop; empty where there is none.

    >>> first_line("Mean of ``x``.\n\nMore.")
    'Mean of x'
    """
    return plain((docstring or "").strip().partition("\n")[0]).rstrip(".")


@dataclass(frozen=True)
class Entry:
    """One registered name: its distribution, and its target ``module:attribute``."""

    name: str
    target: str
    distribution: str


class Registry:
    """The names of one entry-point group. Listing imports nothing; ``get`` imports one plugin.

    Args:
        group: Entry-point group.
        kind: Noun for what is registered, for messages.
        needs: Names of attributes that every registered object must have.
    """

    def __init__(self, group: str, kind: str, needs: tuple[str, ...] = ()) -> None:
        self.group = group
        self.kind = kind
        self.needs = needs
        self._local: dict[str, Any] = {}
        self._lock = threading.Lock()

    def add(self, name: str, value: Any) -> None:
        """Register ``value`` under ``name`` in this process (tests, notebooks).

        Raises:
            ValueError: the name is taken by another object.
        """
        with self._lock:
            if self._local.get(name, value) is not value or (name not in self._local and name in self._points()):
                raise ValueError(f"{self.kind} {name!r} is already registered; choose another name.")
            self._local[name] = value

    def remove(self, name: str) -> None:
        """Take back an ``add``; unknown names are ignored."""
        with self._lock:
            self._local.pop(name, None)

    def added(self) -> dict[str, Any]:
        """What :meth:`add` has registered, by name."""
        return dict(self._local)

    def names(self) -> list[str]:
        """Every registered name, sorted."""
        return sorted({*self._points(), *self._local})

    def entries(self) -> list[Entry]:
        """Every registered name with its target and the distribution that brings it."""
        points = [
            Entry(name, point.value, _owner(point)) for name, claims in self._points().items() for point in claims
        ]
        local = [Entry(name, repr(value), "this process") for name, value in self._local.items()]
        return sorted(points + local, key=lambda entry: (entry.name, entry.distribution != OURS))

    def get(self, name: str) -> Any:
        """The object registered under ``name``.

        Raises:
            UnknownNameError: nothing is registered under it.
            PluginError: the plugin does not import, is not what it should be, or two distributions claim its name;
                the others stay usable. A name of this package stays with it, whoever claims it, too.
        """
        if not isinstance(name, str):
            raise suggest(name, self.names(), self.kind)
        if name in self._local:
            return self._local[name]
        points = self._points().get(name, [])
        if not points:
            unknown = suggest(name, self.names(), self.kind)
            changed = outdated()
            raise UnknownNameError(f"{unknown} {changed}") if changed else unknown
        points = [point for point in points if _owner(point) == OURS] or points
        if len({point.value for point in points}) > 1:
            claims = " and ".join(f"{_owner(point)} ({point.value})" for point in points)
            raise PluginError(
                f"{self.kind} {name!r} is claimed by {claims}; rename the one in "
                f"{_owner(points[-1])}, or uninstall one of them."
            )
        point = points[0]
        try:
            value = point.load()
        except (Exception, SystemExit) as error:  # a stranger's module may raise anything while it is imported
            reason = one_line(error, with_type=True)
            raise PluginError(
                f"{self.kind} {name!r} from {_owner(point)} ({point.value}) does not load: {reason}. "
                f"Repair or uninstall {_owner(point)}."
            ) from error
        missing = [need for need in self.needs if not hasattr(value, need)]
        missing += sorted(getattr(value, "__abstractmethods__", ()))
        if missing:
            raise PluginError(
                f"{self.kind} {name!r} from {_owner(point)} ({point.value}) is no {self.kind}: it has no "
                f"{', '.join(missing)}. Repair or uninstall {_owner(point)}."
            )
        return value

    def shadowed(self, entry: Entry) -> str | None:
        """Why an entry of a stranger cannot be used under a name of this package; None where it may be usable."""
        claims = self._points().get(entry.name, [])
        ours = [point for point in claims if _owner(point) == OURS]
        if entry.distribution == OURS or not ours or ours[0].value == entry.target:
            return None
        return (
            f"{self.kind} {entry.name!r} from {entry.distribution} ({entry.target}) has a name of {OURS}, which keeps "
            f"it; rename the one in {entry.distribution}."
        )

    @contextlib.contextmanager
    def blaming(self, name: str, target: str) -> Iterator[None]:
        """Calls of a plugin: what it raises is reported as a defect of it, by name.

        Args:
            name: Name in the message.
            target: ``module:attribute``, for the distribution in the message.

        Raises:
            DefectError: any exception that is neither of this package nor the machine's (memory).
        """
        try:
            yield
        except (CoralError, MemoryError):
            raise
        except Exception as error:  # a stranger's plugin may raise anything
            owner = next((entry.distribution for entry in self.entries() if entry.target == target), target)
            reason = one_line(error, with_type=True)
            raise DefectError(f"{self.kind} {name!r} (from {owner}) failed: {reason}; --debug shows where.") from error

    def fault(self, name: str) -> str | None:
        """Why the plugin registered under ``name`` cannot be used; None where it can. Imports it."""
        try:
            self.get(name)
        except PluginError as error:
            return str(error)
        return None

    def _points(self) -> dict[str, list[EntryPoint]]:
        return _installed(self.group, tuple((folder, _changed(folder)) for folder in sys.path))


@lru_cache(maxsize=16)
def _installed(group: str, _folders: tuple[tuple[str, int], ...]) -> dict[str, list[EntryPoint]]:
    """``{name: entry points}`` of a group; every distribution is read for it, so once as long as no folder changes."""
    from importlib.metadata import entry_points

    points: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=group):
        points.setdefault(point.name, []).append(point)
    return points


def _changed(folder: str) -> int:
    """When something was last installed in a folder of ``sys.path``."""
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:  # an archive, or no folder at all
        return 0


def outdated(checkout: Path | None = None) -> str | None:
    """One line on what to do where a checkout's ``entry_points.txt`` is not what was installed; None where it is.

    Installers read that file once; an old ``coral_multibench.egg-info`` in the current directory hides what they wrote.

    Args:
        checkout: Folder of ``entry_points.txt``; None for the one that holds this package. An installed wheel has none.

    >>> outdated(Path("no such folder"))
    """
    root = checkout or Path(__file__).parents[1]
    file = root / "entry_points.txt"
    if not file.is_file():
        return None
    import configparser
    from importlib.metadata import entry_points

    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(file.read_text(encoding="utf-8"))
    written = {(group, name, target) for group in parser.sections() for name, target in parser[group].items()}
    installed = {
        (point.group, point.name, point.value)
        for group in parser.sections()
        for point in entry_points(group=group)
        if _owner(point) == OURS
    }
    names = sorted({name for _, name, _ in written ^ installed})
    if not names:
        return None
    more = ", ..." if len(names) > 5 else ""
    shadow = root / f"{OURS.replace('-', '_')}.egg-info"  # an installation without isolation leaves it as it is
    remedy = f"rm -r {shadow} && " if shadow.exists() else ""
    return (
        f"What is installed is not what {file} says ({', '.join(names[:5])}{more}); install it again: "
        f"{remedy}pip install --no-deps -e {root}"
    )


def _owner(point: EntryPoint) -> str:
    # a damaged distribution may have lost its name
    return getattr(point.dist, "name", None) or "an unknown distribution"


OBJECTIVES = Registry("multibench.objectives", "objective", needs=("__call__", "Settings", "presets"))
_DATASET = ("name", "source", "licence", "Settings", "recipe", "load", "inspect")
DATASETS = Registry("multibench.datasets", "dataset", needs=_DATASET)
AUGMENTATIONS = Registry(
    "multibench.augmentations", "augmentation", needs=("__call__", "kinds", "bounds", "settings", "applies_to")
)
ENCODERS = Registry("multibench.encoders", "encoder", needs=("__call__",))
