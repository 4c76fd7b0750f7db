"""Sessions that outlive connections, Wills, takeover, users."""

import subprocess

import pytest
from programs import BINARY, Message, Refused

# What a session that was there is told as: MQTT 3.1 has no word for it, some programs neither.
PRESENT = {"3.1": (False, None), "3.1.1": (True, None), "5.0": (True, None)}


@pytest.mark.parametrize("qos", [1, 2])
def test_messages_wait_for_a_session_that_is_away(broker, program, version, name, qos):
    def here():
        filters = f"{name}/#"
        return program.subscribe(
            broker, filters, qos=qos, client_id=name, clean=False, version=version
        )

    first = here()
    assert first.session_present in (False, None)
    first.disconnect()
    payloads = [b"%d" % i for i in range(20)]
    program.publish(broker, f"{name}/t", *payloads, qos=qos, version=version)
    second = here()
    assert second.session_present in PRESENT[version]
    got = [second.next() for _ in payloads]
    assert [m.payload for m in got] == payloads
    assert {m.qos for m in got} == {qos}
    second.disconnect()
    # Ended by a clean start, of which nothing is left.
    last = program.subscribe(broker, f"{name}/#", client_id=name, version=version)
    assert last.session_present in (False, None)
    program.publish(broker, f"{name}/t", b"last", qos=qos, version=version)
    assert last.next().payload == b"last"
    last.disconnect()


@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_will_is_published_when_a_client_is_killed(
    broker, program, makers, version, name, qos, retain
):
    watcher = makers["paho"].subscribe(broker, f"{name}/#", qos=2, version="5.0")
    will = Message(f"{name}/will", b"gone", qos, retain, {})
    victim = program.another().subscribe(broker, "none", will=will, version=version)
    victim.kill()
    assert watcher.next()[:4] == (f"{name}/will", b"gone", qos, False)
    if retain:
        late = makers["paho"].subscribe(broker, f"{name}/will", qos=2, version="5.0")
        assert late.next()[:4] == (f"{name}/will", b"gone", qos, True)
        late.disconnect()
    watcher.disconnect()


def test_will_is_dropped_when_a_client_takes_its_leave(broker, program, makers, version, name):
    watcher = makers["paho"].subscribe(broker, f"{name}/#", qos=2, version="5.0")
    will = Message(f"{name}/will", b"gone", 1, False, {})
    program.publish(broker, f"{name}/t", b"first", will=will, client_id=name, version=version)
    # When the same client is here again, its former connection has been dealt with.
    program.publish(broker, f"{name}/t", b"last", client_id=name, version=version)
    assert watcher.take(2) == [b"first", b"last"]
    watcher.disconnect()


@pytest.mark.programs("paho", "mqttjs")  # The tools connect again when they lose a connection.
def test_second_connection_takes_the_session_over(broker, program, version, name):
    first = program.subscribe(broker, f"{name}/#", qos=1, client_id=name, version=version)
    second = program.subscribe(broker, f"{name}/#", qos=1, client_id=name, version=version)
    closed = first.wait("closed")
    if version == "5.0" and broker.kind == "libmqtt":
        assert closed["reason"] == 0x8E  # Session taken over
    program.publish(broker, f"{name}/t", b"to the second", qos=1, version=version)
    assert second.next().payload == b"to the second"
    second.disconnect()


@pytest.mark.programs("paho", "mqttjs")
@pytest.mark.parametrize("qos", [1, 2])
def test_taken_over_session_keeps_its_subscriptions(broker, program, version, name, qos):
    def here():
        options = {"client_id": name, "clean": False, "version": version}
        return program.subscribe(broker, f"{name}/#", qos=qos, **options)

    first, second = here(), here()
    first.wait("closed")
    assert second.session_present in PRESENT[version]
    program.publish(broker, f"{name}/t", b"still here", qos=qos, version=version)
    assert second.next().payload == b"still here"
    second.disconnect()


PASSWD = {
    "mosquitto": ["mosquitto_passwd", "-c", "-b"],
    "libmqtt": [str(BINARY), "passwd", "-c", "-b"],
}


@pytest.fixture(params=["mosquitto", "libmqtt"])
def guarded(request, broker, broker_of_its_own, tmp_path):
    """A broker with one user, whose password either maker's tool has hashed."""
    if request.param == "libmqtt" and request.config.getoption("broker") != "libmqtt":
        request.param = "mosquitto"
    users = tmp_path / "users"
    command = [*PASSWD[request.param], str(users), "ada", "s3cret pässword"]
    subprocess.run(command, check=True, capture_output=True)
    return broker_of_its_own(f"password_file {users}", "allow_anonymous false")


# Bad user name or password, not authorised: in 3.x and in 5.0, which paho tells in either case.
REFUSALS = {4, 5, 0x86, 0x87}


def test_password_file_decides_who_comes_in(guarded, program, version, name):
    right = {"username": "ada", "password": "s3cret pässword"}
    subscriber = program.subscribe(guarded, name, qos=1, version=version, **right)
    program.publish(guarded, name, b"let in", qos=1, version=version, **right)
    assert subscriber.next().payload == b"let in"
    subscriber.disconnect()
    for wrong in [
        {"username": "ada", "password": "secret"},
        {"username": "bob", "password": "s3cret pässword"},
        {},
    ]:
        with pytest.raises(Refused) as refused:
            program.subscribe(guarded, name, version=version, **wrong)
        assert refused.value.reason in REFUSALS
