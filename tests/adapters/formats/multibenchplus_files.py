"""The files of 27 data sets of MultiBench++, as its loaders expect them: ``plus(NAME, FOLDER)``."""

import csv
import json
import pickle
from collections import defaultdict

import numpy as np

COUNT = 60


def plus(name, folder, count=COUNT, seed=0):
    """Write the data set ``name`` into ``folder``; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _WRITERS[name](folder, np.random.default_rng(seed), count)
    return folder


def _table(path, head, rows, delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows([head, *rows])


def _picture(path, rng, size=(40, 30)):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(path)


def _pickle(path, content, protocol=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol))


def _mat(path, **variables):
    from scipy.io import savemat

    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables, do_compression=True)


def _omics(folder, rng, count):
    for part, rows in (("tr", count - count // 3), ("te", count // 3)):
        labels = np.arange(rows) % 3
        np.savetxt(folder / f"labels_{part}.csv", labels, delimiter=",", fmt="%.18e")
        for view, width in (("1", 6), ("2", 5), ("3", 4)):
            np.savetxt(folder / f"{view}_{part}.csv", labels[:, None] + rng.random((rows, width)), delimiter=",")


def _tcga(folder, rng, count):
    patients = [f"TCGA-{number:02}" for number in range(count + 4)]
    names = ("cnv", "meth", "mirna", "rnaseq", "rppa", "LUAD_cell_composition")
    for place, name in enumerate(names):
        kept = rng.permutation([patient for row, patient in enumerate(patients) if row % 20 != place])
        rows = [[patient, *np.round(rng.normal(size=3 + place), 4)] for patient in kept]
        _table(folder / f"{name}.csv", ["", *(f"gene_{column}" for column in range(3 + place))], rows)
    rows = [[patient, row * 10, row % 3] for row, patient in enumerate(patients)]
    _table(folder / "survival_clinical.csv", ["Patient Identifier", "Days", "Death"], rows)


def _mimic(folder, rng, count):
    from .pickles import mimic

    _pickle(folder / "im.pk", mimic(count))


def _mirflickr(folder, rng, count):
    import h5py

    labels = np.eye(4, dtype=np.uint8)[np.arange(count) % 4]
    labels[::7, 3] = 1
    place = folder / "Cleared-Set"
    _mat(place / "LAll/mirflickr25k-lall.mat", LAll=labels)
    _mat(place / "YAll/mirflickr25k-yall.mat", YAll=(rng.random((count, 9)) > 0.5).astype(np.uint8))
    path = place / "IAll/mirflickr25k-iall.mat"
    path.parent.mkdir()
    with h5py.File(path, "w", userblock_size=512) as file:
        file["IAll"] = rng.integers(0, 256, (count, 3, 12, 10), dtype=np.uint8)
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan 01 00:00:00 2018 HDF5 schema 1.00 ."
    with path.open("r+b") as file:
        file.write(head.ljust(124, b" ") + b"\0\2IM")


def _mmsa(path, rng, count):
    content = {}
    for split, rows in (("train", count), ("valid", count // 3), ("test", count // 3)):
        steps = {"text": 7, "audio": 9, "vision": 5}
        lengths = {name: rng.integers(1, size + 1, rows) for name, size in steps.items()}
        table = {}
        for name, width in (("text", 6), ("audio", 4), ("vision", 3)):
            values = rng.normal(size=(rows, steps[name], width)).astype(np.float32)
            values[np.arange(steps[name]) >= lengths[name][:, None]] = 0
            table[name] = values
        table["audio"][0, 0, 1] = -np.inf
        mask = (np.arange(7) < lengths["text"][:, None]).astype(np.float32)
        table["text_bert"] = np.stack([mask * 100, mask, np.zeros_like(mask)], axis=1)
        table["raw_text"] = np.array([f"{split} {row}" for row in range(rows)], dtype=object)
        table["id"] = [f"video_{row}$_$0001" for row in range(rows)]
        for suffix in ("", "_T", "_A", "_V"):
            table[f"regression_labels{suffix}"] = np.round(rng.uniform(-1, 1, rows), 1)
        table["audio_lengths"], table["vision_lengths"] = lengths["audio"].tolist(), lengths["vision"].tolist()
        content[split] = table
    _pickle(path, content, protocol=4)


def _sims(folder, rng, count):
    _mmsa(folder / "Processed/unaligned_39.pkl", rng, count)


def _sims_v2(folder, rng, count):
    _mmsa(folder / "unaligned.pkl", rng, count)


def _iemocap(folder, rng, count):
    videos = {f"Ses0{1 + number % 5}_{number:02}": 3 + number % 4 for number in range(count // 4)}
    names = list(videos)
    test = set(names[::4])
    ids = {video: [f"{video}_{step}" for step in range(steps)] for video, steps in videos.items()}
    speakers = {video: ["M" if step % 2 else "F" for step in range(steps)] for video, steps in videos.items()}
    labels = {video: [(step + steps) % 6 for step in range(steps)] for video, steps in videos.items()}
    text, audio, vision = (
        {video: [rng.normal(size=width).astype(np.float32) for _ in range(steps)] for video, steps in videos.items()}
        for width in (6, 8, 5)
    )
    _pickle(folder / "IEMOCAP_features_raw.pkl",
            (ids, speakers, labels, text, audio, vision, ids, set(names) - test, test))  # fmt: skip


def _meld(folder, rng, count):
    index = {"neutral": 0, "positive": 1, "negative": 2}
    vocabulary = defaultdict(float, {"the": 3.0, "friend": 1.0})
    revs, features = [], {"text": [], "audio": []}
    for split, rows in (("train", count), ("val", count // 3), ("test", count // 3)):
        ids = [f"{row // 5}_{row % 5}" for row in range(rows)]
        revs += [{"y": list(index)[row % 3], "split": split, "dialog": str(row // 5), "utterance": str(row % 5),
                  "text": "hey", "num_words": 1} for row in range(rows)]  # fmt: skip
        for name, width in (("text", 6), ("audio", 8)):
            kept = ids[1:] if name == "audio" else ids[::-1]
            features[name].append({key: rng.normal(size=width).astype(np.float32) for key in kept})
    for labels in ("sentiment", "emotion"):
        _pickle(folder / f"features/data_{labels}.p",
                [revs, rng.normal(size=(3, 4)), {"the": 1.0}, vocabulary, 33, index])  # fmt: skip
        for name, stem in (("text", "text_glove_average"), ("audio", "audio_embeddings_feature_selection")):
            _pickle(folder / f"features/{stem}_{labels}.pkl", features[name])


def _ouc(name, other):
    def write(folder, rng, count):
        labels = rng.integers(0, 5, (30, 25), dtype=np.uint8)
        places = rng.permutation(np.argwhere(labels > 0))
        _mat(folder / f"{name}_hsi.mat", **{f"{name}_hsi": rng.integers(0, 4000, (30, 25, 6), dtype=np.uint16)})
        heights = rng.normal(size=(30, 25) if other == "lidar" else (30, 25, 4))
        _mat(folder / f"{name}_{other}.mat", **{f"{name}_{other}": heights})
        _mat(folder / f"{name}_gt.mat", **{f"{name}_gt": labels})
        _mat(folder / f"{name}_index.mat", **{f"{name}_train": places[:count], f"{name}_test": places[count:],
                                              f"{name}_all": np.argwhere(labels >= 0)})  # fmt: skip

    return write


def _scene(rng):
    """A map of three classes with 130 pixels or more each, and its two images."""
    labels = np.repeat(rng.permutation(np.arange(40) % 4), 20).reshape(20, 40).astype(np.float64)
    spectra, heights = (labels[:, :, None] + rng.random((20, 40, bands)) for bands in (6, 2))
    return labels, spectra.astype(np.float32), heights.astype(np.float32)


def _trento(folder, rng, count):
    labels, spectra, heights = _scene(rng)
    _mat(folder / "Italy_hsi.mat", data=spectra)
    _mat(folder / "Italy_lidar.mat", data=heights)
    _mat(folder / "allgrd.mat", mask_test=labels.astype(np.uint8))


def _muufl(folder, rng, count):
    labels, spectra, heights = _scene(rng)
    labels[labels == 0] = -1
    lidar = np.empty(2, dtype=object)
    lidar[:] = [{"z": heights, "info": "first and last return"}, {"z": heights[::2], "info": "coarse"}]
    scene = {"labels": labels, "Materials_Type": np.array(["trees", "grass", "road"], dtype=object)}
    hsi = {"Data": spectra, "Lidar": lidar, "sceneLabels": scene, "info": {"wavelength": np.arange(6.0)}}
    _mat(folder / "MUUFLGulfportSceneLabels/muufl_gulfport_campus_1_hsi_220_label.mat", hsi=hsi)


def _scenes(*splits):
    def write(folder, rng, count):
        for split in splits:
            for number in range(count // 6):
                size = (600, 240) if number % 2 else (480, 240)
                _picture(folder / split / ("bedroom", "kitchen")[number % 2] / f"{number:03}.png", rng, size)

    return write


_WORDS = ["cat", "dog", "tree", "sun", "moon", "house", "river", "stone", "bird", "friend"]


def _texts(rng, count):
    return [" ".join(rng.choice(_WORDS, 4)) for _ in range(count)]


def _mami(folder, rng, count):
    for split, rows in (("train", count), ("validation", count // 3), ("test", count // 3)):
        names = [f"{split}_{row}.jpg" for row in range(rows)]
        texts = ["", 'he said "no"', *_texts(rng, rows - 2)]
        entries = [[name, text, row % 2] for row, (name, text) in enumerate(zip(names, texts, strict=True))]
        _table(folder / f"{split}.tsv", ["file_name", "text", "label"], entries, "\t")
        for name in names[: -1 if split == "train" else None]:  # the last one is missing
            _picture(folder / ("test_images" if split == "test" else "training_images") / name, rng)


def _memo(folder, rng, count):
    rows = [[f"image_{row}.png", text, row % 3] for row, text in enumerate(_texts(rng, count))]
    _table(folder / "all_data.tsv", ["image_name", "text", "label"], rows, "\t")
    for name, *_ in rows:
        _picture(folder / "all_images" / name, rng)


def _lines(valid, classes):
    def write(folder, rng, count):
        for split, rows in (("train", count), (valid, count // 3), ("test", count // 3)):
            entries = [{"id": row, "img": f"data/{split}_{row}.jpg", "text": text, "label": classes[row % len(classes)]}
                       for row, text in enumerate(_texts(rng, rows))]  # fmt: skip
            (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, entries)) + "\n")
            for entry in entries:
                _picture(folder / entry["img"], rng)
        (folder / "label.txt").write_text(str(list(classes)))

    return write


def _multioff(folder, rng, count):
    labels = ("Non-offensiv", "offensive")
    for stem, rows in (("Training", count), ("Validation", count // 3), ("Testing", count // 3)):
        entries = [
            [f"{stem}{row}.png", f"{text}\nby them", labels[row % 2]] for row, text in enumerate(_texts(rng, rows))
        ]
        _table(folder / f"Split Dataset/{stem}_meme_dataset.csv", ["image_name", "sentence", "label"],
               [*entries, ["strange.png", "a row with another label", "unsure"]])  # fmt: skip
        for name, *_ in entries:
            _picture(folder / "Labelled Images" / name, rng)


def _metmeme(language):
    def write(folder, rng, count):
        key = "images_name" if language == "C" else "file_name"
        names = [f"image_ ({row})" if language == "C" else f"image_ ({row}).jpg" for row in range(count)]
        texts = _texts(rng, count - 1)
        texts = ["他们都是我的朋友吗" + text[:4].replace(" ", "") for text in texts] if language == "C" else texts
        _table(folder / f"{language}_text.csv", [key, "text", ""],
               [[name, text, ""] for name, text in zip(names, [*texts, ""], strict=True)])  # fmt: skip
        kinds = ("1(happiness)", "2(love)", "3(anger)")
        labels = [[names[row], kinds[row % 3], "" if row == 5 else row % 2] for row in rng.permutation(count)]
        _table(folder / f"label_{language}.csv", [key, "sentiment category", "metaphor occurrence"], labels)
        for name in names:
            picture = f"{name.replace('_', '- ')}.jpg" if language == "C" else name
            _picture(folder / "/".join([f"{language}images"] * 3) / picture, rng)

    return write


def _tw15(folder, rng, count):
    for split, rows in (("train", count), ("dev", count // 3), ("test", count // 3)):
        entries = [
            [row, row % 3, f"{split}{row}.jpg", f"{text} $T$", "Rome"] for row, text in enumerate(_texts(rng, rows))
        ]
        _table(folder / f"twitter2015/{split}.tsv", ["index", "#1 Label", "#2 ImageID", "#3 String", "#3 String"],
               entries, "\t")  # fmt: skip
        for entry in entries[1:]:  # the first one is missing
            _picture(folder / "twitter2015_images" / entry[2], rng)


def _tw17(folder, rng, count):
    rows = [[f"{row}.jpg", text, row % 3] for row, text in enumerate(_texts(rng, count))]
    _table(folder / "Twitter1517_texts_and_labels.csv", ["new_image_id ", "txt", " cor_label"], rows)
    for name, *_ in rows[1:]:
        _picture(folder / "image" / name, rng)


def _derm7pt(folder, rng, count):
    points = ("pigment_network", "streaks", "pigmentation", "regression_structures", "dots_and_globules",
              "blue_whitish_veil", "vascular_structures")  # fmt: skip
    head = ["case_num", "diagnosis", *points, "clinic", "derm", "sex", "location", "elevation", "management"]
    rows = [[row, ("nevus", "melanoma", "clark nevus")[row % 3], *rng.choice(["absent", "typical"], 7),
             f"NAL/c{row}.jpg", f"NAL/d{row}.jpg", ("male", "female")[row % 2], ("back", "arm", "head")[row % 3],
             ("flat", "palpable")[row // 2 % 2], "excision" if row % 4 else "none"]
            for row in range(count)]  # fmt: skip
    _table(folder / "meta/meta.csv", head, rows)
    order = rng.permutation(count)
    for split, index in (("train", order[: count // 2]), ("valid", order[count // 2 : -9]), ("test", order[-9:])):
        _table(folder / f"meta/{split}_indexes.csv", ["", "indexes"], [[n, row] for n, row in enumerate(index)])
    for row in rows:
        _picture(folder / "images" / row[9], rng)
        _picture(folder / "images" / row[10], rng)


def _isic(folder, rng, count):
    head = ["image_name", "patient_id", "sex", "age_approx", "anatom_site_general_challenge", "diagnosis", "target"]
    rows = [[f"ISIC_{row:04}", f"IP_{row}", ("male", "female", "")[min(row % 7, 2)] if row % 7 > 4 else "male",
             "" if row == 3 else 30.0 + row % 8 * 5, ("torso", "", "head/neck")[row % 3], "unknown", int(row % 4 == 0)]
            for row in range(count)]  # fmt: skip
    _table(folder / "train.csv", head, rows)
    for row in rows:
        _picture(folder / f"jpeg/train/{row[0]}.jpg", rng)


_WRITERS = {
    "BRCA": _omics,
    "ROSMAP": _omics,
    "TCGA": _tcga,
    "MIMIC_III": _mimic,
    "mirflickr": _mirflickr,
    "SIMS": _sims,
    "SIMSv2": _sims_v2,
    "iemocap": _iemocap,
    "meld": _meld,
    "houston2018": _ouc("houston", "lidar"),
    "berlin": _ouc("berlin", "sar"),
    "augsburg": _ouc("augsburg", "sar"),
    "trento": _trento,
    "muufl": _muufl,
    "nyud2": _scenes("train", "val", "test"),
    "sun_rgbd": _scenes("train", "test"),
    "MAMI": _mami,
    "Memo": _memo,
    "mvsa_single": _lines("val", ("negative", "neutral", "positive")),
    "food101": _lines("dev", ("apple_pie", "waffles", "beignets")),
    "multioff": _multioff,
    "metmeme_c": _metmeme("C"),
    "metmeme_e": _metmeme("E"),
    "tw15": _tw15,
    "tw17": _tw17,
    "Derm7pt": _derm7pt,
    "SIIM-ISIC": _isic,
}
