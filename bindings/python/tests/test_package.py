"""What the package promises beside its functions: types, enumerations, documents, commands."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import libmqtt
import pytest
from certificates import Authority
from conftest import PATIENCE, ROOT, run, until
from libmqtt import Broker, Client, ReasonCode, Status, _native, aio, errors

README = ROOT / "bindings/python/README.md"
# Those of clouds are run beside what stands in for a cloud: test_cloud.py.
EXAMPLES = [
    path
    for path in sorted((ROOT / "examples/python").glob("*.py"))
    if path.name not in ("aws_iot.py", "azure_iot_hub.py")
]


def test_the_five_lines_of_the_readme_run() -> None:
    first = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert first is not None
    assert sum(map(bool, first[1].splitlines())) == 5
    assert run(first[1]) == (0, "hello\n", "")


def test_the_version_is_that_of_the_workspace() -> None:
    manifest = (ROOT / "Cargo.toml").read_text()
    version = re.search(r'^version = "(.*)"', manifest, re.MULTILINE)
    assert version is not None
    assert libmqtt.__version__ == version[1] == metadata.version("libmqtt")


def test_the_wheel_is_for_the_stable_abi() -> None:
    wheel = metadata.distribution("libmqtt").read_text("WHEEL")
    assert wheel is not None and "Tag: cp39-abi3-" in wheel
    assert _native.__file__ is not None and _native.__file__.endswith(".abi3.so")
    assert metadata.distribution("libmqtt").locate_file("libmqtt/py.typed").exists()  # type: ignore[attr-defined]


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.replace("QoS0", "Qos0")).upper()


def test_every_status_has_its_number_and_a_class() -> None:
    assert {snake(name): number for number, name, _ in _native.statuses()} == {
        status.name: status.value for status in Status
    }
    kinds = {(1, 99): libmqtt.UsageError, (100, 199): libmqtt.NetworkError,
             (200, 299): libmqtt.SessionError, (300, 399): libmqtt.StorageError}  # fmt: skip
    for status in Status:
        for (low, high), kind in kinds.items():
            if low <= -status.value <= high:
                error = errors._make(status, "text", 0x87)
                assert isinstance(error, kind) and str(error) == "text"
                assert (error.status, error.reason) == (status, ReasonCode.NOT_AUTHORIZED)


def test_every_reason_code_has_its_number() -> None:
    named = {code: re.sub(r"\W+", "_", name).upper() for code, name in _native.reasons()}
    assert named == {reason.value: reason.name for reason in ReasonCode}
    assert {v.value: str(v) for v in libmqtt.Version} == dict(_native.versions())


def public(thing: object) -> list[tuple[str, object]]:
    return [(n, v) for n, v in vars(thing).items() if not n.startswith("_")]


@pytest.mark.parametrize(
    "kind", [c for m in (libmqtt, aio) for n in m.__all__ if inspect.isclass(c := getattr(m, n))]
)
def test_everything_public_is_documented(kind: type) -> None:
    assert kind.__doc__
    for name, value in public(kind):
        if callable(value) or isinstance(value, property) or inspect.isgetsetdescriptor(value):
            assert value.__doc__, f"{kind.__name__}.{name}"


def tool(*words: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_stubs_are_those_of_the_built_module() -> None:
    tool("mypy.stubtest", "libmqtt._native", "--ignore-missing-stub", "--concise")


def test_examples_and_package_are_strictly_typed() -> None:
    config = ["--config-file", str(ROOT / "bindings/python/pyproject.toml"), "--no-incremental"]
    tool("mypy", "--strict", *config, "examples/python", "bindings/python/python/libmqtt")


def test_the_style_is_kept() -> None:
    config = ["--config", str(ROOT / "bindings/python/pyproject.toml"), "--no-cache"]
    tool("ruff", "check", *config, "bindings/python", "examples/python")
    tool("ruff", "format", "--check", *config, "bindings/python", "examples/python")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_short_and_run(path: Path, broker: Broker, tmp_path: Path) -> None:
    assert len(path.read_text().splitlines()) < 120
    if path.name.startswith("test_"):
        tool("pytest", "-q", "-p", "no:cacheprovider", str(path))
        return
    needs = [broker.url] if "sys.argv" in path.read_text() else []
    if path.name == "tls.py":
        authority = Authority(tmp_path)
        authority.issue("server")
        authority.issue("client", client=True)
        needs = [str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, str(path), *needs],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if path.name == "subscribe.py":
            # It waits for messages until one says "stop".
            with Client(broker.url) as client:
                assert process.stdout is not None
                until(lambda: "waiting" in process.stdout.readline())  # type: ignore[union-attr]
                client.publish("sensors/hall", "21.5", 1)
                client.publish("sensors/stop", "", 1).wait(10)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    assert err == ""
    assert out


def test_the_command_line_is_there() -> None:
    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)

    python = [sys.executable, "-m", "libmqtt"]
    script = str(Path(sys.executable).with_name("libmqtt"))
    for command in (python, [script]):
        shown = call(*command, "--help")
        assert shown.returncode == 0 and "broker" in shown.stdout and "passwd" in shown.stdout
        assert call(*command, "--version").stdout.strip().endswith(libmqtt.__version__)
        wrong = call(*command, "nonsense")
        assert wrong.returncode == 1 and "nonsense" in wrong.stderr


def test_the_command_line_publishes_and_subscribes(broker: Broker) -> None:
    python, port = [sys.executable, "-m", "libmqtt"], str(broker.port)
    broker.publish("cli/ready", "yes", retain=True)
    with subprocess.Popen(
        [*python, "sub", "-p", port, "-v", "-t", "cli/#", "-C", "2"],
        stdout=subprocess.PIPE,
        text=True,
    ) as subscriber:
        try:
            assert subscriber.stdout is not None
            assert subscriber.stdout.readline() == "cli/ready yes\n"
            done = subprocess.run([*python, "pub", "-p", port, "-t", "cli/1", "-m", "it works"])
            assert done.returncode == 0
            assert subscriber.stdout.readline() == "cli/1 it works\n"
            assert subscriber.wait(PATIENCE) == 0
        finally:
            subscriber.kill()


def test_the_command_line_runs_a_broker_until_ctrl_c(tmp_path: Path) -> None:
    import signal

    words = [sys.executable, "-m", "libmqtt", "broker", "-p", "0", "-v"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as it:
        try:
            assert it.stdout is not None
            port = next(
                m[1] for line in it.stdout if (m := re.search(r"127\.0\.0\.1[: a-z]+(\d+)", line))
            )
            with Client(f"127.0.0.1:{port}") as client:
                client.publish("t", "x", 1).wait(10)
            it.send_signal(signal.SIGINT)
            assert it.wait(PATIENCE) == 0
        finally:
            it.kill()


def test_fixtures_are_there_for_others(tmp_path: Path) -> None:
    test = tmp_path / "test_it.py"
    test.write_text(
        "def test_it(mqtt_broker, mqtt_client):\n"
        "    mqtt_client.subscribe('t')\n"
        "    mqtt_broker.publish('t', 'x')\n"
        "    assert mqtt_client.receive(10).text == 'x'\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "1 passed" in result.stdout, result.stdout + result.stderr
