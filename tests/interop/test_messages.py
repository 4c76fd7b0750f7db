"""Messages of every kind, there and back with one program."""

import pytest

EVERYTHING = bytes(range(256))


@pytest.mark.parametrize("sent", [0, 1, 2])
@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_qos_is_the_lower_of_both(broker, program, version, name, sent, wanted):
    subscriber = program.subscribe(broker, f"{name}/t", qos=wanted, version=version)
    program.publish(broker, f"{name}/t", b"hello", qos=sent, version=version)
    got = subscriber.next()
    assert (got.topic, got.payload, got.qos) == (f"{name}/t", b"hello", min(sent, wanted))
    assert not got.retain
    subscriber.disconnect()


@pytest.mark.parametrize("payload", [b"", EVERYTHING, EVERYTHING * 4096], ids=["0", "256", "1M"])
def test_payload_arrives_as_it_was(broker, program, version, name, payload):
    subscriber = program.subscribe(broker, name, qos=1, version=version)
    program.publish(broker, name, payload, qos=1, version=version)
    assert subscriber.next().payload == payload
    subscriber.disconnect()


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_500_messages_arrive_in_order(broker, program, version, name, qos):
    payloads = [b"%d" % i for i in range(broker.many(500, version, qos))]
    subscriber = program.subscribe(broker, name, qos=qos, version=version)
    program.publish(broker, name, *payloads, qos=qos, version=version)
    assert subscriber.take(len(payloads)) == payloads
    subscriber.disconnect()


def test_wildcards_match_their_topics_only(broker, program, version, name):
    filters = [f"{name}/+/c", f"{name}/x/#", f"{name}/exact"]
    subscribers = [program.subscribe(broker, f, qos=1, version=version) for f in filters]
    topics = ["a/c", "a/b/c", "x", "x/y/z", "/c", "exact", "exact/not", "end"]
    for topic in topics:
        program.publish(broker, f"{name}/{topic}", b".", qos=1, version=version)
    # What each must see, and a last message, so that what should not come would have come.
    for filter_, subscriber, expected in zip(
        filters, subscribers, [["a/c", "/c"], ["x", "x/y/z"], ["exact"]], strict=True
    ):
        last = filter_.replace("+", "last").replace("#", "last")
        program.publish(broker, last, b"last", qos=1, version=version)
        seen = list(iter(lambda s=subscriber: (m := s.next()).payload == b"." and m.topic, False))
        assert seen == [f"{name}/{topic}" for topic in expected]
        subscriber.disconnect()


def test_unicode_topics_pass(broker, program, version, name):
    topic = f"{name}/grüße/世界/🦀"
    subscriber = program.subscribe(broker, f"{name}/+/世界/#", version=version)
    program.publish(broker, topic, "ça va".encode(), version=version)
    assert subscriber.next()[:2] == (topic, "ça va".encode())
    subscriber.disconnect()


def test_retained_message_is_kept_replaced_and_cleared(broker, program, version, name):
    def stored():
        """The retained message that a new subscriber gets, if any."""
        subscriber = program.subscribe(broker, f"{name}/#", qos=1, version=version)
        program.publish(broker, f"{name}/live", b"live", qos=1, version=version)
        got = [subscriber.next()]
        while got[-1].payload != b"live":
            got.append(subscriber.next())
        subscriber.disconnect()
        assert not got[-1].retain
        return [(m.topic, m.payload, m.retain) for m in got[:-1]]

    def retain(payload):
        program.publish(broker, f"{name}/kept", payload, qos=1, retain=True, version=version)

    assert stored() == []
    retain(b"first")
    assert stored() == [(f"{name}/kept", b"first", True)]
    retain(b"second")
    assert stored() == [(f"{name}/kept", b"second", True)]
    retain(b"")
    assert stored() == []


@pytest.mark.versions("3.1.1")
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("into", ["3.1", "3.1.1", "5.0"])
@pytest.mark.parametrize("out_of", ["3.1", "3.1.1", "5.0"])
def test_versions_meet(broker, program, version, name, out_of, into, qos):
    subscriber = program.subscribe(broker, name, qos=2, version=into)
    program.publish(broker, name, b"across", qos=qos, version=out_of)
    assert subscriber.next()[:3] == (name, b"across", qos)
    subscriber.disconnect()


@pytest.mark.versions("5.0")
def test_makers_meet(broker, program, publisher, makers, version, name):
    subscriber = program.subscribe(broker, name, qos=2, version=version)
    makers[publisher].publish(broker, name, b"a", b"b", b"c", qos=2, version=version)
    assert subscriber.take(3) == [b"a", b"b", b"c"]
    subscriber.disconnect()
