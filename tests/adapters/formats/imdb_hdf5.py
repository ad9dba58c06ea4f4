"""MM-IMDb: ``multimodal_imdb.hdf5`` as its authors' ``make_dataset.py`` leaves it, and the raw posters and plots."""

import json

import numpy as np

GENRES = (
    "Drama", "Comedy", "Romance", "Thriller", "Crime", "Action", "Adventure", "Horror", "Documentary", "Mystery",
    "Sci-Fi", "Music", "Fantasy", "Family", "Biography", "War", "History", "Animation", "Musical", "Western", "Sport",
    "Short", "Film-Noir",
)  # fmt: skip
RELEASED = (15552, 2608, 7799)  # train, dev, test, in this order of rows
RAW = 16
_MEANS = (103.939, 116.779, 123.68)  # blue, green, red: what VGG's input is centred with
_SOURCES = ("features", "genres", "images", "imdb_ids", "vgg_features")


def imdb(path, counts=(24, 8, 8), *, image=(32, 20), vgg=64, text=300, genres=23, seed=0, written=None, split=True):
    """``multimodal_imdb.hdf5``: posters (N, 3, H, W) blue first and centred (int32), plots as mean word vectors.

    A genre shows in one word feature, one VGG feature and one band of the poster.

    Args:
        counts: Rows of train, dev and test (:data:`RELEASED` is what MultiBench's loader asks for).
        image: Height and width of a poster, 256 x 160 in the released file; None leaves them out.
        vgg: VGG features a poster, 4096 there.
        text: Word features a plot, 300 there.
        genres: How many of :data:`GENRES`.
        seed: Of the values.
        written: Rows of each split that hold values; the others are never stored and read as zeros. The films are then
            :data:`RAW` different ones, so that few raw files are needed.
        split: Whether the file says in its attribute where the splits begin (fuel's ``H5PYDataset``).
    """
    import h5py

    rng, total = np.random.default_rng(seed), sum(counts)
    starts = np.cumsum((0, *counts))
    with h5py.File(path, "w") as file:
        chunk = min(total, 64)
        file.create_dataset("features", (total, text), np.float32, chunks=(chunk, text))
        file.create_dataset("vgg_features", (total, vgg), np.float32, chunks=(chunk, vgg))
        file.create_dataset("genres", (total, genres), np.int32)
        file.create_dataset("imdb_ids", (total,), "S7")
        if image:
            file.create_dataset("images", (total, 3, *image), np.int32, chunks=(1, 3, *image), compression="lzf")
        file["genres"].attrs["target_names"] = json.dumps(GENRES[:genres])
        for start, count in zip(starts, counts, strict=False):
            rows = slice(start, start + min(count, written or count))
            _fill(file, rows, rng)
        ids = np.char.zfill((np.arange(total) % (RAW if written else total)).astype(str), 7)
        file["imdb_ids"][...] = ids.astype("S7")
        if split:
            file.attrs["split"] = _split_array(h5py, starts, image)
    return path


def raw(folder, count=RAW, *, size=(60, 40), seed=0):
    """``folder/dataset/ID.jpeg`` and ``ID.json``: what MultiBench reads again for its noisy test sets."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    (folder / "dataset").mkdir(parents=True, exist_ok=True)
    for each in np.char.zfill(np.arange(count).astype(str), 7):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / "dataset" / f"{each}.jpeg")
        plot = {"plot": ["Short.", "A stranger comes to town and everybody changes."], "genres": ["Drama"]}
        (folder / "dataset" / f"{each}.json").write_text(json.dumps(plot))
    return folder


def _fill(file, rows, rng):
    count = rows.stop - rows.start
    genres = (rng.random((count, file["genres"].shape[1])) < 0.25).astype(np.int32)
    genres[np.arange(count), rng.integers(0, genres.shape[1], count)] = 1  # every film has a genre
    file["genres"][rows] = genres
    for key in ("features", "vgg_features"):
        values = rng.normal(0, 0.5, (count, file[key].shape[1]))
        shown = min(values.shape[1], genres.shape[1])
        values[:, :shown] += 2 * genres[:, :shown]
        file[key][rows] = np.maximum(values, 0) if key == "vgg_features" else values
    if "images" in file:
        height = file["images"].shape[2]
        for at, labels in enumerate(genres):
            pixels = rng.integers(60, 120, file["images"].shape[1:]).astype(np.float32)
            band = np.arange(height) * len(labels) // height
            pixels += 100 * labels[band][None, :, None]
            file["images"][rows.start + at] = (pixels - np.reshape(_MEANS, (3, 1, 1))).astype(np.int32)


def _split_array(h5py, starts, image):
    """fuel's table of splits: one row for each split and source."""
    kind = np.dtype([
        ("split", "S5"), ("source", "S12"), ("start", np.int64), ("stop", np.int64),
        ("indices", h5py.special_dtype(ref=h5py.Reference)), ("available", bool), ("comment", "S1"),
    ])  # fmt: skip
    sources = [source for source in _SOURCES if image or source != "images"]
    table = np.empty(3 * len(sources), kind)
    for number, label in enumerate(("train", "dev", "test")):
        for at, source in enumerate(sources):
            table[number * len(sources) + at] = (
                label.encode(), source.encode(), starts[number], starts[number + 1], h5py.Reference(), True, b""
            )  # fmt: skip
    return table
