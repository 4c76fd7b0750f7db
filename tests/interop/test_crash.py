"""A broker that is killed under load keeps what it has acknowledged. `make kill` does it longer."""

import subprocess
import sys

import pytest
from programs import ROOT


@pytest.mark.parametrize("seed", [1])
def test_nothing_acknowledged_is_lost_when_the_broker_is_killed(seed):
    command = [sys.executable, str(ROOT / "tests/crash/kill.py"), "5", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
