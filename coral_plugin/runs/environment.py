"""The environment of a run: versions, machine, commit and command."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from coral_plugin.io.files import read_json

ENVIRONMENT = "environment.json"
PACKAGES = ("coral-multibench", "torch", "pytorch-lightning", "numpy", "scikit-learn")


def environment() -> dict[str, Any]:
    """Versions, machine, commit and command of this process; for ``environment.json``."""
    import torch

    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": commit(),
    }


def read_environment(folder: Path) -> dict[str, Any]:
    """The content of ``environment.json``; empty where there is none."""
    path = folder / ENVIRONMENT
    record = read_json(path) if path.is_file() else {}
    return record if isinstance(record, dict) else {}


def commit() -> str | None:
    """Git commit of the checkout that this package runs from, with ``+`` if it was edited; None outside one."""
    folder = Path(__file__).parent
    git = ["git", "-C", str(folder)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)  # noqa: S603
        if head.returncode:
            return None
        state = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, timeout=10)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return head.stdout.strip() + ("+" if state.stdout.strip() else "")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()}, {os.cpu_count()} cores"
    except OSError:
        return platform.processor()
    return platform.processor()
