/* Prints COUNT messages that match a filter: subscribe SERVER FILTER COUNT */
#include <libmqtt.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what, mqtt_error *error)
{
    mqtt_text why = mqtt_error_message(error);
    fprintf(stderr, "%s: %.*s\n", what, (int)why.len, why.data);
    mqtt_error_free(error);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s SERVER FILTER COUNT\n", argv[0]);
        return 2;
    }
    mqtt_client_config *config = mqtt_client_config_new();
    mqtt_client_config_add_server(config, MQTT_TEXT(argv[1]));
    /* The client comes back by itself, and subscribes again if the server forgot. */
    mqtt_client_config_set(config, MQTT_TEXT("reconnect_cap_ms"), MQTT_TEXT("5000"), NULL);
    mqtt_client *client = NULL;
    mqtt_error *error = NULL;
    mqtt_status status = mqtt_client_new(config, NULL, &client, &error);
    mqtt_client_config_free(config);
    if (status != MQTT_STATUS_OK)
        return fail("cannot make a client", error);

    int result = 1;
    mqtt_subscription wanted = {MQTT_TEXT(argv[2]), 1};
    if (mqtt_client_connect_wait(client, 10000, NULL, &error) != MQTT_STATUS_OK)
        fail("cannot connect", error);
    else if (mqtt_client_subscribe_wait(client, &wanted, 1, 10000, NULL, &error) != MQTT_STATUS_OK)
        fail("cannot subscribe", error);
    else
        result = 0;

    printf("%s\n", result == 0 ? "subscribed" : "failed");
    fflush(stdout);
    long left = result == 0 ? atol(argv[3]) : 0;
    mqtt_event *event = NULL;
    while (left > 0 && mqtt_client_next_event(client, MQTT_FOREVER, &event) == MQTT_STATUS_OK) {
        if (mqtt_event_get_type(event) == MQTT_EVENT_TYPE_MESSAGE) {
            const mqtt_message *message = mqtt_event_message(event);
            mqtt_text topic = mqtt_message_topic(message);
            mqtt_bytes payload = mqtt_message_payload(message);
            printf("%.*s %.*s\n", (int)topic.len, topic.data, (int)payload.len,
                   (const char *)payload.data);
            left--;
        }
        mqtt_event_free(event);
    }
    mqtt_client_close(client, 1000);
    mqtt_client_free(client);
    return result;
}
