"""Pictures with a text (memes, tweets, recipes), listed in tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from coral_plugin.errors import InputError, one_line

from .content import (
    EMPTY_CELLS,
    Content,
    MultibenchPlusSettings,
    SplitRows,
    permuted_rows,
    read_table,
    split_arrays,
    stratified_rows,
    text_of,
    whole_numbers,
)
from .pictures import path_inside, read_pictures

_OFFENSIVE = {"Non-offensiv": "not offensive", "offensive": "offensive"}  # as the files spell them


@dataclass
class Posts:
    """Pictures with texts, all splits one after another.

    Attributes:
        pictures: Files of the pictures.
        texts: Texts of the pictures.
        labels: Names or numbers of the classes.
        rows: Rows of each split; None for files that have all samples of a split, one after another.
        counts: Number of samples of each split so far.
    """

    pictures: list[Path] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    rows: SplitRows | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, split: str, folder: Path, names: Sequence[str], texts: Sequence[str], labels: Sequence[Any]) -> None:
        """Samples of a split, whose pictures lie in ``folder``."""
        self.pictures += [path_inside(folder, name) for name in names]
        self.texts += ["" if text in EMPTY_CELLS else text for text in texts]
        self.labels += labels
        self.counts[split] = self.counts.get(split, 0) + len(names)

    def rows_by_split(self) -> SplitRows:
        """Rows of each split."""
        if self.rows is not None:
            return self.rows
        ends = np.cumsum([0, *self.counts.values()])
        return {split: np.arange(a, b) for split, a, b in zip(self.counts, ends, ends[1:], strict=False)}


def read_posts(
    folder: Path, settings: MultibenchPlusSettings, *, listing: Callable[[Path], Posts], complete: bool = False
) -> Content:
    """Pictures and texts; a text is the weights of the words of train (TF-IDF).

    Args:
        folder: Folder of the data set.
        settings: Settings of the data set.
        listing: Function that reads the tables.
        complete: Whether MultiBench++ leaves samples without a picture out; else they lack the modality ``image``.

    Raises:
        InputError: a table that is missing or damaged, or no word in the texts of train.
        MachineError: the pictures do not fit into memory.
    """
    posts = listing(folder)
    rows = posts.rows_by_split()
    pixels, present, notes = read_pictures(folder, "image", posts.pictures, settings.size)
    if complete:
        rows = {split: index[present[index]] for split, index in rows.items()}
    values = {"image": pixels, "labels": np.array(posts.labels)}
    values["text"] = _weights(posts.texts, rows["train"], settings.words, str(folder))
    if notes:
        fate = "those samples are left out, as in MultiBench++" if complete else "MultiBench++ has black ones instead"
        notes = [f"{notes[0]}; {fate}"]
        values |= {} if complete else {"image/present": present}
    arrays: dict[str, Any] = split_arrays(rows, values, folder)
    notes += [f"a text is the TF-IDF weights of up to {settings.words} words of train; MultiBench++ fine-tunes a BERT"]
    if isinstance(posts.labels[0], str):
        arrays["classes"] = sorted(set(posts.labels))
    return Content(arrays, {"image": "image", "text": "tabular"}, notes)


def _weights(texts: Sequence[str], train: np.ndarray, words: int, place: str) -> np.ndarray:
    """``(N, d)`` TF-IDF weights; text without blanks (Chinese) is taken by its characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    of_train = [texts[row] for row in train]
    by_word = sum(any(c.isspace() for c in text.strip()) for text in of_train) * 2 >= len(of_train)
    vectorizer = TfidfVectorizer(max_features=words, analyzer="word" if by_word else "char")
    try:
        vectorizer.fit(of_train)
    except ValueError as error:
        raise InputError(f"{place}: the texts of train hold no word ({one_line(error)}).") from error
    weights: np.ndarray = vectorizer.transform(texts).toarray().astype(np.float32)
    return weights


def _mami(folder: Path) -> Posts:
    posts = Posts()
    for split, stem in (("train", "train"), ("valid", "validation"), ("test", "test")):
        path, pictures = folder / f"{stem}.tsv", folder / ("test_images" if split == "test" else "training_images")
        table = read_table(path, ("file_name", "text", "label"), "\t")
        posts.add(split, pictures, table["file_name"], table["text"], whole_numbers(table["label"], f"{path}: label"))
    return posts


def _memotion(folder: Path) -> Posts:
    posts, path = Posts(), folder / "all_data.tsv"
    table = read_table(path, ("image_name", "text", "label"), "\t")
    labels = whole_numbers(table["label"], f"{path}: label")
    posts.add("train", folder / "all_images", table["image_name"], table["text"], labels)
    tenth = int(0.1 * len(labels))
    posts.rows = permuted_rows(len(labels), tenth, tenth)
    return posts


def _json_lines(folder: Path, *, valid: str) -> Posts:
    """MVSA and Food-101: lines of ``{"img": ..., "text": ..., "label": ...}``."""
    posts = Posts()
    for split, stem in (("train", "train"), ("valid", valid), ("test", "test")):
        path = folder / f"{stem}.jsonl"
        for number, line in enumerate(text_of(path).rstrip("\n").split("\n"), start=1):
            try:
                entry = json.loads(line)
                name, text, label = entry["img"], entry["text"], entry["label"]
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise InputError(f"{path}: line {number} is no JSON with img, text and label.") from error
            posts.add(split, folder, [str(name)], [text if isinstance(text, str) else ""], [str(label)])
    return posts


def _multioff(folder: Path) -> Posts:
    posts = Posts()
    for split, stem in (("train", "Training"), ("valid", "Validation"), ("test", "Testing")):
        path = folder / "Split Dataset" / f"{stem}_meme_dataset.csv"
        table = read_table(path, ("image_name", "sentence", "label"))
        rows = [row for row, label in enumerate(table["label"]) if label in _OFFENSIVE]
        names, texts, labels = ([table[key][row] for row in rows] for key in ("image_name", "sentence", "label"))
        posts.add(split, folder / "Labelled Images", names, texts, [_OFFENSIVE[label] for label in labels])
    return posts


def _metmeme(folder: Path, *, language: str, key: str) -> Posts:
    """A table of texts and one of labels, joined by the picture; rows with an empty cell are left out."""
    tables = [read_table(folder / f"{language}_text.csv", (key, "text")),
              read_table(folder / f"label_{language}.csv", (key, "sentiment category"))]  # fmt: skip
    columns = [[cells for cells in table.values() if not EMPTY_CELLS.issuperset(cells)] for table in tables]
    complete = [{row for row in range(len(table[key])) if all(cells[row] not in EMPTY_CELLS for cells in used)}
                for table, used in zip(tables, columns, strict=True)]  # fmt: skip
    labels: dict[str, list[str]] = {}
    for row, name in enumerate(tables[1][key]):
        if row in complete[1]:
            labels.setdefault(name, []).append(tables[1]["sentiment category"][row])
    names, texts, classes = [], [], []
    for row, name in enumerate(tables[0][key]):
        for label in labels.get(name, ()) if row in complete[0] else ():
            # "3(love)": the number names the class
            classes.append(label.split("(")[0].strip())
            names.append(f"{name.replace('_', '- ')}.jpg" if language == "C" else name)
            texts.append(tables[0]["text"][row])
    posts = Posts()
    posts.add("train", folder / "/".join([f"{language}images"] * 3), names, texts, classes)
    valid, train = int(0.1 * len(names)), int(0.7 * len(names))
    posts.rows = permuted_rows(len(names), valid, len(names) - train - valid)
    return posts


def _twitter2015(folder: Path) -> Posts:
    posts = Posts()
    for split, stem in (("train", "train"), ("valid", "dev"), ("test", "test")):
        path = folder / "twitter2015" / f"{stem}.tsv"
        table = read_table(path, ("#1 Label", "#2 ImageID", "#3 String", "#3 String.1"), "\t")
        texts = [f"{tweet} {target}" for tweet, target in zip(table["#3 String"], table["#3 String.1"], strict=True)]
        labels = whole_numbers(table["#1 Label"], f"{path}: #1 Label")
        posts.add(split, folder / "twitter2015_images", table["#2 ImageID"], texts, labels)
    return posts


def _twitter1517(folder: Path) -> Posts:
    posts = Posts()
    path = folder / "Twitter1517_texts_and_labels.csv"
    table = read_table(path, ("txt", "new_image_id", "cor_label"))
    labels = whole_numbers(table["cor_label"], f"{path}: cor_label")
    posts.add("train", folder / "image", table["new_image_id"], table["txt"], labels)
    posts.rows = stratified_rows(labels, folder)
    return posts


mami = partial(read_posts, listing=_mami)
memotion = partial(read_posts, listing=_memotion)
mvsa_single = partial(read_posts, listing=partial(_json_lines, valid="val"))
food101 = partial(read_posts, listing=partial(_json_lines, valid="dev"))
multioff = partial(read_posts, listing=_multioff)
metmeme_c = partial(read_posts, listing=partial(_metmeme, language="C", key="images_name"))
metmeme_e = partial(read_posts, listing=partial(_metmeme, language="E", key="file_name"))
twitter2015 = partial(read_posts, listing=_twitter2015, complete=True)
twitter1517 = partial(read_posts, listing=_twitter1517, complete=True)
