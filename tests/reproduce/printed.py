"""What the papers print, typed by hand from PUBLISHED.md (sections A to D), with what each number was measured on.

A line is ``column score | modalities | task | unit | row number | row number ...``; the unit % is percent of a share.
"""

from itertools import product

_TEXT = """
table1
trifeature redundancy | image1 image2 | redundancy | % | clip 100.0 | factorcl 99.8 | comm 99.9 | infmasking 99.9 ± 0.09 | coral 99.7 ± 0.08
trifeature uniqueness | image1 image2 | uniqueness1 | % | clip 11.6 | factorcl 62.5 | comm 87.8 | infmasking 90.6 ± 2.31 | coral 96.4 ± 1.08
trifeature synergy | image1 image2 | synergy | % | clip 50.0 | factorcl 46.5 | comm 71.9 | infmasking 77.0 ± 4.22 | coral 74.4 ± 2.92

table2
mimic icd9_7 | static series | icd9_7 | % | clip 66.0 ± 0.39 | factorcl 65.1 ± 0.21 | comm 65.7 ± 0.42 | infmasking 67.7 ± 0.37 | coral 67.4 ± 0.22
mosei label | vision text | label | % | clip 64.2 ± 0.45 | factorcl 71.7 ± 1.38 | comm 69.2 ± 0.48 | infmasking 69.7 ± 0.23 | coral 70.4 ± 0.21
mosi label | vision text | label | % | clip 50.6 ± 0.75 | factorcl 52.5 ± 1.74 | comm 66.0 ± 1.67 | infmasking 67.2 ± 1.00 | coral 67.9 ± 0.70
humor label | vision text | label | % | clip 57.4 ± 1.25 | factorcl 59.8 ± 0.77 | comm 63.0 ± 1.08 | infmasking 62.8 ± 1.22 | coral 63.5 ± 1.04
sarcasm label | vision text | label | % | clip 65.5 ± 2.71 | factorcl 54.2 ± 2.40 | comm 65.3 ± 2.21 | infmasking 65.5 ± 0.62 | coral 64.4 ± 1.76

table3
trifeature redundancy | image1 image2 | redundancy | % | increasing 99.7 ± 0.08 | none 99.6 ± 0.22 | 25 % 99.7 ± 0.14 | 50 % 99.5 ± 0.08 | 75 % 98.6 ± 0.74
trifeature uniqueness | image1 image2 | uniqueness1 | % | increasing 96.4 ± 1.08 | none 93.9 ± 2.70 | 25 % 96.6 ± 1.39 | 50 % 97.4 ± 0.63 | 75 % 96.3 ± 0.64
trifeature synergy | image1 image2 | synergy | % | increasing 74.4 ± 2.92 | none 50.7 ± 0.38 | 25 % 74.8 ± 1.25 | 50 % 75.5 ± 1.09 | 75 % 76.9 ± 1.99

table4
mimic icd9_7 | static series | icd9_7 | % | increasing 67.4 ± 0.22 | 25 % 67.3 ± 0.29 | 50 % 67.3 ± 0.60 | 75 % 67.4 ± 0.39
mosei label | vision text | label | % | increasing 70.4 ± 0.21 | 25 % 70.2 ± 0.35 | 50 % 70.2 ± 0.43 | 75 % 70.4 ± 0.39
mosi label | vision text | label | % | increasing 67.9 ± 0.70 | 25 % 65.6 ± 0.64 | 50 % 66.2 ± 1.07 | 75 % 65.3 ± 1.15
humor label | vision text | label | % | increasing 63.5 ± 1.04 | 25 % 64.0 ± 0.41 | 50 % 63.6 ± 0.68 | 75 % 63.6 ± 0.84
sarcasm label | vision text | label | % | increasing 64.4 ± 1.76 | 25 % 61.4 ± 2.16 | 50 % 60.4 ± 2.23 | 75 % 61.3 ± 2.47

table5
mimic icd9_7 | static series | icd9_7 | % | MLP, half width 67.4 ± 0.22 | MLP, same width 67.3 ± 0.52 | transformer, half width 67.6 ± 0.46
mosei label | vision text | label | % | MLP, half width 70.4 ± 0.21 | MLP, same width 70.3 ± 0.43 | transformer, half width 70.4 ± 0.24
mosi label | vision text | label | % | MLP, half width 67.9 ± 0.70 | MLP, same width 66.1 ± 0.49 | transformer, half width 66.6 ± 1.82
humor label | vision text | label | % | MLP, half width 63.5 ± 1.04 | MLP, same width 63.6 ± 1.32 | transformer, half width 63.9 ± 0.87
sarcasm label | vision text | label | % | MLP, half width 64.4 ± 1.76 | MLP, same width 62.0 ± 1.34 | transformer, half width 63.2 ± 1.69

figure4
mosi label | vision text | label | %
humor label | vision text | label | %

figure5
mosi label | vision text | label | %

finetune
mosi label | vision text | label | % | pretrained 67.9 ± 0.70 | fine-tuned 75.3 ± 0.73

comm-figure
trifeature redundancy | image1 image2 | redundancy | % | clip 100.0 | cross_self 99.7 | factorcl 99.8 | comm 99.9
trifeature uniqueness | image1 image2 | uniqueness1 | % | clip 11.6 | cross_self 86.9 | factorcl 62.5 | comm 87.8
trifeature synergy | image1 image2 | synergy | % | clip 50.0 | cross_self 50.0 | factorcl 46.5 | comm 71.9

comm-table1
vision_touch_ee end effector | image force | ee_next | MSE x 1e-4 | clip 33.09 ± 3.67 | cross_self 7.56 ± 0.31 | factorcl 10.82 ± 0.56 | comm 4.55
mimic icd9_7 | static series | icd9_7 | % | clip 66.7 ± 0.1 | cross_self 65.49 ± 0.0 | factorcl 67.3 ± 0.0 | comm 66.4
mosi label | vision text | label | % | clip 47.8 ± 1.8 | cross_self 49.0 ± 1.1 | factorcl 51.2 ± 1.6 | comm 67.5 ± 1.30
humor label | vision text | label | % | clip 50.1 ± 1.9 | cross_self 59.9 ± 0.9 | factorcl 60.5 ± 0.8 | comm 63.1
sarcasm label | vision text | label | % | clip 53.5 ± 2.9 | cross_self 53.9 ± 4.0 | factorcl 55.80 ± 0.9 | comm 63.9

comm-table2
imdb weighted F1 | text image | genres | % | clip 58.9 | comm 61.48
imdb macro F1 | text image | genres | % | clip 50.9 | comm 54.63

comm-table3
vision_touch_trimodal contact | image force proprio | contact_next | % | cmc 94.1 | comm 94.2
humor3 label | vision audio text | label | % | cmc 59.2 | comm 64.6

comm-table3-bimodal
vision_touch_contact contact | image proprio | contact_next | % | clip 84.4 | cross_self 86.8 | comm 88.1
humor label | vision text | label | % | clip 50.1 | cross_self 59.9 | comm 63.1

infmasking-table1
trifeature redundancy | image1 image2 | redundancy | % | mae 99.8 ± 0.11 | clip 100.0 | cross_self 99.7 | factorcl 99.8 | comm 99.9 ± 0.06 | infmasking 99.9 ± 0.09
trifeature uniqueness | image1 image2 | uniqueness1 | % | mae 82.4 ± 3.09 | clip 11.6 | cross_self 86.9 | factorcl 62.5 | comm 86.8 ± 2.99 | infmasking 90.6 ± 2.31
trifeature synergy | image1 image2 | synergy | % | mae 50.1 ± 0.24 | clip 50.0 | cross_self 50.0 | factorcl 46.5 | comm 71.4 ± 3.47 | infmasking 77.0 ± 4.22

infmasking-table2
vision_touch_ee end effector | image force | ee_next | MSE x 1e-4 | clip 33.09 ± 3.67 | cross_self 7.56 ± 0.31 | factorcl 10.82 ± 0.56 | comm 7.96 ± 2.13 | infmasking 4.23 ± 0.37
mimic icd9_7 | static series | icd9_7 | % | clip 66.7 ± 0.1 | cross_self 65.49 ± 0.0 | factorcl 67.3 ± 0.0 | comm 66.4 ± 0.41 | infmasking 68.1 ± 0.42
mosi label | vision text | label | % | clip 47.8 ± 1.8 | cross_self 49.0 ± 1.1 | factorcl 51.2 ± 1.6 | comm 63.7 ± 2.5 | infmasking 69.0 ± 1.2
humor label | vision text | label | % | clip 50.1 ± 1.9 | cross_self 59.9 ± 0.9 | factorcl 60.5 ± 0.8 | comm 63.3 ± 0.51 | infmasking 64.3 ± 0.9
sarcasm label | vision text | label | % | clip 53.5 ± 2.9 | cross_self 53.9 ± 4.0 | factorcl 55.80 ± 0.9 | comm 64.4 ± 1.1 | infmasking 66.8 ± 2.5

infmasking-table3
vision_touch_trimodal contact | image force proprio | contact_next | % | comm 94.1 ± 0.17 | infmasking 94.1 ± 0.09
humor3 label | vision audio text | label | % | comm 64.8 ± 1.13 | infmasking 65.6 ± 1.15

infmasking-table3-bimodal
vision_touch_contact contact | image proprio | contact_next | % | clip 86.3 ± 0.25 | cross_self 87.6 ± 0.26 | comm 87.0 ± 1.77 | infmasking 88.5 ± 0.33
humor label | vision text | label | % | clip 50.1 | cross_self 59.9 | comm 63.3 ± 0.51 | infmasking 64.3 ± 0.9

infmasking-table4
imdb weighted F1 | text image | genres | % | slip 56.54 ± 0.19 | clip 54.49 ± 0.19 | comm 61.29 ± 0.73 | infmasking 62.60 ± 0.26
imdb macro F1 | text image | genres | % | slip 47.35 ± 0.27 | clip 44.94 ± 0.30 | comm 53.79 ± 0.22 | infmasking 55.93 ± 0.19
"""  # noqa: E501


def _number(cell):
    """``"25 % 99.7 ± 0.14"`` to ``("25 %", "99.7 ± 0.14")``."""
    words = cell.split(" ")
    at = -3 if "±" in words else -1
    return " ".join(words[:at]), " ".join(words[at:])


def _line(text):
    place, modalities, task, unit, *numbers = (part.strip() for part in text.split(" | "))
    column, _, score = place.partition(" ")
    return (column, score), (tuple(modalities.split()), task, unit, dict(map(_number, numbers)))


# {target: {(column, score): (modalities, task, unit, {row: number as printed})}}
PRINTED = {
    name: dict(map(_line, lines))
    for name, *lines in (block.strip().splitlines() for block in _TEXT.strip().split("\n\n"))
}
# {target: {(row, column)}} of numbers of another method, metric or protocol than the rest of their table: copies of
# FactorCL's and of CoMM's (PUBLISHED.md, "How comparable are they?", 1 and 2), and a probe on features as they come
APART = {
    name: set(product(("clip", "cross_self", "factorcl"), ("mimic", "mosi", "humor", "sarcasm")))
    for name in ("comm-table1", "comm-table3-bimodal", "infmasking-table2", "infmasking-table3-bimodal")
}
APART["infmasking-table1"] = {(row, "trifeature") for row in ("clip", "cross_self", "factorcl")}
APART["comm-table2"] = {("clip", "imdb")}
AVERAGES = {
    "table2": {"clip": "60.7 ± 5.94", "factorcl": "60.7 ± 7.08", "comm": "65.8 ± 1.98", "infmasking": "66.6 ± 2.32",
               "coral": "66.7 ± 2.79"},
    "table5": {"MLP, half width": "66.7 ± 2.79", "MLP, same width": "65.9 ± 2.89",
               "transformer, half width": "66.3 ± 2.61"},
}  # fmt: skip
