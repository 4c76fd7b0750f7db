/* What the C tests share: checks, a broker, a client. */
#ifndef ABI_H
#define ABI_H

#include <libmqtt.h>
#include <stdio.h>
#include <stdlib.h>

/* Long enough for any machine, so that it only ends what hangs. */
#define SOON 20000

static int abi_passed, abi_failed;
static bool abi_bad;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("  %s:%d: %s\n", __FILE__, __LINE__, #condition);                               \
            abi_bad = true;                                                                        \
        }                                                                                          \
    } while (0)

#define IS(wanted, call)                                                                           \
    do {                                                                                           \
        mqtt_status abi_got = (call);                                                              \
        if (abi_got != (wanted)) {                                                                 \
            mqtt_text abi_name = mqtt_status_name(abi_got);                                        \
            printf("  %s:%d: %s is %.*s\n", __FILE__, __LINE__, #call, (int)abi_name.len,          \
                   abi_name.data);                                                                 \
            abi_bad = true;                                                                        \
        }                                                                                          \
    } while (0)

#define OK(call) IS(MQTT_STATUS_OK, call)

#define RUN(test)                                                                                  \
    do {                                                                                           \
        abi_bad = false;                                                                           \
        test();                                                                                    \
        printf("%s %s\n", abi_bad ? "not ok" : "ok", #test);                                       \
        fflush(stdout);                                                                            \
        abi_bad ? abi_failed++ : abi_passed++;                                                     \
    } while (0)

#define REPORT() (printf("%d passed, %d failed\n", abi_passed, abi_failed), abi_failed != 0)

static inline bool text_is(mqtt_text text, const char *wanted)
{
    return text.len == strlen(wanted) && memcmp(text.data, wanted, text.len) == 0;
}

static inline bool bytes_are(mqtt_bytes bytes, const char *wanted)
{
    return bytes.len == strlen(wanted) && memcmp(bytes.data, wanted, bytes.len) == 0;
}

/* A broker at a free port of loopback, with these hooks or none. */
static inline mqtt_broker *start_broker(const mqtt_hooks *hooks, void *userdata)
{
    mqtt_broker *broker = NULL;
    mqtt_broker_config *config = mqtt_broker_config_new();
    OK(mqtt_broker_config_listen(config, MQTT_TEXT("127.0.0.1"), 0));
    OK(mqtt_broker_config_set(config, MQTT_TEXT("shards"), MQTT_TEXT("2"), NULL));
    OK(mqtt_broker_config_set_hooks(config, hooks, userdata, NULL));
    OK(mqtt_broker_start(config, &broker, NULL));
    mqtt_broker_config_free(config);
    return broker;
}

static inline void server_of(mqtt_broker *broker, char *server, size_t size)
{
    uint16_t port = 0;
    OK(mqtt_broker_port(broker, 0, &port));
    snprintf(server, size, "mqtt://127.0.0.1:%u", port);
}

static inline mqtt_client_config *config_for(mqtt_broker *broker)
{
    char server[64];
    server_of(broker, server, sizeof server);
    mqtt_client_config *config = mqtt_client_config_new();
    OK(mqtt_client_config_add_server(config, MQTT_TEXT(server)));
    return config;
}

/* A client on a loop (NULL: of its own), made with a configuration that it frees. */
static inline mqtt_client *make_client(mqtt_client_config *config, mqtt_loop *loop)
{
    mqtt_client *client = NULL;
    OK(mqtt_client_new(config, loop, &client, NULL));
    mqtt_client_config_free(config);
    return client;
}

static inline mqtt_client *connected_client(mqtt_broker *broker, mqtt_loop *loop)
{
    mqtt_client *client = make_client(config_for(broker), loop);
    OK(mqtt_client_connect_wait(client, SOON, NULL, NULL));
    return client;
}

/* The next event of this kind, which the caller frees; others are passed over. */
static inline mqtt_event *await_event(mqtt_client *client, mqtt_event_type type)
{
    mqtt_event *event = NULL;
    while (mqtt_client_next_event(client, SOON, &event) == MQTT_STATUS_OK) {
        if (mqtt_event_get_type(event) == type)
            return event;
        mqtt_event_free(event);
    }
    CHECK(!"the event came");
    return NULL;
}

#endif
