"""Gentle push: trajectories in HDF5 as fannypack's ``TrajectoriesFile`` keeps them."""

import numpy as np

# fannypack's cache calls a file by its place on Google Drive and its name
DRIVE = {
    "gentle_push_10.hdf5": "1qmBCfsAGu8eew-CQFmV1svodl9VJa6fX",
    "gentle_push_300.hdf5": "18dr1z0N__yFiP_DAKxy-Hs9Vy_AsaW6Q",
    "gentle_push_1000.hdf5": "1JTgmq1KPRK9HYi8BgvljKg5MPqT_N4cR",
}
_SPLIT_OF = {"gentle_push_1000.hdf5": "train", "gentle_push_10.hdf5": "valid", "gentle_push_300.hdf5": "test"}


def push(folder, counts=(6, 2, 3), *, steps=40, seed=0, cached=True):
    """``gentle_push_1000``, ``_10`` and ``_300``: train, valid and test of the simulated pushes.

    Args:
        counts: Trajectories of train, valid and test (1000, 10 and 300 there).
        steps: Of a trajectory, at least 24 for MultiBench's windows of 16 at two offsets.
        cached: Name the files as fannypack's cache does; else by their plain names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sizes = dict(zip(("train", "valid", "test"), counts, strict=True))
    for number, (name, split) in enumerate(_SPLIT_OF.items()):
        path = folder / (f"{DRIVE[name]}-{name}" if cached else name)
        trajectories(path, sizes[split], steps=steps, seed=seed + number)
    return folder


def trajectories(path, count, *, steps=40, seed=0):
    """One file of ``count`` trajectories: groups ``trajectory0``, ... of arrays with ``steps`` rows."""
    import h5py

    rng = np.random.default_rng(seed)
    with h5py.File(path, "w", libver="latest") as file:
        for number in range(count):
            group = file.create_group(f"trajectory{number}")
            for key, values in _trajectory(rng, steps).items():
                group.create_dataset(key, data=values.astype(np.float32), compression="lzf")
    return path


def _trajectory(rng, steps):
    """A gripper that follows the object it pushes; the object is a bright spot of the image."""
    place = np.cumsum(rng.normal(0, 0.01, (steps, 2)), axis=0) + rng.normal((0.497, -0.009), 0.05, 2)
    gripper = np.concatenate([place + rng.normal(-0.03, 0.005, (steps, 2)), np.full((steps, 1), 0.88)], axis=1)
    contact = (rng.random(steps) < 0.4).astype(float)
    pixel = np.clip((place - (0.3, -0.2)) / 0.4 * 32, 0, 31).astype(int)
    image = rng.random((steps, 32, 32)) * 0.1
    image[np.arange(steps), pixel[:, 1], pixel[:, 0]] += 0.9
    return {
        "eef_pos": gripper + rng.normal(0, 0.01, gripper.shape),
        "force": rng.normal(0, 1, (steps, 6)) + contact[:, None],
        "contact": contact,
        "Cylinder0_pos": np.concatenate([place, np.full((steps, 1), 0.85)], axis=1),
        "object-state": rng.normal(0, 1, (steps, 10)),
        "image": image,
    }
