"""``coral ablate``: the paper's Table 3 at a small scale."""

from __future__ import annotations

import sys
from pathlib import Path

from coral_plugin.cli.flags import CommandParser, add_trifeature_flags, check_record
from coral_plugin.errors import InputError, counted


def main(argv: list[str]) -> int:
    """Run ``coral ablate``; returns the exit status."""
    from coral_plugin.reproduce.ablation import ABLATIONS

    parser = CommandParser(
        prog="coral ablate",
        description="Trifeature with each kind of masking and without orthogonality: what each of them is for.",
        examples=("coral ablate", "coral ablate --seeds 41,42 --output runs/ablation --resume"),
        epilog=f"variants: {'; '.join(ABLATIONS)}",
    )
    add_trifeature_flags(parser, "runs/ablation")
    parser.add_argument("--variants", metavar="NAME;NAME", help="Names of variants; all by default")
    parser.add_argument("--record", metavar="DIR", help="Folder for copies of table, numbers and environment")
    arguments = parser.parse_args(argv)
    chosen = _variants(arguments.variants)
    from coral_plugin.io.files import write_json, write_text
    from coral_plugin.reproduce.ablation import leakage, leakage_table, run_ablation
    from coral_plugin.reproduce.figures import ABLATION, draw_ablation
    from coral_plugin.reproduce.trifeature import PAPER, SMALL, information_table
    from coral_plugin.runs.environment import environment

    folder = Path(arguments.output)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; choose another --output.")
    copies = check_record(arguments.record)
    scale = PAPER if arguments.paper_scale else SMALL
    runs = run_ablation(scale, variants=chosen, seeds=arguments.seeds, folder=folder, resume=arguments.resume)
    title = f"Trifeature, {scale.image_size} px, {counted(len(arguments.seeds), 'seed')}"
    tables = [
        information_table(runs, title),
        leakage_table(runs, f"{title}: what the parts share"),
    ]
    record = {
        "environment": environment(),
        "seeds": list(arguments.seeds),
        "variants": {
            name: {
                "method": dict(chosen[name]),
                "summary": both.summary,
                "leakage": leakage(both.metrics["unbiased"]),
            }
            for name, both in runs.items()
        },
    }
    for target in filter(None, (folder, copies)):
        write_json(target / ABLATION, record)
        write_text(target / "ablation.md", "\n".join(table.markdown() for table in tables))
        draw_ablation(target / "ablation", {name: both.summary for name, both in runs.items()})
    print("\n".join(table.text() for table in tables), flush=True)
    sys.stderr.write(f"{folder}: ablation.json, ablation.md, ablation.png\n")
    return 0


def _variants(text: str | None) -> dict[str, dict[str, object]]:
    from coral_plugin.registry import suggest
    from coral_plugin.reproduce.ablation import ABLATIONS

    if text is None:
        return ABLATIONS
    names = [name.strip() for name in text.split(";")]
    for name in names:
        if name not in ABLATIONS:
            raise suggest(name, list(ABLATIONS), "variant")
    return {name: ABLATIONS[name] for name in names}
