"""The pictures of demo and ablation show every kind of information with its level of chance."""

from coral_plugin.reproduce import figures
from coral_plugin.reproduce.figures import draw_ablation, draw_information

SUMMARY = {
    "redundancy": {"mean": 0.9, "std": None, "values": [0.9], "chance": 0.1},
    "synergy": {"mean": 0.6, "std": None, "values": [0.6], "chance": 0.5},
}


def test_information(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(figures, "score_dots", lambda *arguments, **options: drawn.append((*arguments, options)))
    draw_information(tmp_path / "information", SUMMARY)
    ((path, panels, title, options),) = drawn
    assert (path, title) == (tmp_path / "information", "What COrAL recovers of Trifeature")
    assert panels[""].rows == {"redundancy": [0.9], "synergy": [0.6]}
    assert panels[""].chances == {"redundancy": 0.1, "synergy": 0.5}
    assert options["best_first"] is False


def test_ablation(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(figures, "score_dots", lambda *arguments, **options: drawn.append((*arguments, options)))
    draw_ablation(tmp_path / "ablation", {"no masking": SUMMARY, "50 %": SUMMARY})
    ((_, panels, title, options),) = drawn
    assert title == "Ablation of COrAL on Trifeature"
    assert {kind: (list(panel.rows), panel.lines[0].values) for kind, panel in panels.items()} == {
        "redundancy": (["no masking", "50 %"], [0.1]), "synergy": (["no masking", "50 %"], [0.5]),
    }  # fmt: skip
    assert options["best_first"] is False
