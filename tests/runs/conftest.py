"""A small data set that a representation can tell something about, and settings that train in a second."""

import numpy as np
import pytest

TINY = {
    "network__width": 16,
    "network__heads": 2,
    "network__head_hidden": 16,
    "network__head_output": 8,
    "training__batch_size": 32,
    "training__learning_rate": 1e-3,
    "training__device": "cpu",
}


@pytest.fixture
def tiny():
    return dict(TINY)


@pytest.fixture
def arrays():
    """Two modalities of 120 samples in three classes: a table and a series."""
    rng = np.random.default_rng(0)
    out = {}
    for split, n in (("train", 60), ("valid", 30), ("test", 30)):
        labels = np.arange(n) % 3
        out[f"{split}/table"] = (labels[:, None] + 0.3 * rng.standard_normal((n, 4))).astype(np.float32)
        out[f"{split}/wave"] = (
            np.sin(np.arange(12)[None, :, None] * (1 + labels[:, None, None])) + 0.2 * rng.standard_normal((n, 12, 2))
        ).astype(np.float32)
        out[f"{split}/labels"] = labels
    return out
