/* A program of a newer header: what the library does not have yet is found missing, and the
 * program does without. */
#define _GNU_SOURCE
#include "abi.h"
#include <dlfcn.h>

/* What a header of the future may declare. Weak, so that the program starts without it. */
extern mqtt_status mqtt_client_publish_from_the_future(mqtt_client *client, const char *topic,
                                                       size_t topic_len) __attribute__((weak));
/* And this one is there. */
extern bool mqtt_client_is_connected(const mqtt_client *client) __attribute__((weak));

static mqtt_broker *broker;

static mqtt_status publish(mqtt_client *client)
{
    if (mqtt_client_publish_from_the_future)
        return mqtt_client_publish_from_the_future(client, MQTT_TEXT("newer"));
    return mqtt_client_publish_wait(client, MQTT_TEXT("newer"), MQTT_TEXT("done without"), 1, false,
                                    NULL, SOON, NULL, NULL);
}

static void a_weak_function_that_is_missing_is_null(void)
{
    CHECK(!mqtt_client_publish_from_the_future);
    CHECK(mqtt_client_is_connected);
    mqtt_client *client = connected_client(broker, NULL);
    mqtt_subscription wanted = {MQTT_TEXT("newer"), 1};
    OK(mqtt_client_subscribe_wait(client, &wanted, 1, SOON, NULL, NULL));
    OK(publish(client));
    mqtt_event *event = await_event(client, MQTT_EVENT_TYPE_MESSAGE);
    CHECK(event && bytes_are(mqtt_message_payload(mqtt_event_message(event)), "done without"));
    mqtt_event_free(event);
    mqtt_client_free(client);
}

static void a_function_can_be_looked_up_by_name(void)
{
    /* Of the program itself and all that it has loaded. */
    void *all = dlopen(NULL, RTLD_NOW);
    CHECK(all && !dlsym(all, "mqtt_client_publish_from_the_future"));
    void *there = dlsym(all, "mqtt_version");
    CHECK(there);
    if (there) {
        mqtt_text (*version)(void);
        memcpy(&version, &there, sizeof version);
        char wanted[32];
        snprintf(wanted, sizeof wanted, "%d.%d.%d", MQTT_VERSION_MAJOR, MQTT_VERSION_MINOR,
                 MQTT_VERSION_PATCH);
        CHECK(text_is(version(), wanted));
    }
    dlclose(all);
}

static void an_option_that_is_not_known_is_not_found(void)
{
    mqtt_client_config *config = config_for(broker);
    IS(MQTT_STATUS_NOT_FOUND, mqtt_client_config_set(config, MQTT_TEXT("from_the_future"),
                                                     MQTT_TEXT("1"), NULL));
    /* And nothing has changed. */
    mqtt_client *client = make_client(config, NULL);
    OK(mqtt_client_connect_wait(client, SOON, NULL, NULL));
    mqtt_client_free(client);
    mqtt_broker_config *other = mqtt_broker_config_new();
    IS(MQTT_STATUS_NOT_FOUND, mqtt_broker_config_set(other, MQTT_TEXT("from_the_future"),
                                                     MQTT_TEXT("1"), NULL));
    mqtt_broker_config_free(other);
}

static void a_status_that_is_not_known_is_called_unknown(void)
{
    CHECK(text_is(mqtt_status_name(-9999), "Unknown"));
    CHECK(text_is(mqtt_status_message(-9999), "unknown status"));
}

int main(void)
{
    broker = start_broker(NULL, NULL);
    RUN(a_weak_function_that_is_missing_is_null);
    RUN(a_function_can_be_looked_up_by_name);
    RUN(an_option_that_is_not_known_is_not_found);
    RUN(a_status_that_is_not_known_is_called_unknown);
    mqtt_broker_free(broker);
    return REPORT();
}
