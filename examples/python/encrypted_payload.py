"""Payloads that the broker cannot read: encrypted from end to end with AES-256-GCM.

pip install cryptography
python encrypted_payload.py mqtt://localhost
"""

import os
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from libmqtt import Client, Message

NONCE = 12


def seal(key: bytes, topic: str, text: str) -> bytes:
    """Encrypt for this topic: moved to another one, it is refused."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, text.encode(), topic.encode())


def unseal(key: bytes, message: Message) -> str:
    """Decrypt. Raises InvalidTag if it was not sealed with this key, for this topic."""
    nonce, sealed = message.payload[:NONCE], message.payload[NONCE:]
    return AESGCM(key).decrypt(nonce, sealed, message.topic.encode()).decode()


def main() -> None:
    """Send to ourselves, and look at what others see."""
    server = sys.argv[1] if len(sys.argv) > 1 else "mqtt://localhost"
    # Both ends have it; how it comes there is not MQTT's affair.
    key = AESGCM.generate_key(bit_length=256)
    with Client(server) as client:
        client.subscribe("sealed/#", qos=1)
        client.publish("sealed/door", seal(key, "sealed/door", "open"), qos=1).wait(timeout=10)
        message = client.receive(timeout=10)
        print(f"the broker saw {len(message.payload)} bytes; they say {unseal(key, message)!r}")

        client.publish("sealed/gate", message.payload, qos=1).wait(timeout=10)
        try:
            unseal(key, client.receive(timeout=10))
        except InvalidTag:
            print("replayed to another topic, it is refused")


if __name__ == "__main__":
    main()
