"""Prints what arrives, until a message says stop.

python subscribe.py mqtt://localhost
"""

import sys

from libmqtt import Client, Connected, Disconnected, Message


def main() -> None:
    """Subscribe, and take messages in two ways."""
    server = sys.argv[1] if len(sys.argv) > 1 else "mqtt://localhost"
    # The Session outlives a lost connection by a minute: nothing is missed meanwhile.
    client = Client(server, session_expiry_s=60)

    @client.on_connect
    def connected(said: Connected) -> None:
        print(f"connected as {said.client_id}, session present: {said.session_present}")

    @client.on_disconnect
    def disconnected(ended: Disconnected) -> None:
        print(f"{ended.error}; next attempt in {ended.retry_in} s")

    @client.on_message("sensors/+/alarm")
    def alarm(message: Message) -> None:
        print("ALARM", message.topic)

    with client:
        client.subscribe("sensors/#", qos=1)
        print("waiting for messages on sensors/#", flush=True)
        for message in client:  # what no callback takes
            print(message.topic, message.text)
            if message.topic == "sensors/stop":
                break


if __name__ == "__main__":
    main()
