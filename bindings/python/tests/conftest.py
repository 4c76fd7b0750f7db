"""What the tests share: brokers, and programs run in processes of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from libmqtt import Broker

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 15.0
"""Seconds that anything may take which takes milliseconds."""


def until(condition: Callable[[], bool], what: str = "") -> None:
    """Wait for something that comes about by itself."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not in time: {what or condition}"
        time.sleep(0.002)


def program(text: str, *args: str) -> subprocess.Popen[str]:
    """Start a Python program, which Ctrl-C ends even where the tests run in the background."""
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", heard + text, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(text: str, *args: str) -> tuple[int, str, str]:
    """Run a Python program to its end: exit code, output, errors."""
    with program(text, *args) as process:
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"program hangs:\n{out}\n{err}") from None
    return process.returncode, out, err


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker of ours."""
    with Broker() as broker:
        yield broker


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[int]:
    """Debian's mosquitto; its port."""
    path = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    assert path, "mosquitto is not installed: apt-get install mosquitto mosquitto-clients"
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        config = tmp_path / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nuser {os.getenv('USER') or 'root'}\n"
            "max_queued_messages 0\n"
        )
        process = subprocess.Popen([path, "-c", str(config)], stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + PATIENCE
            while process.poll() is None and time.monotonic() < end:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.01)
            if process.poll() is None:
                yield port
                return
        finally:
            process.terminate()
            process.wait()
    raise AssertionError("mosquitto does not start")
