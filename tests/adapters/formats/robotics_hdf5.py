"""Vision & Touch: ``triangle_real_data``, HDF5 files of 50 steps; up to 20 of them are one trajectory."""

import numpy as np


def robotics(folder, trajectories=5, chunks=2, *, steps=50, side=128, seed=0, channels_first=False):
    """``TRAJECTORY_CHUNK_1000.h5``: image, depth, proprioception, force, action, contact and optical flow by step.

    Args:
        trajectories: How many (150 there).
        chunks: Files of each (20 there).
        steps: Of a file.
        side: Of images; MultiBench's encoders take 128.
        channels_first: Images (3, W, H), which MultiBench's loader turns.
    """
    import h5py

    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for trajectory in range(trajectories):
        for chunk in range(chunks):
            path = folder / f"20190408_{180000 + trajectory}_triangle_0_journal_{trajectory}_{chunk}_1000.h5"
            # MultiBench pairs each step with one of another file, for ever where no gripper is farther away than 0.06
            start = rng.normal((0.4 + 0.15 * chunk, 0.3 * trajectory, 0.1), 0.01)
            arrays = _chunk(rng, start, steps, side)
            if channels_first:
                arrays["image"] = arrays["image"].transpose(0, 3, 2, 1)
            with h5py.File(path, "w", libver="latest") as file:  # MultiBench opens them with swmr=True
                for key, values in arrays.items():
                    file.create_dataset(key, data=values, chunks=(1, *values.shape[1:]), compression="lzf")
    return folder


def _chunk(rng, start, steps, side):
    """A gripper that wanders: the image's brightness and the force tell where it goes, and whether it touches."""
    action = rng.normal(0, 0.02, (steps, 4))
    place = start + np.cumsum(action[:, :3], axis=0)
    contact = rng.random((steps, 50)) < np.where(rng.random(steps) < 0.5, 0.3, 0.0)[:, None]
    touched = contact.any(axis=1)
    image = np.full((steps, side, side, 3), 60.0) + (200 * (place - start))[:, None, None, :]
    image[:, : side // 4] += 80 * touched[:, None, None, None]
    image += rng.integers(0, 20, (steps, side // 4, side // 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    yaw = rng.normal(0, 0.1, (steps, 1))
    return {
        "image": image.clip(0, 255).astype(np.uint8),
        "depth_data": np.full((steps, side, side, 1), 0.5, np.float32) + place[:, 2, None, None, None].astype("f4"),
        "optical_flow": np.zeros((steps, side, side, 2), np.float32),
        "proprio": np.concatenate([place, yaw, rng.normal(0, 1, (steps, 4))], axis=1),
        "ee_forces_continuous": rng.normal(0, 2, (steps, 50, 6)) + 5 * touched[:, None, None],
        "action": action,
        "contact": contact,
        "ee_pos": place,
        "ee_yaw": np.concatenate([place, yaw], axis=1),
    }
