/* Hooks: what they are asked and told, late answers, and tables of other versions. */
#define _POSIX_C_SOURCE 200809L
#include "abi.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_int connects, disconnects, publishes, subscribes, unsubscribes;

static void *say_yes(void *answer)
{
    OK(mqtt_answer_give(answer, MQTT_VERDICT_ALLOW, NULL, 0));
    return NULL;
}

static void *say_nothing(void *answer)
{
    mqtt_answer_free(answer);
    return NULL;
}

static int32_t later(mqtt_question *question, void *(*answer)(void *))
{
    pthread_t thread;
    pthread_create(&thread, NULL, answer, mqtt_question_keep(question));
    pthread_detach(thread);
    return MQTT_VERDICT_LATER;
}

static int32_t authenticate(void *userdata, mqtt_question *question)
{
    CHECK(userdata == &connects);
    const mqtt_client_info *client = mqtt_question_client(question);
    mqtt_text user = mqtt_client_info_user_name(client);
    mqtt_text method = mqtt_question_method(question);
    CHECK(mqtt_question_message(question) == NULL && mqtt_question_filter(question).len == 0);
    if (method.len > 0) {
        CHECK(text_is(method, "three-steps"));
        if (mqtt_question_step(question) == MQTT_AUTH_STEP_CONTINUE) {
            bool right = bytes_are(mqtt_question_data(question), "blue");
            OK(mqtt_question_set_data(question, MQTT_TEXT("welcome")));
            return right ? MQTT_VERDICT_ALLOW : MQTT_REASON_NOT_AUTHORIZED;
        }
        OK(mqtt_question_set_data(question, MQTT_TEXT("colour?")));
        return MQTT_VERDICT_CHALLENGE;
    }
    CHECK(mqtt_question_step(question) == MQTT_AUTH_STEP_CONNECT);
    if (text_is(user, "later"))
        return later(question, say_yes);
    if (text_is(user, "never"))
        return later(question, say_nothing);
    if (text_is(user, "liar"))
        return MQTT_VERDICT_LATER; /* without having kept the question */
    if (text_is(user, "banned"))
        return MQTT_REASON_BANNED;
    if (text_is(user, "odd"))
        return 77; /* no verdict at all */
    CHECK(mqtt_question_password(question).data == NULL);
    return MQTT_VERDICT_ALLOW;
}

static int32_t authorise_publish(void *userdata, mqtt_question *question)
{
    CHECK(userdata == &connects);
    const mqtt_message *message = mqtt_question_message(question);
    mqtt_text topic = mqtt_message_topic(message);
    if (text_is(topic, "kept")) {
        mqtt_message *kept = mqtt_message_ref(message);
        CHECK(bytes_are(mqtt_message_payload(kept), "hello") && mqtt_message_qos(kept) == 1);
        mqtt_message_free(kept);
    }
    if (text_is(topic, "later"))
        return later(question, say_yes);
    return text_is(topic, "no") ? MQTT_REASON_NOT_AUTHORIZED : MQTT_VERDICT_ALLOW;
}

static int32_t authorise_subscribe(void *userdata, mqtt_question *question)
{
    CHECK(userdata == &connects && mqtt_question_message(question) == NULL);
    if (text_is(mqtt_question_filter(question), "options"))
        CHECK(mqtt_question_options(question) ==
              (2 | MQTT_SUBSCRIBE_NO_LOCAL | MQTT_SUBSCRIBE_RETAINED_NEVER));
    return text_is(mqtt_question_filter(question), "no") ? MQTT_REASON_QUOTA_EXCEEDED : 0;
}

static void connected(void *userdata, const mqtt_client_info *client)
{
    char peer[64];
    size_t len = 0;
    CHECK(userdata == &connects && mqtt_client_info_version(client) == MQTT_V5);
    OK(mqtt_client_info_peer(client, peer, sizeof peer, &len));
    CHECK(len > 10 && memcmp(peer, "127.0.0.1:", 10) == 0);
    IS(MQTT_STATUS_LIMIT_REACHED, mqtt_client_info_peer(client, peer, 3, &len));
    connects++;
}

static void disconnected(void *userdata, const mqtt_client_info *client, uint8_t reason)
{
    (void)reason;
    CHECK(userdata == &connects && mqtt_client_info_client_id(client).len > 0);
    disconnects++;
}

static void message_published(void *userdata, const mqtt_client_info *client, const mqtt_message *message)
{
    CHECK(userdata == &connects);
    /* Messages of $SYS have no client either. */
    if (client == NULL && !text_is(mqtt_message_topic(message), "host"))
        return;
    publishes++;
}

static void subscribed(void *userdata, const mqtt_client_info *client, mqtt_text filter, uint32_t options)
{
    CHECK(userdata == &connects && client != NULL && filter.len > 0 && (options & 3) <= 2);
    subscribes++;
}

static void unsubscribed(void *userdata, const mqtt_client_info *client, mqtt_text filter)
{
    CHECK(userdata == &connects && client != NULL && text_is(filter, "options"));
    unsubscribes++;
}

static const mqtt_hooks all = {
    sizeof(mqtt_hooks), authenticate,      authorise_publish, authorise_subscribe, connected,
    disconnected,       message_published, subscribed,        unsubscribed,
};

static mqtt_broker *broker;

static mqtt_status log_in(const char *user, uint8_t *reason)
{
    mqtt_client_config *config = config_for(broker);
    OK(mqtt_client_config_set_credentials(config, MQTT_TEXT(user), NULL, 0));
    mqtt_client *client = make_client(config, NULL);
    mqtt_error *error = NULL;
    mqtt_status status = mqtt_client_connect_wait(client, SOON, NULL, &error);
    *reason = mqtt_error_reason(error);
    mqtt_error_free(error);
    mqtt_client_free(client);
    return status;
}

static void verdicts_reach_the_client_also_late(void)
{
    uint8_t reason = 0;
    IS(MQTT_STATUS_OK, log_in("now", &reason));
    IS(MQTT_STATUS_OK, log_in("later", &reason));
    IS(MQTT_STATUS_REFUSED, log_in("never", &reason));
    CHECK(reason == MQTT_REASON_NOT_AUTHORIZED);
    IS(MQTT_STATUS_REFUSED, log_in("banned", &reason));
    CHECK(reason == MQTT_REASON_BANNED);
    IS(MQTT_STATUS_REFUSED, log_in("liar", &reason));
    IS(MQTT_STATUS_REFUSED, log_in("odd", &reason));
    CHECK(reason == MQTT_REASON_UNSPECIFIED_ERROR);
}

static void messages_and_subscriptions_are_authorised(void)
{
    mqtt_client *client = connected_client(broker, NULL);
    uint8_t reason = 0;
    OK(mqtt_client_publish_wait(client, MQTT_TEXT("kept"), MQTT_TEXT("hello"), 1, false, NULL, SOON,
                                NULL, NULL));
    OK(mqtt_client_publish_wait(client, MQTT_TEXT("later"), NULL, 0, 1, false, NULL, SOON, NULL,
                                NULL));
    mqtt_error *error = NULL;
    IS(MQTT_STATUS_REFUSED, mqtt_client_publish_wait(client, MQTT_TEXT("no"), NULL, 0, 1, false,
                                                     NULL, SOON, &reason, &error));
    CHECK(mqtt_error_reason(error) == MQTT_REASON_NOT_AUTHORIZED);
    mqtt_error_free(error);
    mqtt_subscription wanted[] = {
        {MQTT_TEXT("options"), 2 | MQTT_SUBSCRIBE_NO_LOCAL | MQTT_SUBSCRIBE_RETAINED_NEVER},
        {MQTT_TEXT("no"), 0},
    };
    uint8_t reasons[2] = {0xFF, 0xFF};
    IS(MQTT_STATUS_REFUSED, mqtt_client_subscribe_wait(client, wanted, 2, SOON, reasons, NULL));
    CHECK(reasons[0] == 2 && reasons[1] == MQTT_REASON_QUOTA_EXCEEDED);
    mqtt_text unwanted = {MQTT_TEXT("options")};
    OK(mqtt_client_unsubscribe_wait(client, &unwanted, 1, SOON, NULL, NULL));
    OK(mqtt_broker_publish(broker, MQTT_TEXT("host"), NULL, 0, 0, false, NULL));
    OK(mqtt_client_ping(client, NULL));
    OK(mqtt_broker_disconnect(broker, MQTT_TEXT("nobody"), MQTT_REASON_BANNED));
    OK(mqtt_client_close(client, SOON));
    mqtt_client_free(client);
}

static void authentication_takes_several_steps(void)
{
    mqtt_client_config *config = config_for(broker);
    OK(mqtt_client_config_set_authentication(config, MQTT_TEXT("three-steps"), MQTT_TEXT("hi")));
    mqtt_client *client = make_client(config, NULL);
    OK(mqtt_client_connect(client, NULL));
    mqtt_event *event = await_event(client, MQTT_EVENT_TYPE_CHALLENGE);
    CHECK(bytes_are(mqtt_event_data(event), "colour?"));
    mqtt_event_free(event);
    OK(mqtt_client_authenticate(client, MQTT_TEXT("blue")));
    event = await_event(client, MQTT_EVENT_TYPE_CONNECTED);
    mqtt_bytes data = {NULL, 0};
    OK(mqtt_properties_bytes(mqtt_event_properties(event), MQTT_PROPERTY_AUTHENTICATION_DATA, 0,
                             &data));
    CHECK(bytes_are(data, "welcome"));
    mqtt_event_free(event);
    uint64_t token = 0;
    OK(mqtt_client_reauthenticate(client, MQTT_TEXT("hi again"), &token));
    mqtt_event_free(await_event(client, MQTT_EVENT_TYPE_CHALLENGE));
    OK(mqtt_client_authenticate(client, MQTT_TEXT("blue")));
    event = await_event(client, MQTT_EVENT_TYPE_DONE);
    CHECK(mqtt_event_token(event) == token && mqtt_event_status(event) == MQTT_STATUS_OK);
    mqtt_event_free(event);
    mqtt_client_free(client);
}

static void everything_was_told(void)
{
    OK(mqtt_broker_stop(broker, 1000));
    CHECK(connects == 4 && disconnects == 4);
    CHECK(publishes == 3 && subscribes == 1 && unsubscribes == 1);
}

/* What programs were compiled with stays where it is; new callbacks stand behind. */
static void structs_are_laid_out_as_in_0_1(void)
{
    enum { POINTER = sizeof(void *) };
    CHECK(sizeof(mqtt_text) == 2 * POINTER && offsetof(mqtt_text, len) == POINTER);
    CHECK(sizeof(mqtt_bytes) == 2 * POINTER && offsetof(mqtt_bytes, len) == POINTER);
    CHECK(sizeof(mqtt_subscription) == 3 * POINTER);
    CHECK(offsetof(mqtt_subscription, filter_len) == POINTER);
    CHECK(offsetof(mqtt_subscription, options) == 2 * POINTER);
    CHECK(offsetof(mqtt_hooks, authenticate) == POINTER);
    CHECK(offsetof(mqtt_hooks, authorise_publish) == 2 * POINTER);
    CHECK(offsetof(mqtt_hooks, authorise_subscribe) == 3 * POINTER);
    CHECK(offsetof(mqtt_hooks, connected) == 4 * POINTER);
    CHECK(offsetof(mqtt_hooks, disconnected) == 5 * POINTER);
    CHECK(offsetof(mqtt_hooks, published) == 6 * POINTER);
    CHECK(offsetof(mqtt_hooks, subscribed) == 7 * POINTER);
    CHECK(offsetof(mqtt_hooks, unsubscribed) == 8 * POINTER);
    CHECK(sizeof(mqtt_status) == 4 && sizeof(mqtt_event_type) == 4);
}

/* A program of an older header knows fewer callbacks; one of a newer header more. */

struct older_hooks {
    uint32_t size;
    int32_t (*authenticate)(void *userdata, mqtt_question *question);
};

struct newer_hooks {
    mqtt_hooks known;
    void (*unheard_of)(void *userdata);
};

static int32_t deny(void *userdata, mqtt_question *question)
{
    (void)userdata;
    (void)question;
    return MQTT_REASON_SERVER_MOVED;
}

static void a_table_of_another_version_works(void)
{
    uint8_t reason = 0;
    /* Behind it stands what must not be taken for callbacks. */
    struct {
        struct older_hooks table;
        void *rubbish[8];
    } older;
    memset(&older, 0xA5, sizeof older);
    older.table.size = sizeof older.table;
    older.table.authenticate = deny;
    broker = start_broker((const mqtt_hooks *)(const void *)&older.table, NULL);
    IS(MQTT_STATUS_REFUSED, log_in("now", &reason));
    CHECK(reason == MQTT_REASON_SERVER_MOVED);
    mqtt_broker_free(broker);

    struct newer_hooks newer;
    memset(&newer, 0, sizeof newer);
    newer.known.size = sizeof newer;
    newer.known.authenticate = deny;
    broker = start_broker(&newer.known, NULL);
    IS(MQTT_STATUS_REFUSED, log_in("now", &reason));
    mqtt_broker_free(broker);
}

static atomic_int freed;

static void count_freed(void *userdata)
{
    (void)userdata;
    freed++;
}

static void userdata_are_freed_once(void)
{
    mqtt_broker_config *config = mqtt_broker_config_new();
    mqtt_hooks wrong = all;
    wrong.size = 3;
    IS(MQTT_STATUS_BAD_ARGUMENT, mqtt_broker_config_set_hooks(config, &wrong, NULL, count_freed));
    CHECK(freed == 1);
    OK(mqtt_broker_config_set_hooks(config, &all, NULL, count_freed));
    OK(mqtt_broker_config_set_hooks(config, NULL, NULL, NULL));
    CHECK(freed == 2);
    OK(mqtt_broker_config_set_log(config, NULL, NULL, count_freed));
    CHECK(freed == 3);
    OK(mqtt_broker_config_set_hooks(config, &all, NULL, count_freed));
    OK(mqtt_broker_start(config, &broker, NULL));
    mqtt_broker_config_free(config);
    CHECK(freed == 3);
    mqtt_broker_free(broker);
    CHECK(freed == 4);
}

int main(void)
{
    broker = start_broker(&all, &connects);
    RUN(verdicts_reach_the_client_also_late);
    RUN(messages_and_subscriptions_are_authorised);
    RUN(authentication_takes_several_steps);
    RUN(everything_was_told);
    mqtt_broker_free(broker);
    RUN(structs_are_laid_out_as_in_0_1);
    RUN(a_table_of_another_version_works);
    RUN(userdata_are_freed_once);
    return REPORT();
}
