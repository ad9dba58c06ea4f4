"""Paths as users write them."""

from __future__ import annotations

import os
import re

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


def slug(name: str) -> str:
    """A name as that of a file or folder: letters and digits, with hyphens between.

    >>> slug("increasing 5/35/55/75 %")
    'increasing-5-35-55-75'
    """
    return "-".join("".join(c if c.isalnum() else " " for c in name).split())
