"""``make dist``: builds the source distribution and the wheel, and shows that they are whole and can be installed.

Every step says one line; the first thing that is wrong ends it. It needs git, and the extra ``release``.
"""

import argparse
import configparser
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS_ALONE = (".ci/", ".gitignore")  # what the source distribution leaves out
MADE = ("PKG-INFO", "setup.cfg", "coral_multibench.egg-info/")  # what the build adds to it
SMALL = (
    "--epochs 1 --batch-size 256 --network.width=16 --network.heads=2 --network.head_hidden=16 --network.head_output=16"
)
# parts of the suite that read files beside the package: docs, examples, results, benchmarks
SOME_TESTS = [
    *("tests/test_release.py", "tests/test_architecture.py", "tests/test_registry.py", "tests/test_mutations.py"),
    *("tests/test_train_speed.py", "tests/guides", "tests/losses", "tests/io/test_npz.py", "coral_plugin/losses"),
]


def main():
    """Build, check and install."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder of the two files")
    parser.add_argument("--no-install", action="store_true", help="only build the files and look into them")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coral-dist-") as folder:
        work = Path(folder)
        tracked = copy_tracked(work / "checkout")
        source, wheel = build(work / "checkout", arguments.output)
        run(sys.executable, "-m", "twine", "check", "--strict", source, wheel)
        check_source(source, tracked)
        check_wheel(wheel, tracked)
        check_same(wheel, build(work / "checkout", work / "direct", "--wheel")[0])
        if not arguments.no_install:
            for name in ("constraints-lowest.txt", "constraints.txt"):
                python = install(work / name / "venv", wheel, ROOT / name)
                train(python, work / name)
            test(python, source, work)
    print(f"whole: {', '.join(f'{path.name} ({path.stat().st_size / 1e6:.1f} MB)' for path in (source, wheel))}")


def run(*command, cwd=ROOT, environment=None):
    """Run a command without PYTHONPATH; its output is shown where it fails, and returned."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | (environment or {})
    done = subprocess.run([*map(str, command)], cwd=cwd, env=clean, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nmake dist: failed: {' '.join(map(str, command))}")
    return done.stdout


def expect(held, fault):
    """End with one line unless ``held``."""
    if not held:
        sys.exit(f"make dist: {fault}")


def copy_tracked(folder):
    """Copy what git tracks, as it lies here now, so that neither old builds nor stray files get in; their names."""
    names = run("git", "ls-files", "-z").rstrip("\0").split("\0")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return names


def build(checkout, output, *kind):
    """Build both distributions, the wheel from the source distribution, or one ``kind``; their paths."""
    shutil.rmtree(output, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", output, *kind, checkout)
    return sorted(output.iterdir(), key=lambda path: path.suffix == ".whl")


def check_source(source, tracked):
    """The source distribution has every tracked file, and nothing else."""
    with tarfile.open(source) as content:
        names = {member.name.partition("/")[2] for member in content if member.isfile()}
    names = {name for name in names if not name.startswith(MADE)}
    wanted = {name for name in tracked if not name.startswith(OURS_ALONE)}
    expect(names >= wanted, f"{source.name} lacks {sorted(wanted - names)[:5]}: name them in MANIFEST.in")
    expect(names <= wanted, f"{source.name} has {sorted(names - wanted)[:5]}, which git does not track")
    print(f"{source.name}: {len(names)} files, all that git tracks but {' and '.join(OURS_ALONE)}")


def check_wheel(wheel, tracked):
    """The wheel has every tracked file of the package, the entry points, the licence, and nothing else."""
    wanted = {name for name in tracked if name.startswith("coral_plugin/")}
    wanted |= {f"coral_plugin/{name}" for name in tracked if name.startswith("adapters/")}
    with zipfile.ZipFile(wheel) as content:
        names = {name for name in content.namelist() if ".dist-info/" not in name}
        about = {name.partition(".dist-info/")[2]: name for name in content.namelist() if ".dist-info/" in name}
        points = content.read(about.get("entry_points.txt", "")).decode()
    expect(names >= wanted, f"{wheel.name} lacks {sorted(wanted - names)[:5]}: tool.setuptools in pyproject.toml")
    expect(names <= wanted, f"{wheel.name} has {sorted(names - wanted)[:5]}, which are no part of the package")
    parts = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}
    expect(set(about) == parts, f"{wheel.name} describes itself with {sorted(about)}, not {sorted(parts)}")
    expect(_points(points) == _points((ROOT / "entry_points.txt").read_text()), "its entry points are not ours")
    print(f"{wheel.name}: {len(names)} files, {sum(name.endswith('.py') for name in names)} of them modules")


def check_same(wheel, direct):
    """The wheel that was built from the source distribution holds what one from the checkout holds."""
    contents = []
    for path in (wheel, direct):
        with zipfile.ZipFile(path) as content:
            contents.append({info.filename: info.CRC for info in content.infolist()})
    differ = {name for name, _ in contents[0].items() ^ contents[1].items()}
    expect(not differ, f"the wheel from the source distribution differs from the checkout's in {sorted(differ)[:5]}")
    print("the source distribution builds the same wheel as the checkout")


def _points(text):
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str
    parser.read_string(text)
    return {group: dict(parser[group]) for group in parser.sections()}


def install(folder, wheel, constraints):
    """Install the wheel in a fresh environment; the path of its Python."""
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", constraints, wheel)
    run(python, "-m", "pip", "check")
    return python


def train(python, folder):
    """Run the installed command outside the repository."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    command = python.with_name("coral")
    shown = run(command, "--version", cwd=folder).strip()
    expect(shown == f"coral-multibench {version}", f"coral --version says {shown!r}")
    run(command, "train", "--dataset", "digits", *SMALL.split(), "--output", "run", cwd=folder)
    expect((folder / "run" / "metrics.json").is_file(), "coral train left no metrics.json")
    print(f"{folder.name}: installed outside the repository; coral train --dataset digits ran")


def test(python, source, folder):
    """Collect the whole suite in the unpacked source distribution, and run a part of it."""
    with tarfile.open(source) as content:
        content.extractall(folder, filter="data")
    unpacked = folder / source.name.removesuffix(".tar.gz")
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", "constraints.txt")
    run(*pip, "-e", ".[test,multibench,tensorboard]", cwd=unpacked)
    one = {"OMP_NUM_THREADS": "1"}
    collected = run(python, "-m", "pytest", "--collect-only", "-q", cwd=unpacked, environment=one).strip()
    done = run(python, "-m", "pytest", "-q", *SOME_TESTS, cwd=unpacked, environment=one).strip()
    print(f"unpacked source distribution: {collected.splitlines()[-1]}; of some, {done.splitlines()[-1]}")


if __name__ == "__main__":
    main()
