/* Publishes a message and waits until the server has it: publish SERVER TOPIC TEXT */
#include <libmqtt.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s SERVER TOPIC TEXT\n", argv[0]);
        return 2;
    }
    mqtt_client_config *config = mqtt_client_config_new();
    mqtt_client_config_add_server(config, MQTT_TEXT(argv[1]));
    mqtt_client *client = NULL;
    mqtt_error *error = NULL;
    mqtt_status status = mqtt_client_new(config, NULL, &client, &error);
    mqtt_client_config_free(config);
    if (status == MQTT_STATUS_OK)
        status = mqtt_client_connect_wait(client, 10000, NULL, &error);
    if (status == MQTT_STATUS_OK)
        status = mqtt_client_publish_wait(client, MQTT_TEXT(argv[2]), MQTT_TEXT(argv[3]), 1, false,
                                          NULL, 10000, NULL, &error);
    if (status != MQTT_STATUS_OK) {
        mqtt_text why = mqtt_error_message(error);
        fprintf(stderr, "%.*s\n", (int)why.len, why.data);
        mqtt_error_free(error);
    }
    mqtt_client_close(client, 1000);
    mqtt_client_free(client);
    return status == MQTT_STATUS_OK ? 0 : 1;
}
