"""Publishes readings and waits until the server has them.

python publish.py mqtt://localhost
"""

import sys

from libmqtt import Client, Properties


def main() -> None:
    """Publish at each QoS."""
    server = sys.argv[1] if len(sys.argv) > 1 else "mqtt://localhost"
    with Client(server) as client:
        # At QoS 0 the handle ends when the message is written; nobody has to wait for it.
        client.publish("sensors/hall", "21.5")

        # At QoS 1 and 2 it ends when the server has acknowledged it.
        handles = [client.publish("sensors/hall", f"21.{n}", qos=1) for n in range(10)]
        for handle in handles:
            handle.wait(timeout=10)

        # Retained, with properties of MQTT 5.0.
        properties = Properties(
            content_type="application/json",
            message_expiry_interval=3600,
            user_properties=[("unit", "celsius")],
        )
        client.publish(
            "sensors/hall/state", '{"value": 21.5}', qos=2, retain=True, properties=properties
        ).wait(timeout=10)
    print("published 12 messages")


if __name__ == "__main__":
    main()
