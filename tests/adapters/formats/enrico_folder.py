"""ENRICO: ``design_topics.csv``, ``screenshots/ID.jpg``, ``wireframes/ID.png`` and ``hierarchies/ID.json``."""

import csv
import json
import random

import numpy as np

TOPICS = (
    "bare", "dialer", "camera", "chat", "editor", "form", "gallery", "list", "login", "maps", "mediaplayer", "menu",
    "modal", "news", "other", "profile", "search", "settings", "terms", "tutorial",
)  # fmt: skip
CORRUPT = "50105"  # its wireframe is damaged in the release, and MultiBench leaves it out


def enrico(folder, count=60, *, topics=20, screenshot=(64, 36), wireframe=(80, 45), seed=0, corrupt=True):
    """``count`` screens of ``topics`` topics, each of which is in train (MultiBench divides by their number there).

    A topic shows in the colour of the screenshot and in the height of a bar in the wireframe.

    Args:
        screenshot: Height and width; 960 x 540 and the like in the release.
        wireframe: Height and width; 2560 x 1440 and the like there.
        corrupt: Add the screen whose wireframe is damaged.
    """
    from PIL import Image

    rng = np.random.default_rng(seed)
    for part in ("screenshots", "wireframes", "hierarchies"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    keys = list(range(count))
    random.Random(42).shuffle(keys)  # MultiBench's split: neighbours in this order have different topics
    topic = np.empty(count, dtype=int)
    topic[keys] = np.arange(count) % topics
    rows = [(str(100 + 7 * at), TOPICS[topic[at]]) for at in range(count)]
    for at, (name, _) in enumerate(rows):
        shot = rng.integers(0, 40, (*screenshot, 3)) + 10 * topic[at]
        Image.fromarray(shot.astype(np.uint8)).save(folder / "screenshots" / f"{name}.jpg", quality=90)
        wire = np.full((*wireframe, 3), 255, np.uint8)
        wire[: wireframe[0] * (topic[at] + 1) // topics, : wireframe[1] // 2] = rng.integers(0, 80, 3)
        Image.fromarray(wire).save(folder / "wireframes" / f"{name}.png")
        leaf = {"bounds": [0, 0, 10, 10], "componentLabel": "Text"}
        (folder / "hierarchies" / f"{name}.json").write_text(json.dumps({"children": [leaf]}))
    if corrupt:
        rows.insert(count // 2, (CORRUPT, TOPICS[0]))
        Image.new("RGB", screenshot[::-1]).save(folder / "screenshots" / f"{CORRUPT}.jpg")
        (folder / "wireframes" / f"{CORRUPT}.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    with (folder / "design_topics.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("screen_id", "topic"), *rows])
    return folder
