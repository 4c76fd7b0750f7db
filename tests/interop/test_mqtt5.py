"""What only MQTT 5.0 has."""

import pytest

pytestmark = pytest.mark.versions("5.0")


def test_properties_pass_unchanged(broker, program, version, name):
    properties = {
        "format": 1,
        "expiry": 1000,
        "content_type": "text/plain",
        "response_topic": f"{name}/answers",
        "correlation": b"question-1".hex(),
        "user": [["z", "1"], ["a", "2"], ["m", "3"], ["m", "1"]],
    }
    subscriber = program.subscribe(broker, name, qos=1, version=version)
    program.publish(broker, name, b"?", qos=1, properties=properties, version=version)
    got = subscriber.next().properties
    assert got.pop("identifiers") == []
    assert properties["expiry"] - 5 <= got.pop("expiry") <= properties.pop("expiry")
    assert got == properties
    subscriber.disconnect()


def test_properties_are_kept_with_a_retained_message(broker, program, version, name):
    properties = {"content_type": "text/plain", "user": [["b", "1"], ["a", "2"]]}
    more = {"qos": 1, "retain": True, "properties": properties}
    program.publish(broker, name, b"kept", version=version, **more)
    subscriber = program.subscribe(broker, name, version=version)
    got = subscriber.next()
    assert (got.payload, got.retain) == (b"kept", True)
    assert got.properties == {"identifiers": [], **properties}
    subscriber.disconnect()


def test_subscription_identifier_comes_back(broker, program, version, name):
    one = program.subscribe(broker, f"{name}/+", identifier=1, version=version)
    big = program.subscribe(broker, f"{name}/t", identifier=268435455, version=version)
    none = program.subscribe(broker, f"{name}/#", version=version)
    program.publish(broker, f"{name}/t", b".", version=version)
    for subscriber, expected in [(one, [1]), (big, [268435455]), (none, [])]:
        assert subscriber.next().properties["identifiers"] == expected
        subscriber.disconnect()


def test_request_is_answered(broker, program, version, name):
    """The properties of a request are enough to answer it."""
    asker = program.subscribe(broker, f"{name}/answers", qos=1, version=version)
    server = program.subscribe(broker, f"{name}/ask", qos=1, version=version)
    ask = {"response_topic": f"{name}/answers", "correlation": b"42".hex()}
    program.publish(broker, f"{name}/ask", b"?", qos=1, properties=ask, version=version)
    got = server.next().properties
    reply = {"correlation": got["correlation"]}
    to = got["response_topic"]
    program.publish(broker, to, b"!", qos=1, properties=reply, version=version)
    answer = asker.next()
    assert (answer.payload, answer.properties["correlation"]) == (b"!", b"42".hex())
    asker.disconnect()
    server.disconnect()


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_shared_subscription_shares(broker, program, version, name, qos):
    filters = [f"$share/group/{name}/work", f"{name}/end"]
    members = [program.subscribe(broker, *filters, qos=qos, version=version) for _ in range(2)]
    other = program.subscribe(broker, f"$share/two/{name}/work", qos=qos, version=version)
    payloads = [b"%d" % i for i in range(broker.many(100, version, qos))]
    program.publish(broker, f"{name}/work", *payloads, qos=qos, version=version)
    program.publish(broker, f"{name}/end", b"end", qos=qos, version=version)
    parts = [list(iter(lambda m=m: m.next().payload, b"end")) for m in members]
    assert sorted(parts[0] + parts[1]) == sorted(payloads)
    assert all(parts), "one member did it all"
    for part in parts:
        assert part == sorted(part, key=int), "not in order"
    assert other.take(len(payloads)) == payloads, "a group of one gets everything"
    for each in [*members, other]:
        each.disconnect()
