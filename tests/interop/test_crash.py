"""A broker keeps what it has acknowledged: killed under load, or on a full disk; a client what it
has called durable. `make kill` and `make check-deep` do it longer and larger.
"""

import subprocess
import sys

import pytest
from programs import ROOT


@pytest.mark.parametrize("seed", [1])
def test_nothing_acknowledged_is_lost_when_the_broker_is_killed(seed):
    run("kill.py", "5", str(seed))


def test_nothing_durable_is_lost_when_a_client_is_killed():
    run("client.py", "6")


def test_a_broker_whose_file_may_not_grow_refuses_and_goes_on():
    run("full.py", "limit")


def test_what_is_lost_is_what_durability_allows():
    run("loss.py")


def test_a_broker_with_much_to_keep_starts_soon_and_small():
    run("large.py", "100000", "10000")


def run(script, *arguments):
    command = [sys.executable, str(ROOT / "tests/crash" / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
