"""The figures that README, the records' README and the pages print are those of the records."""

import json
from pathlib import Path
from statistics import fmean, stdev

ROOT = Path(__file__).parents[2]
SMALL = "results/small"
KINDS = ("redundancy", "uniqueness", "synergy")


def cell(record, row, column=None, score="label"):
    """``mean ± std`` of a table in %, or the mean alone where there is one seed or no spread."""
    rows = json.loads((ROOT / record / "table.json").read_text())["rows"]
    (scores,) = (entry["scores"] for entry in rows if entry["name"] == row)
    (value,) = (s for s in scores if s["score"] == score and column in (None, s["column"]))
    return f"{100 * value['mean']:.1f}" + (f" ± {100 * value['std']:.1f}" if value["std"] else "")


def wearables(row):
    return cell(f"{SMALL}/wearables", row)


def digits(row):
    return cell(f"{SMALL}/digits", row, score="digit")


def avmnist(row):
    return cell(f"{SMALL}/avmnist", row)


def part(record, row, name):
    """``mean ± std`` of a part of the representation over five seeds, in %."""
    paths = sorted((ROOT / record / "metrics").glob(f"{row}-s*.json"))
    values = [json.loads(path.read_text())["parts"][name]["label"]["mean"] for path in paths]
    assert len(values) == 5
    return f"{100 * fmean(values):.1f} ± {100 * stdev(values):.1f}"


def told_apart(rows):
    """Methods that the corrected test separates from the first one."""
    p_values = {row["name"]: row["scores"][0]["p_value"] for row in rows}
    return {name for name, p in p_values.items() if p is not None and p < 0.05}


def longest(rows, column):
    """The number of methods that took the longest length; each is trained as long as it was chosen."""
    chosen = json.loads((ROOT / SMALL / column / "lengths.json").read_text())["chosen"]
    trained = {
        row["name"]: row["trainings"][column][""]["settings"]["training"]["epochs"]
        for row in rows
        if row["name"] in chosen
    }
    assert trained == chosen
    return sum(epochs == max(chosen.values()) for name, epochs in chosen.items() if name != "supervised")


def speed(name):
    rows = json.loads((ROOT / "benchmarks/records/train_speed.json").read_text())["rows"]
    (row,) = (row for row in rows if (row["method"], row["shape"]) == ("coral", name))
    return row["sides"]["this code"]["whole_samples_per_second"]["median"]


def test_readme():
    text = (ROOT / "README.md").read_text()
    cross_self = ("cross_self", "Cross+Self")
    for of, best, title in ((wearables, "clip", "CLIP"), (avmnist, *cross_self), (digits, *cross_self)):
        ours, other, raw, labels = (of(row) for row in ("coral", best, "concat_raw", "supervised"))
        assert ours.split()[0] < other.split()[0]
        raw = f"**{raw}**" if of is avmnist else raw
        assert f"| {ours} | {title} {other} | {raw} | {labels.split()[0]} |" in text
    ours, raw = (cell(f"{SMALL}/mosi", name, "all") for name in ("coral", "concat_raw"))
    floor = json.loads((ROOT / SMALL / "mosi/floor.json").read_text())["raw_features"]
    words = 100 * floor["text"]["label"]["mean"]
    assert f"| {ours} | not run | {raw}; text alone {words:.1f} |" in text


def test_the_records_readme():
    text = (ROOT / "results/README.md").read_text()
    for row, title in (("focal", "FOCAL"), ("decur", "DeCUR")):
        kinds = [
            cell(f"{SMALL}/rivals_trifeature", row, score=kind) for kind in ("redundancy", "uniqueness", "synergy")
        ]
        assert f"{title} {', '.join(kinds)}" in text
        assert f"{title} {cell(f'{SMALL}/rivals_wearables', row)}" in text
    rows = json.loads((ROOT / SMALL / "wearables/table.json").read_text())["rows"]
    means = {row["name"]: row["scores"][0]["mean"] for row in rows if row["kind"] == "method"}
    first = sorted(means, key=means.get, reverse=True)[:4]
    titles = {"clip": "CLIP", "slip": "SLIP", "simclr": "SimCLR", "coral": "COrAL", "cross_self": "Cross+Self",
              "coral_plus": "plus", "comm": "CoMM"}  # fmt: skip
    assert set(first) == {*list(titles)[:4]}
    assert ", ".join(f"{titles[name]} {wearables(name)}" for name in (*first, *list(titles)[4:])) in text
    assert told_apart(rows) == {"infmasking", "mae"}, "and nobody else"
    assert longest(rows, "wearables") == 7, "seven of thirteen took the longest length"
    rows = json.loads((ROOT / SMALL / "avmnist/table.json").read_text())["rows"]
    values = {row["name"]: [*row["scores"][0]["values"].values()] for row in rows}
    shared = {row: part(f"{SMALL}/avmnist", row, "shared") for row in ("coral", "coral_plus")}
    assert (
        f"Cross+Self {avmnist('cross_self')}, CoMM {avmnist('comm')}, plus {avmnist('coral_plus')} (shared part "
        f"{shared['coral_plus']}), COrAL {avmnist('coral')} ({shared['coral']}), SLIP {avmnist('slip')}, all others"
    ) in text
    first = ("cross_self", "comm", "coral_plus", "coral", "slip")
    means = [fmean(values[name]) for name in first]
    others = [fmean(values[row["name"]]) for row in rows if row["kind"] == "method" and row["name"] not in first]
    assert sorted([*means, *others], reverse=True)[: len(first)] == means
    assert means[2] > means[0] - stdev(values["cross_self"]), "plus is within one deviation of the first"
    assert "COrAL reaches {:.1f}, {:.1f}, {:.1f}, {:.1f} and {:.1f}".format(*(100 * v for v in values["coral"])) in text
    assert f"below all raw values ({avmnist('concat_raw')}), which training with labels" in text
    floor = json.loads((ROOT / SMALL / "avmnist/floor.json").read_text())["raw_features"]
    alone = {name: f"{100 * floor[name]['label']['mean']:.1f}" for name in ("audio", "image")}
    assert "raw audio ({audio}) and raw image ({image})".format(**alone) in text
    summary = json.loads((ROOT / "results/demo/summary.json").read_text())
    kinds = [f"{kind} {100 * summary[kind]['mean']:.1f}" for kind in KINDS]
    assert ", ".join(kinds) in text


def test_digits_in_the_records_readme():
    text = (ROOT / "results/README.md").read_text()
    rows = json.loads((ROOT / SMALL / "digits/table.json").read_text())["rows"]
    means = {row["name"]: row["scores"][0]["mean"] for row in rows if row["kind"] == "method"}
    titles = {"cross_self": "Cross+Self", "clip": "CLIP", "slip": "SLIP", "decur": "DeCUR", "simclr": "SimCLR",
              "coral": "COrAL"}  # fmt: skip
    assert sorted(means, key=means.get, reverse=True)[: len(titles)] == [*titles]
    titles |= {"coral_plus": "plus", "infmasking": "InfMasking", "comm": "CoMM"}
    assert ", ".join(f"{title} {digits(name)}" for name, title in titles.items()) in text
    assert f"raw features {digits('concat_raw')}, with labels {digits('supervised').split()[0]} (1,077 samples)" in text
    assert told_apart(rows) == {"infmasking", "comm", "mae"}, "and nobody else"
    assert longest(rows, "digits") == 8, "eight of thirteen took the longer length"


def test_mosi_in_the_records_readme():
    text = " ".join((ROOT / "results/README.md").read_text().split())
    record = f"{SMALL}/mosi"
    names = {"all": "all", "vision_text": "vision and text", "audio_text": "audio and text"}
    ours = ", ".join(f"{title} {cell(record, 'coral', name)}" for name, title in names.items())
    raw = ", ".join(cell(record, "concat_raw", name) for name in names)
    assert f"{ours}; raw {raw}" in text
    floor = json.loads((ROOT / record / "floor.json").read_text())["raw_features"]
    vision, audio, words = (f"{100 * floor[name]['label']['mean']:.1f}" for name in ("vision", "audio", "text"))
    assert f"vision is worth nothing (raw {vision}). Raw text alone reaches {words} on test" in text
    assert f"({cell(record, 'coral', 'all')}) is above raw vision, raw audio ({audio}) and all raw values" in text
    rows = json.loads((ROOT / record / "folds.json").read_text())["rows"]
    folds = {row["features"]: row["values"] for row in rows if row["modalities"].count("+") == 2}
    unique, whole = (
        f"{100 * fmean(folds[name]):.1f} ± {100 * stdev(folds[name]):.1f}"
        for name in ("coral: unique/text", "coral: all")
    )
    plain = {name: f"{100 * folds[f'raw: {name}'][0]:.1f}" for name in ("text", "all")}
    assert f"raw text {plain['text']} and COrAL's unique part of text {unique}; all parts {whole} against" in text
    assert f"against {plain['all']} of all raw values" in text


def test_speeds_of_the_questions():
    text = (ROOT / "docs/faq.md").read_text()
    shown = f"features of MOSI {speed('mosi'):.0f} samples/s, MIMIC {speed('mimic'):.0f}, images of 224 px"
    assert f"{shown} {speed('trifeature'):.1f}" in text


def test_the_trial_of_stacked_seeds():
    rows = json.loads((ROOT / "benchmarks/records/stack_trial.json").read_text())["rows"]
    gain = {row["case"]: f"{row['gain']:.2f}" for row in rows if row["threads"] == 1}
    text = " ".join((ROOT / "docs/design.md").read_text().split())
    three = ("two tables", "digits", "sensors")
    default, narrow = ([gain[f"{name}, {how}"] for name in three] for how in ("defaults", "width 32"))
    assert "it is {} times as fast on two tables, {} on digits, {} on sensors; ".format(*default) in text
    assert f"{gain['images of 32 px as in `coral demo`, all layers learnt']} on images of 32 px" in text
    mosi, by_hand = "MOSI's shapes, without dropout", "feed-forward of MOSI's valid steps, by hand"
    assert f"{gain[mosi]} on MOSI's shapes (two seeds)" in text
    assert "With `--width 32` it is {} (tables), {} (digits) and {} (sensors) times as fast".format(*narrow) in text
    assert f"({gain[by_hand]} for the feed-forward of MOSI's steps)" in text
    smallest = "width 32, heads 64 and 32, batches of 32"
    small = [gain[f"{name}, {smallest}"] for name in ("two tables", "sensors")]
    assert "{} on tables and {} on sensors".format(*small) in text
    alone = {row["case"]: row["seconds"]["one by one"] for row in rows}
    pairs = [(alone[f"{name}, defaults"], alone[f"{name}, {smallest}"]) for name in ("two tables", "sensors")]
    bounds = [default / (default - 0.8 * least) for default, least in pairs]
    assert "would be {:.2f} (tables) and {:.2f} (sensors) times as fast".format(*bounds) in text
    calls = [row["operations"] for row in rows if "defaults" in row["case"]]
    share = [call["stacked"] / call["one by one"] for call in calls]
    assert f"still calls {100 * min(share):.0f} to {100 * max(share):.0f} % of the operations" in text
    assert max(row["relative_difference"] for row in rows) < 1e-5


def test_trifeature_at_the_papers_length():
    text = " ".join((ROOT / "results/README.md").read_text().split())
    record = ROOT / "results/long/trifeature"
    panels = json.loads((record / "curves.json").read_text())["panels"]

    def at(method, epochs, kind):
        (values,) = (p["score"]["values"] for p in panels[kind][method] if p["epochs"] == epochs)
        assert len(values) == 3
        return 100 * fmean(values)

    auroc = "synergy, AUROC"
    rows, readme = [], " ".join((ROOT / "README.md").read_text().split())
    for row, title in (("coral", "COrAL"), ("comm", "CoMM"), ("infmasking", "InfMasking")):
        scores = [cell("results/long/trifeature", row, score=kind) for kind in KINDS]
        ends = [f"{at(title, 50, kind):.1f}" for kind in KINDS]
        assert [score.split()[0] for score in scores] == ends, "the curve ends at the table"
        assert "{}, {} and {}".format(*scores) in readme or "{}, uniqueness {} and synergy {}".format(*scores) in readme
        rows.append(f"{title} {', '.join(scores)} ({at(title, 50, auroc):.1f})")
    assert ", ".join([rows[0].replace("(", "(AUROC "), *rows[1:]]) in text
    assert (
        "ROC curve ({:.1f}, {:.1f}, {:.1f})".format(*(at(m, 50, auroc) for m in ("COrAL", "CoMM", "InfMasking")))
        in text
    )
    last = {kind: {m: points[-1]["score"]["values"] for m, points in panels[kind].items()} for kind in KINDS}
    by_seed = {
        kind: {m: "{:.1f}, {:.1f} and {:.1f}".format(*(100 * v for v in values)) for m, values in of_kind.items()}
        for kind, of_kind in last.items()
    }
    assert "({COrAL}; CoMM {CoMM}; InfMasking {InfMasking})".format(**by_seed["uniqueness"]) in text
    assert "(COrAL {COrAL}; CoMM {CoMM}; InfMasking {InfMasking})".format(**by_seed["synergy"]) in text
    for kind, of_coral, which in (("uniqueness", max, [True, True, False]), ("redundancy", min, [True, True, False])):
        index = list(last[kind]).index("COrAL")
        assert [of_coral(seed) == seed[index] for seed in zip(*last[kind].values(), strict=True)] == which
        means = [fmean(values) for values in last[kind].values()]
        assert of_coral(means) == means[index]
    table = json.loads((record / "table.json").read_text())["rows"]
    assert all(score["p_value"] is None or score["p_value"] > 0.3 for row in table for score in row["scores"])
    early = f"{at('COrAL', 10, 'synergy'):.1f} (AUROC {at('COrAL', 10, auroc):.1f}) after ten epochs"
    assert early in text
    assert f"has {at('CoMM', 10, 'synergy'):.1f} ({at('CoMM', 10, auroc):.1f}). With 35 %" in text
    for epochs, words in ((15, "fifteen"), (20, "twenty")):
        assert f"{at('COrAL', epochs, 'synergy'):.1f} ({at('COrAL', epochs, auroc):.1f}) after {words}" in text

    short = [cell(f"{SMALL}/trifeature", "coral", score=kind) for kind in KINDS]
    assert "after four epochs COrAL had {}, {} and {}".format(*short) in text

    def gained(method):
        synergy, area = (at(method, 50, kind) - at(method, 20, kind) for kind in ("synergy", auroc))
        return f"{synergy:.1f} ({area:.1f})"

    assert f"add {gained('COrAL')} in thirty epochs, in which CoMM gains {gained('CoMM')}" in text
    metrics = {
        method: [
            json.loads((record / "metrics" / f"{method}-trifeature-biased-s{seed}.json").read_text())
            for seed in (41, 42, 43)
        ]
        for method in ("coral", "comm", "infmasking")
    }
    tasks = ("redundancy", "uniqueness1", "synergy")
    one = {
        method: [f"{100 * fmean(seed['tasks'][task]['mean'] for seed in found):.1f}" for task in tasks]
        for method, found in metrics.items()
    }
    assert "redundancy {}, uniqueness {}, synergy {} with COrAL".format(*one["coral"]) in text
    assert f"(CoMM {', '.join(one['comm'])}; InfMasking {', '.join(one['infmasking'])})" in text
    parts = [
        f"{100 * fmean(seed['parts'][part]['synergy']['mean'] for seed in metrics['coral']):.1f}"
        for part in metrics["coral"][0]["parts"]
    ]
    assert "the shared one alone has synergy {}, the unique ones {} and {}".format(*parts) in text


def test_one_training_at_the_papers_length():
    record, tasks = ROOT / "results/long/trifeature_plus", ("redundancy", "uniqueness1", "synergy")
    curves = json.loads((record.with_name("trifeature") / "curves.json").read_text())["biased"]
    found = {}  # {title: {kind: values of the seeds}}
    for row, title in (("coral_plus", "COrAL plus"), ("no_masking", "COrAL without masks")):
        paths = sorted((record / "metrics").glob(f"{row}-*.json"))
        by_task = [json.loads(path.read_text())["tasks"] for path in paths]
        found[title] = dict(zip(KINDS, ([seed[task]["mean"] for seed in by_task] for task in tasks), strict=True))
        found[title]["synergy, AUROC"] = [seed["synergy"]["also"]["auroc"]["mean"] for seed in by_task]
        assert [cell("results/long/trifeature_plus", row, score=kind) for kind in KINDS] == [
            spread(found[title][kind]) for kind in KINDS
        ]
    page = (ROOT / "docs/coral_plus.md").read_text()
    for title, kinds in {**curves, **found}.items():
        assert f"| {title} | {' | '.join(map(spread, kinds.values()))} |" in page
    text, readme = (" ".join((ROOT / name).read_text().split()) for name in ("results/README.md", "README.md"))
    plus, bare = found["COrAL plus"], found["COrAL without masks"]
    first, second, third = (spread(plus[kind]) for kind in KINDS)
    area, bare_area = (f"{100 * fmean(row['synergy, AUROC']):.1f}" for row in (plus, bare))
    of_coral = "{}, {} and {}".format(*(spread(curves["COrAL"][kind]) for kind in KINDS))
    assert f"read from a single training, on biased pairs, COrAL has {of_coral}, and with one more term" in readme
    assert f"(docs/coral_plus.md)) {first}, {second} and {third}, on two seeds." in readme
    assert f"without them it stays at chance, {spread(bare['synergy'])} " in readme
    assert f"redundancy {first}, uniqueness {second}, synergy {third} (AUROC {area})" in text
    assert f"of plus {first}, {second}, {third} (AUROC {area}), of COrAL without masks" in text
    assert f"{', '.join(spread(bare[kind]) for kind in KINDS)} ({bare_area})" in text
    assert f"has synergy {spread(bare['synergy'])} (AUROC {bare_area}) after a million pairs" in text
    assert f"of the other two: {spread(bare['redundancy'])} and {spread(bare['uniqueness'])}." in text
    both = {
        kind: "{:.1f} and {:.1f} against {:.1f} and {:.1f}".format(
            *(100 * value for value in (*plus[kind], *curves["COrAL"][kind][:2]))
        )
        for kind in KINDS
    }
    assert "({redundancy}; {uniqueness}), synergy in one of them ({synergy})".format(**both) in text


def spread(values):
    return f"{100 * fmean(values):.1f} ± {100 * stdev(values):.1f}"


def test_the_page_of_coral_plus():
    text = (ROOT / "docs/coral_plus.md").read_text()
    ours, plus, first = map(wearables, ("coral", "coral_plus", "clip"))
    assert f"have {ours} and {plus}, and the first of all methods, CLIP, {first}" in " ".join(text.split())

    for folder, title in (("avmnist", "AV-MNIST"), ("plus_wearables", "sensors")):
        rows = ("coral", "coral_plus", "comm", "cross_self", "concat_raw", "supervised")
        assert f"| {title}, all parts | {' | '.join(cell(f'{SMALL}/{folder}', row) for row in rows)} |" in text
    for folder, name, title in (
        ("avmnist", "shared", "AV-MNIST, shared part"),
        ("avmnist", "unique/audio", "AV-MNIST, unique part of the audio"),
        ("avmnist", "unique/image", "AV-MNIST, unique part of the image"),
        ("plus_wearables", "shared", "sensors, shared part"),
    ):
        both = " | ".join(part(f"{SMALL}/{folder}", row, name) for row in ("coral", "coral_plus"))
        assert f"| {title} | {both} |" in text
    metrics = {
        (row, pairing): json.loads((ROOT / SMALL / f"plus_trifeature/metrics/{row}-{pairing}-s41.json").read_text())[
            "tasks"
        ]
        for row in ("coral", "coral_plus", "comm")
        for pairing in ("unbiased", "biased")
    }
    for row, title in (("coral", "COrAL"), ("coral_plus", "COrAL plus"), ("comm", "CoMM")):
        biased = metrics[row, "biased"]
        readings = {title: metrics[row, "unbiased"], f"{title}, biased training alone": biased}
        for label, first in list(readings.items())[: 1 if row == "comm" else 2]:
            values = [first["redundancy"], first["uniqueness1"], biased["synergy"], biased["synergy"]["also"]["auroc"]]
            shown = " | ".join(f"{100 * value['mean']:.1f}" for value in values)
            assert f"| {label} | {shown} |" in text
    rows = json.loads((ROOT / SMALL / "plus_trifeature/table.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["coral", "coral_plus", "comm"]
    costs = {}
    for folder, column in (
        ("plus_trifeature", "trifeature"),
        ("avmnist", "avmnist"),
        ("plus_wearables", "wearables"),
    ):
        rows = json.loads((ROOT / SMALL / folder / "table.json").read_text())["rows"]
        seconds = {
            row["name"]: fmean(row["cost"][column]["seconds"]) for row in rows if row["name"].startswith("coral")
        }
        costs[folder] = f"{seconds['coral_plus'] / seconds['coral']:.2f}"
    assert "takes {} times as long there, {} on AV-MNIST and {} on the sensors".format(*costs.values()) in text


def test_the_rows_of_coral_plus_in_the_records_readme():
    text = (ROOT / "results/README.md").read_text()
    titles = {"coral": "COrAL", "coral_plus": "plus", "comm": "CoMM", "cross_self": "Cross+Self"}
    (line,) = (line for line in text.splitlines() if line.startswith("| `small/plus_wearables/` |"))
    for row, title in titles.items():
        assert f"{title} {cell(f'{SMALL}/plus_wearables', row)}" in line
    assert f"raw features {cell(f'{SMALL}/plus_wearables', 'concat_raw')}" in line
    assert f"with labels {cell(f'{SMALL}/plus_wearables', 'supervised').split()[0]}" in line
    (line,) = (line for line in text.splitlines() if line.startswith("| `small/plus_trifeature/` |"))
    for row in ("coral", "coral_plus", "comm"):
        kinds = ", ".join(cell(f"{SMALL}/plus_trifeature", row, score=kind) for kind in KINDS)
        assert f"{titles[row]} {kinds}" in line
    runs = (ROOT / "results/long/trifeature/metrics").glob("*.json")
    hours = sum(json.loads(path.read_text())["train"]["seconds"] for path in runs) / 3600
    assert f"the eighteen trainings took {hours:.1f} hours together" in text


def test_options_that_were_no_gain():
    text = " ".join((ROOT / "docs/faq.md").read_text().split())
    rows = json.loads((ROOT / "benchmarks/records/options_speed.json").read_text())["rows"]
    gains = {
        option: [value["median"] for row in rows for name, value in row["gains"].items() if option in name]
        for option in ("--compile", "bf16-mixed")
    }
    assert [row["row"] for row in rows] == ["coral on mosi", "coral on mimic", "coral on demo"]
    assert "{:.1f}, {:.1f} and {:.1f} times as long compiled".format(*gains["--compile"]) in text
    assert "{:.1f}, {:.1f} and {:.1f} times in bfloat16".format(*gains["bf16-mixed"]) in text


def test_numbers_made_again():
    (line,) = (
        line for line in (ROOT / "results/README.md").read_text().splitlines() if line.startswith("| `again/` |")
    )
    rows = json.loads((ROOT / "results/again/again.json").read_text())["rows"]
    same = [row["place"] for row in rows if row["again"] == row["recorded"]]
    others = {
        f"{100 * abs(row['again'] - row['recorded']):.2f}": row["place"][0] for row in rows if row["place"] not in same
    }
    assert len(same) == 4, "four, of records of 2026-11-30, are the same to the last digit"
    assert set(others.values()) == {"results/small/trifeature"}
    assert f"differ by {' and '.join(others)} points" in line


def test_counts_of_modalities():
    (line,) = (
        line for line in (ROOT / "results/README.md").read_text().splitlines() if line.startswith("| `modalities/` |")
    )
    rows = (ROOT / "results/modalities/modalities.md").read_text().splitlines()
    found = {cells[1].strip(): (cells[5].strip(), cells[6].strip()) for row in rows if len(cells := row.split("|")) > 6}
    assert f"digits {found['digits, halves'][0]} in halves and {found['digits, quarters'][0]} in quarters" in line
    for name, title in (("MOSI, utterances", "MOSI utterances"), ("wearables", "sensors"),
                        ("wearables and spectra", "sensors and spectra")):  # fmt: skip
        assert "{} {} ({})".format(title, *found[name]) in line
