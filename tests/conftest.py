"""Fixtures that every folder of tests may use."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from coral_plugin.registry import outdated


def pytest_sessionstart():
    """Say in one line what dozens of failures would say otherwise."""
    if changed := outdated():
        pytest.exit(changed, returncode=pytest.ExitCode.USAGE_ERROR)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of small real data sets; it is not part of the package."""
    folder = Path(os.environ.get("CORAL_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is missing (CORAL_TEST_DATA names another folder)")
    return folder


@pytest.fixture
def tiny_arrays() -> dict[str, np.ndarray]:
    """Three modalities of different kinds, two classes, three splits; the series varies in length."""
    generator = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for split, count in (("train", 24), ("valid", 8), ("test", 8)):
        series = generator.normal(2.0, 3.0, (count, 6, 4)).astype(np.float32)
        for row in range(0, count, 2):
            series[row, 3 + row % 3 :] = 0
        arrays[f"{split}/table"] = generator.normal(size=(count, 5)).astype(np.float32)
        arrays[f"{split}/series"] = series
        arrays[f"{split}/image"] = generator.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
        arrays[f"{split}/labels"] = np.arange(count) % 2
    return arrays


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """The tensors here are tiny, and threads that wait for each other cost ten times the arithmetic."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What a test draws from global generators (weights, shuffled loaders) depends on no test before it."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the generator that code of others draws from
    torch.manual_seed(0)
