/* A broker in this program: it asks who connects, answers late, and talks to its own client. */
#include <libmqtt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Looks a password up where that takes time, on another thread: hooks must not wait. */
static void *look_up(void *answer)
{
    mqtt_answer_give(answer, MQTT_VERDICT_ALLOW, NULL, 0);
    return NULL;
}

static int32_t authenticate(void *userdata, mqtt_question *question)
{
    (void)userdata;
    mqtt_text user = mqtt_client_info_user_name(mqtt_question_client(question));
    mqtt_bytes password = mqtt_question_password(question);
    if (user.len == 0 || password.len != 6 || memcmp(password.data, "sesame", 6) != 0)
        return MQTT_REASON_BAD_USER_NAME_OR_PASSWORD;
    pthread_t thread;
    mqtt_answer *answer = mqtt_question_keep(question);
    if (pthread_create(&thread, NULL, look_up, answer) != 0) {
        mqtt_answer_free(answer);
        return MQTT_REASON_SERVER_BUSY;
    }
    pthread_detach(thread);
    return MQTT_VERDICT_LATER;
}

static int32_t authorise_publish(void *userdata, mqtt_question *question)
{
    (void)userdata;
    mqtt_text topic = mqtt_message_topic(mqtt_question_message(question));
    bool secret = mqtt_topic_matches(MQTT_TEXT("secret/#"), topic.data, topic.len);
    return secret ? MQTT_REASON_NOT_AUTHORIZED : MQTT_VERDICT_ALLOW;
}

static void connected(void *userdata, const mqtt_client_info *client)
{
    mqtt_text id = mqtt_client_info_client_id(client);
    printf("%s: %.*s is here\n", (const char *)userdata, (int)id.len, id.data);
}

static void die(const char *what, mqtt_error *error)
{
    mqtt_text why = mqtt_error_message(error);
    fprintf(stderr, "%s: %.*s\n", what, (int)why.len, why.data);
    exit(1);
}

int main(void)
{
    mqtt_hooks hooks = {0};
    hooks.size = sizeof hooks;
    hooks.authenticate = authenticate;
    hooks.authorise_publish = authorise_publish;
    hooks.connected = connected;

    mqtt_error *error = NULL;
    mqtt_broker *broker = NULL;
    mqtt_broker_config *config = mqtt_broker_config_new();
    mqtt_broker_config_listen(config, MQTT_TEXT("127.0.0.1"), 0);
    mqtt_broker_config_set(config, MQTT_TEXT("queue_messages_max"), MQTT_TEXT("1000"), NULL);
    mqtt_broker_config_set_hooks(config, &hooks, "broker", NULL);
    if (mqtt_broker_start(config, &broker, &error) != MQTT_STATUS_OK)
        die("cannot start", error);
    mqtt_broker_config_free(config);
    uint16_t port = 0;
    mqtt_broker_port(broker, 0, &port);
    printf("listening on 127.0.0.1:%u\n", port);

    /* A client within the process needs no socket, but the hooks ask it all the same. */
    mqtt_client *client = NULL;
    mqtt_client_config *local = mqtt_client_config_new();
    mqtt_client_config_set_client_id(local, MQTT_TEXT("local"));
    mqtt_client_config_set_credentials(local, MQTT_TEXT("ali"), MQTT_TEXT("sesame"));
    if (mqtt_broker_client(broker, local, &client, &error) != MQTT_STATUS_OK)
        die("cannot make a client", error);
    mqtt_client_config_free(local);
    mqtt_subscription wanted = {MQTT_TEXT("#"), 1};
    if (mqtt_client_connect_wait(client, 10000, NULL, &error) != MQTT_STATUS_OK ||
        mqtt_client_subscribe_wait(client, &wanted, 1, 10000, NULL, &error) != MQTT_STATUS_OK)
        die("cannot subscribe", error);

    uint8_t reason = 0;
    mqtt_status denied = mqtt_client_publish_wait(client, MQTT_TEXT("secret/door"), MQTT_TEXT("?"),
                                                  1, false, NULL, 10000, &reason, &error);
    printf("secret: %s\n", denied == MQTT_STATUS_REFUSED ? "refused" : "not refused");
    mqtt_error_free(error);

    mqtt_broker_publish(broker, MQTT_TEXT("news"), MQTT_TEXT("the broker speaks"), 1, false, NULL);
    mqtt_event *event = NULL;
    bool heard = false;
    while (!heard && mqtt_client_next_event(client, 10000, &event) == MQTT_STATUS_OK) {
        mqtt_bytes text = mqtt_message_payload(mqtt_event_message(event));
        heard = text.len != 0;
        printf("%.*s\n", (int)text.len, (const char *)text.data);
        mqtt_event_free(event);
    }
    uint64_t clients = 0;
    mqtt_broker_stat(broker, MQTT_STAT_CONNECTIONS, &clients);
    printf("%u client\n", (unsigned)clients);
    mqtt_client_free(client);
    mqtt_broker_free(broker);
    return heard && denied == MQTT_STATUS_REFUSED ? 0 : 1;
}
