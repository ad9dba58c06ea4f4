"""Data that do not fit into memory: a folder of memory-mapped files, and a Dataset of PyTorch, train alike.

python examples/larger_than_memory.py
"""

import tempfile
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from coral_plugin import fit

rng = np.random.default_rng(0)


class Files(Dataset):
    """One file per sample: the item of a number is read when its batch is taken."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*.npz"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> dict[str, np.ndarray]:
        return dict(np.load(self.paths[number]))


def write(folder: Path, split: str, count: int) -> None:
    """Write a split twice: as one file per modality, and as one file per sample."""
    labels = rng.integers(0, 3, count)
    sound = rng.normal(labels[:, None], 1, (count, 40)).astype(np.float32)
    light = rng.normal(-labels[:, None], 1, (count, 20)).astype(np.float32)
    (folder / "mapped" / split).mkdir(parents=True)
    (folder / "items" / split).mkdir(parents=True)
    for name, array in (("sound", sound), ("light", light), ("labels", labels)):
        np.save(folder / "mapped" / split / f"{name}.npy", array)
    for row in range(count):
        np.savez(folder / "items" / split / f"{row:05d}.npz", sound=sound[row], light=light[row], labels=labels[row])


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    for split, count in (("train", 300), ("valid", 60), ("test", 100)):
        write(folder, split, count)
    files = (folder / "mapped").rglob("*.npy")
    mapped = {f"{file.parent.name}/{file.stem}": np.load(file, mmap_mode="r") for file in sorted(files)}
    items = {split: Files(folder / "items" / split) for split in ("train", "valid", "test")}
    for what, data in (("memory-mapped", mapped), ("items", items)):
        score = fit(data, epochs=5, network__width=32, quiet=True).metrics["tasks"]["label"]["mean"]
        print(f"{what}: balanced accuracy {score:.3f}")
