"""``coral doctor``: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import importlib
import platform
from importlib.metadata import PackageNotFoundError, version

from coral_plugin.cli.parser import CommandParser
from coral_plugin.errors import CoralError
from coral_plugin.files import cache_folder
from coral_plugin.registry import DATASETS, ENCODERS, OBJECTIVES

NEEDED = {
    "torch": "torch",
    "pytorch-lightning": "pytorch_lightning",
    "torchmetrics": "torchmetrics",
    "numpy": "numpy",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "safetensors": "safetensors",
    "jsonargparse": "jsonargparse",
    "matplotlib": "matplotlib",
}
OPTIONAL = {
    "umap-learn": ("umap", "umap"),
    "tensorboard": ("tensorboard", "tensorboard"),
    "h5py": ("h5py", "multibench"),
}


def main(argv: list[str]) -> int:
    """Run ``coral doctor``; returns 0 if everything that is needed works, else 1."""
    CommandParser(
        prog="coral doctor", description="Say what is installed, what is missing, and how to get it."
    ).parse_args(argv)
    print(f"coral-multibench {version('coral-multibench')}, Python {platform.python_version()}, {platform.platform()}")
    works = [_package(name, module, None) for name, module in NEEDED.items()]  # every line is printed
    whole = all(works)
    for name, (module, extra) in OPTIONAL.items():
        _package(name, module, extra)
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU that torch can use"
    print(f"device: {gpu}; {torch.get_num_threads()} threads")
    print(f"cache: {cache_folder()}")
    for registry in (OBJECTIVES, DATASETS, ENCODERS):
        for name in registry.names():
            try:
                registry.get(name)
            except CoralError as error:
                whole = False
                print(f"broken: {error}")
        print(f"{registry.kind}s: {', '.join(registry.names())}")
    return 0 if whole else 1


def _package(name: str, module: str, extra: str | None) -> bool:
    """Print one line on a package; whether it works."""
    try:
        found = version(name)
    except PackageNotFoundError:
        how = f"pip install 'coral-multibench[{extra}]'" if extra else "pip install coral-multibench again"
        print(f"{'absent ' if extra else 'MISSING'} {name}: {how}")
        return extra is not None
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken library may raise anything while it is imported
        print(f"BROKEN  {name} {found}: {type(error).__name__}: {' '.join(str(error).split())[:150]}")
        return False
    print(f"ok      {name} {found}")
    return True
