"""Which programs meet which broker.

Every test that asks for `program` runs with each maker's client against our broker, and with our
client against mosquitto; `--broker mosquitto` runs the other makers' clients against mosquitto
instead, which tests the tests. `version` runs over all three versions unless the test names some
with `@pytest.mark.versions`; `@pytest.mark.programs` narrows the programs.
"""

import itertools
import os
import signal

import pytest
from brokers import Broker
from programs import BINARY, MAKERS, VERSIONS

OTHERS = ["mosquitto", "paho", "mqttjs"]


def pytest_addoption(parser):
    parser.addoption("--broker", choices=["libmqtt", "mosquitto"], default="libmqtt")


def pytest_configure(config):
    config.addinivalue_line("markers", "versions(*names): the versions to test")
    config.addinivalue_line("markers", "programs(*names): the client programs to test")
    # Told to end, it ends what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if config.getoption("broker") == "libmqtt" and not BINARY.exists():
        raise pytest.UsageError(f"no {BINARY}: cargo build --release -p libmqtt-cli")


def pytest_generate_tests(metafunc):
    chosen = metafunc.config.getoption("broker")
    if "program" in metafunc.fixturenames:
        pairs = [(chosen, p) for p in OTHERS]
        if chosen == "libmqtt":
            pairs += [("libmqtt", "libmqtt"), ("mosquitto", "libmqtt")]
        mark = metafunc.definition.get_closest_marker("programs")
        pairs = [(b, p) for b, p in pairs if mark is None or p in mark.args]
        ids = [f"{p}-to-{b}" for b, p in pairs]
        metafunc.parametrize("broker,program", pairs, ids=ids, indirect=True, scope="session")
    elif "broker" in metafunc.fixturenames:
        metafunc.parametrize("broker", [chosen], indirect=True, scope="session")
    if "publisher" in metafunc.fixturenames:
        metafunc.parametrize("publisher", OTHERS + ["libmqtt"] * (chosen == "libmqtt"))
    if "version" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("versions")
        metafunc.parametrize("version", mark.args if mark else VERSIONS)


@pytest.fixture(scope="session")
def broker(request):
    """The broker that tests share; `broker_of_its_own` starts one with other settings."""
    shared = Broker(request.param)
    yield shared
    shared.stop()


@pytest.fixture
def broker_of_its_own(broker):
    """Starts a broker of the same kind with directives of the test's choice."""
    started = []

    def start(*directives):
        started.append(Broker(broker.kind, *directives))
        return started[-1]

    yield start
    for each in started:
        if each.process.child.poll() is None:
            each.stop()


@pytest.fixture(scope="session")
def makers():
    """Every client program by its maker's name, made once."""
    made = {name: make() for name, make in MAKERS.items()}
    yield made
    for each in made.values():
        each.close()


@pytest.fixture(scope="session")
def program(request, makers):
    """The client program under test."""
    return makers[request.param]


numbers = itertools.count()


@pytest.fixture
def name():
    """A word that no other test uses in a topic or Client Identifier."""
    return f"t{os.getpid()}n{next(numbers)}"
