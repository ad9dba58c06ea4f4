"""Runs on a Ray cluster of two workers, one of which is killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("ray", reason="ray is not installed (pip install 'coral-multibench[ray]')")

# warnings are errors here, and Ray has some: everything of it runs in a process of its own
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
for _ in range(2):
    cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def address():
    quiet = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env=quiet,
    ) as process:  # fmt: skip
        yield process.stdout.readline().strip()
        process.stdin.close()


def working(folder):
    """Process ids of the runs in progress."""
    texts = [path.read_text() for path in folder.glob("runs/*/run.lock")]
    return [int(text.split()[1]) for text in texts if text.endswith("\n")]


@pytest.mark.slow
def test_a_run_whose_worker_is_killed_is_sent_again(address, tmp_path):
    with subprocess.Popen(
        [
            sys.executable, "-m", "coral_plugin.cli.main", "bench", "--objectives", "coral", "--datasets", "digits",
            "--seeds", "41,42", "--epochs", "2", "--device", "cpu", "--set", "network.width=8",
            "--set", "network.heads=2", "--set", "network.head_hidden=8", "--set", "network.head_output=8",
            "--set", "probe.kind=knn", "--engine", "ray", "--address", address, "--output", str(tmp_path),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            while not (found := working(tmp_path)):
                assert process.poll() is None, process.communicate()
                time.sleep(0.02)
            os.kill(found[0], signal.SIGKILL)
            out, err = process.communicate()
        finally:
            process.kill()
    assert process.returncode == 0, err
    assert "its worker died (WorkerCrashedError); tried again" in err
    assert len(list(tmp_path.glob("runs/*/record.json"))) == 2
    row = next(line for line in out.splitlines() if line.startswith("coral"))
    assert " 2 " in row
