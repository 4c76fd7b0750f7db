"""How a program that speaks MQTT is tested: libmqtt brings the fixtures, no container is needed.

pytest test_fixture.py
"""

from libmqtt import Broker, Client


def report(server: str, celsius: float) -> None:
    """Publish a reading: the program that is tested."""
    with Client(server) as client:
        client.publish("sensors/hall", f"{celsius:.1f}", qos=1, retain=True).wait(timeout=10)


def test_a_reading_is_rounded_and_retained(mqtt_broker: Broker, mqtt_client: Client) -> None:
    """See what the program has published."""
    report(mqtt_broker.url, 21.4567)
    mqtt_client.subscribe("sensors/#")
    message = mqtt_client.receive(timeout=10)
    assert message.text == "21.5"
    assert message.retain
