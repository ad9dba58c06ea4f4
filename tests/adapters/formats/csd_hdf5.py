"""CMU-MultimodalSDK's computational sequences: ``root/data/ID/{features, intervals}`` and ``root/metadata``."""

import json

import numpy as np

LABELS = "Opinion Segment Labels"
_SIZES = {"glove_vectors": 12, "COVAREP": 6, "FACET_4.2": 5}
_STEPS = {"glove_vectors": 0.3, "COVAREP": 0.05, "FACET_4.2": 0.1}  # seconds, about


def sequences(folder, videos=12, *, segments=4, seconds=3.0, sizes=None, seed=0, holes=True):
    """One ``.csd`` a modality and one of labels: ``videos`` of ``segments`` opinions of about ``seconds`` each.

    Words, sound and faces have times of their own. The sign of an opinion shows in the first feature of each.

    Args:
        sizes: ``{modality: features}``, of ``glove_vectors``, ``COVAREP`` and ``FACET_4.2``.
        holes: Leave out the face of one segment, put -inf into a sound, and give one video no face at all.

    Returns:
        The folder and the names of the videos.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"video_{number:02d}" for number in range(videos)]
    data = {modality: {} for modality in (*(sizes or _SIZES), LABELS)}
    for number, name in enumerate(names):
        lengths = seconds * rng.uniform(0.8, 1.2, segments)
        ends = np.cumsum(lengths + 0.2)
        scores = np.resize([2.0, -1.5, 0.5, -2.5, 0.0], videos * segments)[number * segments :][:segments]
        intervals = np.stack([ends - lengths, ends], axis=1)
        data[LABELS][name] = (intervals, scores.astype(np.float32)[:, None])
        for modality, size in (sizes or _SIZES).items():
            data[modality][name] = _timed(rng, modality, size, intervals, scores)
    if holes and "FACET_4.2" in data:
        del data["FACET_4.2"][names[-1]]
        times, values = data["FACET_4.2"][names[0]]
        start, stop = data[LABELS][names[0]][0][1]
        away = (times[:, 1] < start - 0.5) | (times[:, 0] > stop + 0.5)  # longer than a word, which may begin before it
        data["FACET_4.2"][names[0]] = (times[away], values[away])
        data["COVAREP"][names[1]][1][3, 2] = -np.inf
    for modality, entries in data.items():
        csd(folder / f"CMU_MOSI_{modality.replace(' ', '_')}.csd", modality, entries)
    return folder, names


def csd(path, root, entries):
    """Write ``{id: (intervals (n, 2), features (n, d))}`` as mmsdk's ``deploy`` does."""
    import h5py

    with h5py.File(path, "w") as file:
        data = file.create_group(root).create_group("data")
        for name, (intervals, features) in entries.items():
            group = data.create_group(name)
            group.create_dataset("features", data=features, compression="gzip", compression_opts=9)
            group.create_dataset("intervals", data=intervals, compression="gzip", compression_opts=9)
        about = file[root].create_group("metadata")
        for key, value in _metadata(root).items():
            about.create_dataset(key, (1,), dtype=h5py.string_dtype())[0] = json.dumps(value)
    return path


def _timed(rng, modality, size, intervals, scores):
    """Steps of varying length from the first opinion to the last, without regard to where they begin and end."""
    edges = np.cumsum(rng.uniform(0.7, 1.3, int(intervals[-1, 1] / _STEPS[modality]) + 8) * _STEPS[modality])
    edges = edges[edges < intervals[-1, 1] + 0.5]
    middle = (edges[:-1] + edges[1:]) / 2
    values = rng.normal(0, 0.5, (len(middle), size)).astype(np.float32)
    for (start, stop), score in zip(intervals, scores, strict=True):
        values[(middle >= start) & (middle < stop), 0] += np.sign(score)
    return np.stack([edges[:-1], edges[1:]], axis=1), values


def _metadata(root):
    keys = (
        "computational sequence description", "dimension names", "computational sequence version",
        "alignment compatible", "dataset name", "dataset version", "creator", "contact", "featureset bib citation",
        "dataset bib citation", "uuid", "md5",
    )  # fmt: skip
    return {"root name": root, **dict.fromkeys(keys, "made for tests"), "dataset name": "CMU-MOSI"}
