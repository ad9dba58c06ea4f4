"""MultiBench's pickles: the affect data in both of their layouts, and MIMIC's ``im.pk``."""

import pickle

import numpy as np

SIZES = {"vision": 4, "audio": 3, "text": 5}


def affect(counts=(12, 6, 6), steps=7, sizes=SIZES, *, seed=0, layout="arrays", scores=(-2.0, -0.6, 0.0, 0.4, 3.0)):
    """``{split: {vision, audio, text, labels, id}}``, zeros in front; ``layout`` arrays (MOSI) or lists (humor)."""
    rng = np.random.default_rng(seed)
    content = {}
    for split, count in zip(("train", "valid", "test"), counts, strict=True):
        lengths = 1 + np.arange(count) % steps
        table = {}
        for name, size in sizes.items():
            array = rng.normal(1.0, 2.0, (count, steps, size)).astype(np.float32)
            array[np.arange(steps) < steps - lengths[:, None]] = 0
            if layout == "lists":
                whole = np.empty(count, dtype=object)
                whole[:] = [
                    row[steps - length :].astype(np.float64) for row, length in zip(array, lengths, strict=True)
                ]
                array = whole
            table[name] = array
        values = np.resize(np.asarray(scores, dtype=np.float32), count)
        table["labels"] = values.reshape(-1, 1, 1) if layout == "arrays" else values.reshape(-1, 1)
        table["id"] = np.array([f"{split}_{i}" for i in range(count)])
        content[split] = table
    return content


def mimic(count=60, *, seed=0, holes=True):
    """``im.pk``: what MultiBench reads of it, with a few values that are no numbers."""
    rng = np.random.default_rng(seed)
    series, static = rng.normal(3, 5, (count, 24, 12)), rng.normal(-2, 4, (count, 5))
    if holes:
        series[1, 2, 3], series[4, 0, 0], static[2, 1] = np.nan, -np.inf, np.inf
    deaths = np.zeros((count, 6), dtype=np.int64)
    deaths[np.arange(count), np.arange(count) % 6] = 1
    groups = (np.arange(20)[None, :] + np.arange(count)[:, None]) % 3 == 0
    return {"ep_tdata": series, "adm_features_all": static, "adm_labels_all": deaths, "y_icd9": groups.astype(np.int64)}


def save(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol))
    return path
