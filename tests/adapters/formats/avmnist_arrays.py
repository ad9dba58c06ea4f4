"""AV-MNIST: MultiBench's folder of ``.npy`` files, and the bank of which small ones are made."""

import numpy as np


def avmnist(folder, train=40, test=10, *, seed=0, audio=np.uint8, written=None):
    """MultiBench's folder: image/ and audio/ with train_data.npy and test_data.npy, and the labels.

    MultiBench's loader takes 60,000 and 10,000 rows only; with ``written=400`` both ends of such arrays are filled, and
    the rest is a hole in the file that takes no disk (``audio=np.float16`` halves what the loader then needs).
    """
    for part in ("image", "audio"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for label, count in (("train", train), ("test", test)):
        rng = np.random.default_rng(seed + (label == "test"))
        digits = np.arange(count) % 10
        sizes = {"image": (count, 784), "audio": (count, 112, 112)}
        types = {"image": np.float32, "audio": audio}
        arrays = {
            key: np.lib.format.open_memmap(folder / key / f"{label}_data.npy", "w+", types[key], sizes[key])
            for key in sizes
        }
        ends = min(written or count, count) // 2
        for rows in (range(ends), range(count - ends if written else ends, count)):
            for row in rows:  # one at a time: 70,000 at once would be gigabytes
                arrays["image"][row] = rng.integers(0, 60, 784) + 15 * digits[row]
                arrays["audio"][row] = rng.integers(0, 256, (112, 112))
        for array in arrays.values():
            array.flush()
        np.save(folder / f"{label}_labels.npy", digits)
    return folder


def bank(path, counts=(40, 10, 10), recordings=30, *, seed=0):
    """``avmnist_mini.npz``: images by split, recordings once, and two ways to pair them; ``spk``: c speaks in test."""
    rng = np.random.default_rng(seed)
    digits, speakers = np.arange(recordings) % 10, np.array(["a", "b", "c"])[np.arange(recordings) // 10 % 3]
    arrays = {"audio_bank": rng.integers(0, 256, (recordings, 112, 112), dtype=np.uint8)}
    for split, count in zip(("train", "valid", "test"), counts, strict=True):
        arrays[f"{split}_image"] = rng.integers(0, 256, (count, 784), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count) % 10).astype(np.uint8)
        for way in ("rec", "spk"):
            allowed = (way == "rec") | ((speakers == "c") == (split == "test"))
            by_digit = [np.flatnonzero(allowed & (digits == digit)) for digit in range(10)]
            rows = [by_digit[i % 10][i // 10 % len(by_digit[i % 10])] for i in range(count)]
            arrays[f"{split}_audio_index_{way}"] = np.array(rows)
    np.savez(path, bank_label=digits, bank_speaker=speakers, **arrays)
    return path
