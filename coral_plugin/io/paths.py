"""Paths and other texts as users write them."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

_MOST_TEXT = 10_000
_TILDE = re.compile(r"((?:--)?(?:[\w.-]+=)+)?(~[^/=]*/.*)", re.DOTALL)


def home_expanded(text: str) -> str:
    """A path, or a flag ``--name=path`` or ``--name=key=path``, with the folder that ``~/`` or ``~user/`` stands for.

    A shell does so for words that begin with a tilde, not behind ``=``, and nobody does in Python or YAML.

    >>> home_expanded("--data=~/x.npz") == "--data=" + os.path.expanduser("~/x.npz"), home_expanded("a~/b")
    (True, 'a~/b')
    """
    if (match := _TILDE.fullmatch(text)) is None:
        return text
    return (match[1] or "") + os.path.expanduser(match[2])  # noqa: PTH111 - a user that is not there stays


def files_below(folder: Path, above: frozenset[Path] = frozenset()) -> list[Path]:
    """All files below a folder, sorted; links to files and folders are followed.

    Args:
        folder: Folder.
        above: Folders whose files are being listed; a link back to one of them is not entered.
    """
    entered = above | {folder.resolve()}
    files: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            files += files_below(path, entered) if path.resolve() not in entered else []
        elif path.is_file():
            files.append(path)
    return sorted(files)


def slug(name: str) -> str:
    """A name as that of a file or folder: letters and digits, with hyphens between.

    >>> slug("increasing 5/35/55/75 %")
    'increasing-5-35-55-75'
    """
    return "-".join("".join(c if c.isalnum() else " " for c in name).split())


def is_text(value: object) -> bool:
    """Whether ``value`` is a text that files and names can hold: no null character, no half of one."""
    if not isinstance(value, str) or "\0" in value or len(value) > _MOST_TEXT:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_path(value: object) -> bool:
    """Whether ``value`` is a text without control characters, which would break the lines that name the path."""
    return is_text(value) and not any(unicodedata.category(sign) == "Cc" for sign in str(value))
