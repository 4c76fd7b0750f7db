/* Payloads that the broker cannot read, encrypted from end to end with libsodium's
 * XChaCha20-Poly1305: encrypted SERVER */
#include <libmqtt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES
#define MOST 256

static void must(mqtt_status status, mqtt_error *error)
{
    if (status == MQTT_STATUS_OK)
        return;
    mqtt_text why = error ? mqtt_error_message(error) : mqtt_status_message(status);
    fprintf(stderr, "%.*s\n", (int)why.len, why.data);
    exit(1);
}

/* Encrypts for this topic: moved to another one, it is refused. Returns the length. */
static size_t seal(const unsigned char *key, const char *topic, const char *text,
                   unsigned char *sealed)
{
    unsigned long long len = 0;
    randombytes_buf(sealed, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        sealed + NONCE, &len, (const unsigned char *)text, strlen(text),
        (const unsigned char *)topic, strlen(topic), NULL, sealed, key);
    return NONCE + (size_t)len;
}

/* Decrypts; false if it was not sealed with this key, for this topic. */
static bool unseal(const unsigned char *key, const mqtt_message *message, char *text)
{
    mqtt_text topic = mqtt_message_topic(message);
    mqtt_bytes sealed = mqtt_message_payload(message);
    unsigned long long len = 0;
    if (sealed.len < NONCE + TAG || sealed.len > NONCE + TAG + MOST)
        return false;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            (unsigned char *)text, &len, NULL, sealed.data + NONCE, sealed.len - NONCE,
            (const unsigned char *)topic.data, topic.len, sealed.data, key) != 0)
        return false;
    text[len] = '\0';
    return true;
}

/* Waits for the next message and decrypts it. */
static bool receive(mqtt_client *client, const unsigned char *key, char *text)
{
    mqtt_event *event = NULL;
    bool good = false, message = false;
    while (!message) {
        must(mqtt_client_next_event(client, 10000, &event), NULL);
        message = mqtt_event_get_type(event) == MQTT_EVENT_TYPE_MESSAGE;
        good = message && unseal(key, mqtt_event_message(event), text);
        mqtt_event_free(event);
    }
    return good;
}

int main(int argc, char **argv)
{
    if (argc != 2 || sodium_init() < 0) {
        fprintf(stderr, "usage: %s SERVER\n", argv[0]);
        return 2;
    }
    /* Both ends have it; how it comes there is not MQTT's affair. */
    unsigned char key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
    crypto_aead_xchacha20poly1305_ietf_keygen(key);

    mqtt_error *error = NULL;
    mqtt_client_config *config = mqtt_client_config_new();
    must(mqtt_client_config_add_server(config, MQTT_TEXT(argv[1])), NULL);
    mqtt_client *client = NULL;
    must(mqtt_client_new(config, NULL, &client, &error), error);
    mqtt_client_config_free(config);
    must(mqtt_client_connect_wait(client, 10000, NULL, &error), error);
    mqtt_subscription wanted = {MQTT_TEXT("sealed/#"), 1};
    must(mqtt_client_subscribe_wait(client, &wanted, 1, 10000, NULL, &error), error);

    unsigned char sealed[NONCE + TAG + MOST];
    char text[MOST + 1];
    size_t len = seal(key, "sealed/door", "open", sealed);
    must(mqtt_client_publish_wait(client, MQTT_TEXT("sealed/door"), sealed, len, 1, false, NULL,
                                  10000, NULL, &error),
         error);
    bool opened = receive(client, key, text);
    printf("the broker saw %u bytes; they say '%s'\n", (unsigned)len, opened ? text : "nothing");

    must(mqtt_client_publish_wait(client, MQTT_TEXT("sealed/gate"), sealed, len, 1, false, NULL,
                                  10000, NULL, &error),
         error);
    bool fooled = receive(client, key, text);
    printf("replayed to another topic, it is %s\n", fooled ? "taken" : "refused");
    mqtt_client_free(client);
    return opened && !fooled ? 0 : 1;
}
