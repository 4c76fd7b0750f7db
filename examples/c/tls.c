/* A broker and a client that prove to each other who they are: tls FOLDER. The folder has ca.pem,
 * server.pem, server.key, client.pem and client.key. */
#include <libmqtt.h>
#include <stdio.h>
#include <stdlib.h>

static void must(mqtt_status status, mqtt_error *error)
{
    if (status == MQTT_STATUS_OK)
        return;
    mqtt_text why = error ? mqtt_error_message(error) : mqtt_status_message(status);
    fprintf(stderr, "%.*s\n", (int)why.len, why.data);
    exit(1);
}

static void set_file(mqtt_tls *tls, const char *option, const char *folder, const char *name)
{
    char path[1024];
    mqtt_error *error = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    must(mqtt_tls_set(tls, MQTT_TEXT(option), MQTT_TEXT(path), &error), error);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    mqtt_error *error = NULL;

    /* The broker demands certificates, and takes users' names from them. */
    mqtt_tls *tls = mqtt_tls_new();
    set_file(tls, "cert_file", argv[1], "server.pem");
    set_file(tls, "key_file", argv[1], "server.key");
    set_file(tls, "ca_file", argv[1], "ca.pem");
    mqtt_tls_set(tls, MQTT_TEXT("client_certificates"), MQTT_TEXT("required"), NULL);
    mqtt_listener *listener = NULL;
    must(mqtt_listener_new(MQTT_TEXT("mqtts://127.0.0.1:0"), tls, &listener, &error), error);
    mqtt_listener_set(listener, MQTT_TEXT("certificate_user"), MQTT_TEXT("common_name"), NULL);
    mqtt_broker_config *broker_config = mqtt_broker_config_new();
    must(mqtt_broker_config_add_listener(broker_config, listener, &error), error);
    mqtt_listener_free(listener);
    mqtt_tls_free(tls);
    mqtt_broker *broker = NULL;
    must(mqtt_broker_start(broker_config, &broker, &error), error);
    mqtt_broker_config_free(broker_config);

    /* The client trusts this authority alone. */
    char url[128];
    size_t url_len = 0;
    must(mqtt_broker_url(broker, 0, url, sizeof url, &url_len), NULL);
    tls = mqtt_tls_new();
    set_file(tls, "ca_file", argv[1], "ca.pem");
    set_file(tls, "cert_file", argv[1], "client.pem");
    set_file(tls, "key_file", argv[1], "client.key");
    mqtt_client_config *config = mqtt_client_config_new();
    must(mqtt_client_config_add_server(config, url, url_len), NULL);
    must(mqtt_client_config_set_tls(config, tls, &error), error);
    mqtt_tls_free(tls);
    mqtt_client *client = NULL;
    must(mqtt_client_new(config, NULL, &client, &error), error);
    mqtt_client_config_free(config);
    must(mqtt_client_connect_wait(client, 10000, NULL, &error), error);
    must(mqtt_client_publish_wait(client, MQTT_TEXT("greetings"), MQTT_TEXT("in secret"), 1, false,
                                  NULL, 10000, NULL, &error),
         error);
    printf("published through %.*s\n", (int)url_len, url);
    mqtt_client_free(client);
    mqtt_broker_free(broker);
    return 0;
}
