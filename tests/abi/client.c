/* A client and a broker, as programs use them. */
#define _POSIX_C_SOURCE 200809L
#include "abi.h"
#include <poll.h>
#include <unistd.h>

static mqtt_broker *broker;

static void subscribe(mqtt_client *client, const char *filter, uint32_t options)
{
    mqtt_subscription wanted = {MQTT_TEXT(filter), options};
    uint8_t reason = 0xFF;
    OK(mqtt_client_subscribe_wait(client, &wanted, 1, SOON, &reason, NULL));
    CHECK(reason == (options & 3));
}

static void every_version_and_qos_delivers(void)
{
    static const uint8_t versions[] = {MQTT_V31, MQTT_V311, MQTT_V5};
    for (size_t v = 0; v < 3; v++) {
        mqtt_client_config *config = config_for(broker);
        mqtt_event *event = NULL;
        uint32_t level = 0;
        OK(mqtt_client_config_set_version(config, versions[v]));
        OK(mqtt_client_config_set_client_id(config, MQTT_TEXT("versions")));
        mqtt_client *client = make_client(config, NULL);
        OK(mqtt_client_connect_wait(client, SOON, &event, NULL));
        CHECK(mqtt_event_get_type(event) == MQTT_EVENT_TYPE_CONNECTED);
        CHECK(text_is(mqtt_event_text(event), "versions"));
        CHECK(!mqtt_event_session_present(event));
        CHECK(!mqtt_event_session_lost(event));
        OK(mqtt_event_limit(event, MQTT_LIMIT_PROTOCOL_LEVEL, &level));
        CHECK(level == versions[v]);
        mqtt_event_free(event);
        subscribe(client, "versions/+", 2);
        for (uint8_t qos = 0; qos <= 2; qos++) {
            OK(mqtt_client_publish_wait(client, MQTT_TEXT("versions/a"), MQTT_TEXT("hello"), qos,
                                        false, NULL, SOON, NULL, NULL));
            event = await_event(client, MQTT_EVENT_TYPE_MESSAGE);
            const mqtt_message *message = mqtt_event_message(event);
            CHECK(text_is(mqtt_message_topic(message), "versions/a"));
            CHECK(bytes_are(mqtt_message_payload(message), "hello"));
            CHECK(mqtt_message_qos(message) == qos);
            CHECK(!mqtt_message_retain(message) && !mqtt_message_dup(message));
            mqtt_event_free(event);
        }
        mqtt_client_free(client);
    }
}

static void tokens_come_back(void)
{
    mqtt_client *client = connected_client(broker, NULL);
    uint64_t token = 0;
    mqtt_subscription wanted[] = {{MQTT_TEXT("tokens/1"), 1}, {MQTT_TEXT("tokens/2"), 0}};
    OK(mqtt_client_subscribe(client, wanted, 2, NULL, &token));
    mqtt_event *event = await_event(client, MQTT_EVENT_TYPE_DONE);
    CHECK(token != 0 && mqtt_event_token(event) == token);
    IS(MQTT_STATUS_OK, mqtt_event_status(event));
    mqtt_bytes reasons = mqtt_event_reasons(event);
    CHECK(reasons.len == 2 && reasons.data[0] == 1 && reasons.data[1] == 0);
    mqtt_event_free(event);

    OK(mqtt_client_publish(client, MQTT_TEXT("tokens"), NULL, 0, 2, false, NULL, &token));
    event = await_event(client, MQTT_EVENT_TYPE_DONE);
    CHECK(mqtt_event_token(event) == token);
    CHECK(mqtt_event_reason(event) == MQTT_REASON_NO_MATCHING_SUBSCRIBERS ||
          mqtt_event_reason(event) == MQTT_REASON_SUCCESS);
    mqtt_event_free(event);

    OK(mqtt_client_ping(client, &token));
    event = await_event(client, MQTT_EVENT_TYPE_DONE);
    CHECK(mqtt_event_token(event) == token);
    mqtt_event_free(event);

    mqtt_text unwanted[] = {{MQTT_TEXT("tokens/1")}, {MQTT_TEXT("tokens/3")}};
    OK(mqtt_client_unsubscribe(client, unwanted, 2, NULL, &token));
    event = await_event(client, MQTT_EVENT_TYPE_DONE);
    reasons = mqtt_event_reasons(event);
    CHECK(mqtt_event_token(event) == token && reasons.len == 2);
    CHECK(reasons.data[0] == 0 && reasons.data[1] == MQTT_REASON_NO_SUBSCRIPTION_EXISTED);
    mqtt_event_free(event);
    uint8_t reason = 0xFF;
    OK(mqtt_client_unsubscribe_wait(client, unwanted, 1, SOON, &reason, NULL));
    CHECK(reason == MQTT_REASON_NO_SUBSCRIPTION_EXISTED);
    mqtt_client_free(client);
}

static void properties_pass_both_ways(void)
{
    mqtt_client *client = connected_client(broker, NULL);
    subscribe(client, "properties", 1);
    mqtt_properties *sent = mqtt_properties_new();
    OK(mqtt_properties_add_number(sent, MQTT_PROPERTY_PAYLOAD_FORMAT_INDICATOR, 1));
    OK(mqtt_properties_add_bytes(sent, MQTT_PROPERTY_CONTENT_TYPE, MQTT_TEXT("text/plain")));
    OK(mqtt_properties_add_user(sent, MQTT_TEXT("a"), MQTT_TEXT("1")));
    OK(mqtt_properties_add_user(sent, MQTT_TEXT("a"), MQTT_TEXT("2")));
    OK(mqtt_client_publish(client, MQTT_TEXT("properties"), NULL, 0, 1, false, sent, NULL));
    mqtt_properties_free(sent);
    mqtt_event *event = await_event(client, MQTT_EVENT_TYPE_MESSAGE);
    mqtt_message *kept = mqtt_message_ref(mqtt_event_message(event));
    mqtt_event_free(event);
    const mqtt_properties *got = mqtt_message_properties(kept);
    uint32_t number = 0;
    uint8_t id = 0;
    mqtt_bytes value = {NULL, 0};
    mqtt_text name = {NULL, 0}, text = {NULL, 0};
    OK(mqtt_properties_number(got, MQTT_PROPERTY_PAYLOAD_FORMAT_INDICATOR, 0, &number));
    CHECK(number == 1);
    OK(mqtt_properties_bytes(got, MQTT_PROPERTY_CONTENT_TYPE, 0, &value));
    CHECK(bytes_are(value, "text/plain"));
    OK(mqtt_properties_user(got, 1, &name, &text));
    CHECK(text_is(name, "a") && text_is(text, "2"));
    OK(mqtt_properties_at(got, 0, &id));
    CHECK(id == MQTT_PROPERTY_PAYLOAD_FORMAT_INDICATOR);
    IS(MQTT_STATUS_NOT_FOUND, mqtt_properties_user(got, 2, &name, &text));
    IS(MQTT_STATUS_NOT_FOUND, mqtt_properties_at(got, 99, &id));
    IS(MQTT_STATUS_NOT_FOUND, mqtt_properties_number(got, MQTT_PROPERTY_MESSAGE_EXPIRY_INTERVAL, 0, &number));
    IS(MQTT_STATUS_BAD_ARGUMENT, mqtt_properties_number(got, MQTT_PROPERTY_CONTENT_TYPE, 0, &number));
    mqtt_message_free(kept);
    mqtt_client_free(client);
}

static void a_request_is_answered(void)
{
    mqtt_client *server = connected_client(broker, NULL);
    mqtt_client *client = connected_client(broker, NULL);
    subscribe(server, "ask", 1);
    uint64_t token = 0;
    OK(mqtt_client_request(client, MQTT_TEXT("ask"), MQTT_TEXT("?"), 1, NULL, SOON, &token));
    mqtt_event *event = await_event(server, MQTT_EVENT_TYPE_MESSAGE);
    OK(mqtt_client_respond(server, mqtt_event_message(event), MQTT_TEXT("42"), NULL));
    mqtt_event_free(event);
    event = await_event(client, MQTT_EVENT_TYPE_DONE);
    CHECK(mqtt_event_token(event) == token);
    CHECK(bytes_are(mqtt_message_payload(mqtt_event_message(event)), "42"));
    mqtt_event_free(event);
    mqtt_error *error = NULL;
    mqtt_message *reply = NULL;
    IS(MQTT_STATUS_TIMED_OUT, mqtt_client_request_wait(client, MQTT_TEXT("ask/nobody"), NULL, 0, 0,
                                                       NULL, 20, &reply, &error));
    CHECK(reply == NULL && mqtt_error_status(error) == MQTT_STATUS_TIMED_OUT);
    mqtt_error_free(error);
    mqtt_client_free(server);
    mqtt_client_free(client);
}

static void messages_are_acknowledged_by_hand(void)
{
    mqtt_client_config *config = config_for(broker);
    OK(mqtt_client_config_set(config, MQTT_TEXT("manual_ack"), MQTT_TEXT("true"), NULL));
    OK(mqtt_client_config_set(config, MQTT_TEXT("receive_maximum"), MQTT_TEXT("1"), NULL));
    mqtt_client *client = make_client(config, NULL);
    OK(mqtt_client_connect_wait(client, SOON, NULL, NULL));
    subscribe(client, "manual", 1);
    /* With one allowed on its way, the second comes only when the first is acknowledged. */
    for (int i = 0; i < 2; i++)
        OK(mqtt_client_publish(client, MQTT_TEXT("manual"), NULL, 0, 1, false, NULL, NULL));
    for (int i = 0; i < 2; i++) {
        mqtt_event *event = await_event(client, MQTT_EVENT_TYPE_MESSAGE);
        mqtt_message *kept = mqtt_message_ref(mqtt_event_message(event));
        mqtt_event_free(event);
        OK(mqtt_client_acknowledge(client, kept, MQTT_REASON_SUCCESS));
        IS(MQTT_STATUS_BAD_STATE, mqtt_client_acknowledge(client, kept, MQTT_REASON_SUCCESS));
        mqtt_message_free(kept);
    }
    mqtt_client_free(client);
}

static void a_will_is_published_and_a_session_resumed(void)
{
    mqtt_client *watcher = connected_client(broker, NULL);
    subscribe(watcher, "will", 1);
    mqtt_client_config *config = config_for(broker);
    OK(mqtt_client_config_set_client_id(config, MQTT_TEXT("mortal")));
    OK(mqtt_client_config_set_will(config, MQTT_TEXT("will"), MQTT_TEXT("gone"), 1, false, NULL, 0));
    OK(mqtt_client_config_set(config, MQTT_TEXT("session_expiry_s"), MQTT_TEXT("60"), NULL));
    mqtt_client *client = make_client(config, NULL);
    OK(mqtt_client_connect_wait(client, SOON, NULL, NULL));
    subscribe(client, "resumed", 1);
    OK(mqtt_client_disconnect(client, MQTT_REASON_DISCONNECT_WITH_WILL, NULL, 0));
    mqtt_event *event = await_event(watcher, MQTT_EVENT_TYPE_MESSAGE);
    CHECK(bytes_are(mqtt_message_payload(mqtt_event_message(event)), "gone"));
    mqtt_event_free(event);
    event = await_event(client, MQTT_EVENT_TYPE_DISCONNECTED);
    CHECK(mqtt_event_retry_in_ms(event) == -1);
    mqtt_event_free(event);
    /* What comes meanwhile waits for it. */
    OK(mqtt_broker_publish(broker, MQTT_TEXT("resumed"), MQTT_TEXT("kept"), 1, false, NULL));
    OK(mqtt_client_connect_wait(client, SOON, &event, NULL));
    CHECK(mqtt_event_session_present(event));
    mqtt_event_free(event);
    event = await_event(client, MQTT_EVENT_TYPE_MESSAGE);
    CHECK(bytes_are(mqtt_message_payload(mqtt_event_message(event)), "kept"));
    mqtt_event_free(event);
    mqtt_client_free(client);
    mqtt_client_free(watcher);
}

static void servers_are_tried_in_turn(void)
{
    char server[64];
    uint16_t dead = 0;
    mqtt_broker *gone = start_broker(NULL, NULL);
    OK(mqtt_broker_port(gone, 0, &dead));
    mqtt_broker_free(gone);
    mqtt_client_config *config = mqtt_client_config_new();
    snprintf(server, sizeof server, "127.0.0.1:%u", dead);
    OK(mqtt_client_config_add_server(config, MQTT_TEXT(server)));
    OK(mqtt_client_config_set(config, MQTT_TEXT("reconnect_first"), MQTT_TEXT("true"), NULL));
    OK(mqtt_client_config_set(config, MQTT_TEXT("reconnect_base_ms"), MQTT_TEXT("1"), NULL));
    server_of(broker, server, sizeof server);
    OK(mqtt_client_config_add_server(config, MQTT_TEXT(server)));
    mqtt_client *client = make_client(config, NULL);
    OK(mqtt_client_connect_wait(client, SOON, NULL, NULL));
    mqtt_client_free(client);

    mqtt_error *error = NULL;
    config = mqtt_client_config_new();
    snprintf(server, sizeof server, "127.0.0.1:%u", dead);
    OK(mqtt_client_config_add_server(config, MQTT_TEXT(server)));
    client = make_client(config, NULL);
    IS(MQTT_STATUS_CONNECTION_REFUSED, mqtt_client_connect_wait(client, SOON, NULL, &error));
    CHECK(mqtt_error_message(error).len > 0);
    mqtt_error_free(error);
    mqtt_client_free(client);
}

static void offline_messages_wait_within_their_bounds(void)
{
    mqtt_client_config *config = config_for(broker);
    OK(mqtt_client_config_set(config, MQTT_TEXT("queue_messages_max"), MQTT_TEXT("2"), NULL));
    OK(mqtt_client_config_set(config, MQTT_TEXT("offline_qos0"), MQTT_TEXT("refuse"), NULL));
    mqtt_client *client = make_client(config, NULL);
    uint64_t first = 0, token = 0;
    OK(mqtt_client_publish(client, MQTT_TEXT("offline"), NULL, 0, 1, false, NULL, &first));
    OK(mqtt_client_publish(client, MQTT_TEXT("offline"), NULL, 0, 1, false, NULL, &token));
    CHECK(mqtt_client_queued(client) == 2 && mqtt_client_in_flight(client) == 0);
    IS(MQTT_STATUS_QUEUE_FULL,
       mqtt_client_publish(client, MQTT_TEXT("offline"), NULL, 0, 1, false, NULL, &token));
    IS(MQTT_STATUS_NOT_CONNECTED,
       mqtt_client_publish(client, MQTT_TEXT("offline"), NULL, 0, 0, false, NULL, &token));
    IS(MQTT_STATUS_NOT_CONNECTED, mqtt_client_ping(client, &token));
    OK(mqtt_client_connect(client, NULL));
    mqtt_event *event = await_event(client, MQTT_EVENT_TYPE_DONE);
    CHECK(mqtt_event_token(event) == first);
    mqtt_event_free(event);
    OK(mqtt_client_close(client, SOON));
    IS(MQTT_STATUS_CLOSED, mqtt_client_connect(client, NULL));
    mqtt_client_free(client);
    IS(MQTT_STATUS_CLOSED, mqtt_client_connect(client, NULL));
}

static mqtt_client_config *keeping(const char *directory)
{
    mqtt_client_config *config = config_for(broker);
    OK(mqtt_client_config_set_client_id(config, MQTT_TEXT("kept")));
    OK(mqtt_client_config_set(config, MQTT_TEXT("session_expiry_s"), MQTT_TEXT("60"), NULL));
    OK(mqtt_client_config_set(config, MQTT_TEXT("data_directory"), MQTT_TEXT(directory), NULL));
    OK(mqtt_client_config_set(config, MQTT_TEXT("durability"), MQTT_TEXT("sync"), NULL));
    return config;
}

static void messages_outlive_their_client(void)
{
    char directory[] = "/tmp/libmqtt-abi-XXXXXX", path[64];
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/client-kept.db", directory);
    mqtt_client *reader = connected_client(broker, NULL);
    subscribe(reader, "kept/+", 2);
    mqtt_client *client = make_client(keeping(directory), NULL);
    OK(mqtt_client_publish(client, MQTT_TEXT("kept/1"), NULL, 0, 2, false, NULL, NULL));
    OK(mqtt_client_flush_wait(client, SOON, NULL));
    mqtt_client *second = NULL;
    mqtt_client_config *same = keeping(directory);
    IS(MQTT_STATUS_STORAGE_FAILED, mqtt_client_new(same, NULL, &second, NULL));
    mqtt_client_config_free(same);
    mqtt_client_free(client);
    client = make_client(keeping(directory), NULL);
    CHECK(mqtt_client_queued(client) == 1);
    OK(mqtt_client_connect_wait(client, SOON, NULL, NULL));
    mqtt_event_free(await_event(reader, MQTT_EVENT_TYPE_MESSAGE));
    mqtt_client_free(client);
    IS(MQTT_STATUS_BAD_STATE, mqtt_client_flush_wait(reader, SOON, NULL));
    mqtt_client_free(reader);
    mqtt_client_config *lone = config_for(broker);
    OK(mqtt_client_config_set(lone, MQTT_TEXT("durability"), MQTT_TEXT("off"), NULL));
    IS(MQTT_STATUS_BAD_ARGUMENT, mqtt_client_new(lone, NULL, &second, NULL));
    mqtt_client_config_free(lone);
    CHECK(unlink(path) == 0 && rmdir(directory) == 0);
}

static void abandoned_tokens_are_told(void)
{
    mqtt_client *client = make_client(config_for(broker), NULL);
    uint64_t token = 0;
    OK(mqtt_client_publish(client, MQTT_TEXT("abandoned"), NULL, 0, 1, false, NULL, &token));
    OK(mqtt_client_close(client, 0));
    mqtt_event *event = await_event(client, MQTT_EVENT_TYPE_DONE);
    CHECK(mqtt_event_token(event) == token);
    IS(MQTT_STATUS_ABANDONED, mqtt_event_status(event));
    mqtt_event_free(event);
    IS(MQTT_STATUS_CLOSED, mqtt_client_next_event(client, SOON, &event));
    mqtt_client_free(client);
}

static void tell_pipe(void *userdata)
{
    if (write(*(int *)userdata, "!", 1) != 1)
        abort();
}

static void readiness_is_told(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    mqtt_client *client = make_client(config_for(broker), NULL);
    OK(mqtt_client_on_ready(client, tell_pipe, &ends[1], NULL));
    OK(mqtt_client_connect(client, NULL));
    struct pollfd ready = {ends[0], POLLIN, 0};
    CHECK(poll(&ready, 1, SOON) == 1);
    mqtt_event *event = NULL;
    OK(mqtt_client_next_event(client, 0, &event));
    CHECK(mqtt_event_get_type(event) == MQTT_EVENT_TYPE_CONNECTED);
    mqtt_event_free(event);
    IS(MQTT_STATUS_TIMED_OUT, mqtt_client_next_event(client, 0, &event));
    mqtt_client_free(client);
    close(ends[0]);
    close(ends[1]);
}

static void inside(void *userdata, const mqtt_event *event)
{
    mqtt_client *client = *(mqtt_client **)userdata;
    if (mqtt_event_get_type(event) != MQTT_EVENT_TYPE_CONNECTED)
        return;
    /* Waiting here would be waiting for ourselves. */
    IS(MQTT_STATUS_WOULD_DEADLOCK,
       mqtt_client_publish_wait(client, MQTT_TEXT("inside"), NULL, 0, 1, false, NULL, SOON, NULL, NULL));
    IS(MQTT_STATUS_WOULD_DEADLOCK, mqtt_client_connect_wait(client, SOON, NULL, NULL));
    OK(mqtt_client_publish(client, MQTT_TEXT("inside"), NULL, 0, 1, false, NULL, NULL));
    OK(mqtt_client_close(client, SOON));
}

static void calls_that_wait_fail_in_callbacks(void)
{
    mqtt_client *client = make_client(config_for(broker), NULL);
    OK(mqtt_client_on_event(client, inside, &client, NULL));
    OK(mqtt_client_connect(client, NULL));
    OK(mqtt_client_close(client, SOON));
    mqtt_client_free(client);
}

static void one_loop_serves_many_clients_also_when_freed_first(void)
{
    mqtt_loop *loop = NULL;
    mqtt_client *clients[8];
    int fd = -1;
    OK(mqtt_loop_start(NULL, NULL, NULL, &loop, NULL));
    IS(MQTT_STATUS_BAD_STATE, mqtt_loop_fd(loop, &fd));
    IS(MQTT_STATUS_BAD_STATE, mqtt_loop_process(loop, 0));
    for (int i = 0; i < 8; i++)
        clients[i] = connected_client(broker, loop);
    mqtt_loop_free(loop);
    for (int i = 0; i < 8; i++) {
        OK(mqtt_client_publish_wait(clients[i], MQTT_TEXT("loop"), NULL, 0, 1, false, NULL, SOON,
                                    NULL, NULL));
        CHECK(mqtt_client_is_connected(clients[i]));
        mqtt_client_free(clients[i]);
    }
}

static void an_own_loop_runs_on_this_thread(void)
{
    mqtt_loop *loop = NULL;
    int fd = -1;
    OK(mqtt_loop_new(&loop, NULL));
    OK(mqtt_loop_fd(loop, &fd));
    CHECK(fd >= 0 && mqtt_loop_timeout_ms(loop) == -1);
    mqtt_client *client = make_client(config_for(broker), loop);
    IS(MQTT_STATUS_WOULD_DEADLOCK, mqtt_client_connect_wait(client, SOON, NULL, NULL));
    OK(mqtt_client_connect(client, NULL));
    while (!mqtt_client_is_connected(client)) {
        struct pollfd ready = {fd, POLLIN, 0};
        CHECK(poll(&ready, 1, mqtt_loop_timeout_ms(loop)) >= 0);
        OK(mqtt_loop_process(loop, 0));
    }
    mqtt_loop_free(loop);
    IS(MQTT_STATUS_CLOSED, mqtt_loop_process(loop, 0));
    mqtt_event *event = await_event(client, MQTT_EVENT_TYPE_DISCONNECTED);
    mqtt_event_free(event);
    IS(MQTT_STATUS_CLOSED, mqtt_client_connect(client, NULL));
    mqtt_client_free(client);
}

static void a_client_within_the_process_needs_no_server(void)
{
    mqtt_broker *quiet = NULL;
    mqtt_broker_config *setup = mqtt_broker_config_new();
    OK(mqtt_broker_start(setup, &quiet, NULL));
    mqtt_broker_config_free(setup);
    uint16_t port = 0;
    IS(MQTT_STATUS_NOT_FOUND, mqtt_broker_port(quiet, 0, &port));
    mqtt_client *client = NULL;
    mqtt_client_config *config = mqtt_client_config_new();
    OK(mqtt_broker_client(quiet, config, &client, NULL));
    OK(mqtt_client_config_set(config, MQTT_TEXT("no_delay"), MQTT_TEXT("false"), NULL));
    mqtt_client *refused = NULL;
    IS(MQTT_STATUS_BAD_ARGUMENT, mqtt_broker_client(quiet, config, &refused, NULL));
    mqtt_client_config_free(config);
    OK(mqtt_client_connect_wait(client, SOON, NULL, NULL));
    subscribe(client, "#", 1);
    OK(mqtt_broker_publish(quiet, MQTT_TEXT("within"), MQTT_TEXT("hello"), 1, true, NULL));
    mqtt_event *event = await_event(client, MQTT_EVENT_TYPE_MESSAGE);
    CHECK(text_is(mqtt_message_topic(mqtt_event_message(event)), "within"));
    mqtt_event_free(event);
    uint64_t value = 0;
    OK(mqtt_broker_stat(quiet, MQTT_STAT_CONNECTIONS, &value));
    CHECK(value == 1);
    OK(mqtt_broker_stop(quiet, 1000));
    CHECK(!mqtt_broker_is_running(quiet));
    mqtt_client_free(client);
    mqtt_broker_free(quiet);
}

/* The password is "secret". */
static const char users[] = "ali:$7$101$bGlibXF0dHNhbHQx$Ijv4tCckMaU0K+zVkRt4ugaoRtKOmh3uXENdsJMPAR"
                            "m3Z7y9WcsCGfGaWrTmU0yAtqlpab3ssYQpwW4lS4VJhg==\n";

static mqtt_status try_password(mqtt_broker *guarded, const char *password)
{
    mqtt_client_config *config = config_for(guarded);
    OK(mqtt_client_config_set_credentials(config, MQTT_TEXT("ali"), MQTT_TEXT(password)));
    mqtt_client *client = make_client(config, NULL);
    mqtt_error *error = NULL;
    mqtt_status status = mqtt_client_connect_wait(client, SOON, NULL, &error);
    if (status != MQTT_STATUS_OK)
        CHECK(mqtt_error_reason(error) == MQTT_REASON_BAD_USER_NAME_OR_PASSWORD);
    mqtt_error_free(error);
    mqtt_client_free(client);
    return status;
}

static void a_password_file_decides(void)
{
    char path[] = "/tmp/libmqtt-abi-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, "nonsense\n", 9) == 9);
    close(fd);
    mqtt_broker *none = NULL;
    mqtt_error *error = NULL;
    mqtt_broker_config *setup = mqtt_broker_config_new();
    OK(mqtt_broker_config_set(setup, MQTT_TEXT("password_file"), MQTT_TEXT(path), NULL));
    IS(MQTT_STATUS_FILE_INVALID, mqtt_broker_start(setup, &none, &error));
    CHECK(none == NULL && mqtt_error_message(error).len > 0);
    mqtt_error_free(error);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(users, file) > 0 && fclose(file) == 0);
    OK(mqtt_broker_config_listen(setup, MQTT_TEXT("127.0.0.1"), 0));
    mqtt_broker *guarded = NULL;
    OK(mqtt_broker_start(setup, &guarded, NULL));
    IS(MQTT_STATUS_OK, try_password(guarded, "secret"));
    IS(MQTT_STATUS_REFUSED, try_password(guarded, "guess"));
    mqtt_broker_free(guarded);
    unlink(path);
    IS(MQTT_STATUS_FILE_UNREADABLE, mqtt_broker_start(setup, &none, NULL));
    mqtt_broker_config_free(setup);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void a_file_configures_a_broker(void)
{
    char directory[] = "/tmp/libmqtt-abi-XXXXXX", conf[64], passwords[64], text[256];
    CHECK(mkdtemp(directory) != NULL);
    snprintf(conf, sizeof conf, "%s/broker.conf", directory);
    snprintf(passwords, sizeof passwords, "%s/users", directory);
    mqtt_broker_config *setup = mqtt_broker_config_new();
    mqtt_error *error = NULL;
    IS(MQTT_STATUS_FILE_UNREADABLE, mqtt_broker_config_load(setup, MQTT_TEXT(conf), NULL));
    write_file(conf, "listener 0 127.0.0.1\n\nlistner 0\n");
    IS(MQTT_STATUS_FILE_INVALID, mqtt_broker_config_load(setup, MQTT_TEXT(conf), &error));
    snprintf(text, sizeof text, "%s: line 3: unknown directive 'listner'", conf);
    CHECK(text_is(mqtt_error_message(error), text));
    mqtt_error_free(error);
    write_file(conf, "pid_file /nowhere/pid\n");
    IS(MQTT_STATUS_FILE_INVALID, mqtt_broker_config_load(setup, MQTT_TEXT(conf), &error));
    snprintf(text, sizeof text, "%s: line 1: not supported: pid_file: it concerns", conf);
    CHECK(mqtt_error_message(error).len > strlen(text));
    CHECK(memcmp(mqtt_error_message(error).data, text, strlen(text)) == 0);
    mqtt_error_free(error);

    write_file(passwords, users);
    snprintf(text, sizeof text, "listener 0 127.0.0.1\npassword_file %s\nmessage_size_limit 4\n",
             passwords);
    write_file(conf, text);
    OK(mqtt_broker_config_load(setup, MQTT_TEXT(conf), NULL));
    mqtt_broker *guarded = NULL;
    OK(mqtt_broker_start(setup, &guarded, NULL));
    mqtt_broker_config_free(setup);
    uint16_t port = 0;
    IS(MQTT_STATUS_NOT_FOUND, mqtt_broker_port(guarded, 1, &port));
    IS(MQTT_STATUS_OK, try_password(guarded, "secret"));
    IS(MQTT_STATUS_REFUSED, try_password(guarded, "guess"));
    mqtt_client_config *config = config_for(guarded);
    mqtt_client *client = make_client(config, NULL);
    IS(MQTT_STATUS_REFUSED, mqtt_client_connect_wait(client, SOON, NULL, NULL));
    mqtt_client_free(client);
    config = config_for(guarded);
    OK(mqtt_client_config_set_credentials(config, MQTT_TEXT("ali"), MQTT_TEXT("secret")));
    client = make_client(config, NULL);
    OK(mqtt_client_connect_wait(client, SOON, NULL, NULL));
    IS(MQTT_STATUS_REFUSED,
       mqtt_client_publish_wait(client, MQTT_TEXT("size"), MQTT_TEXT("12345"), 1, false, NULL, SOON,
                                NULL, &error));
    CHECK(mqtt_error_reason(error) == MQTT_REASON_IMPLEMENTATION_SPECIFIC_ERROR);
    mqtt_error_free(error);
    mqtt_client_free(client);
    mqtt_broker_free(guarded);
    unlink(conf);
    unlink(passwords);
    rmdir(directory);
}

static void options_are_never_ignored(void)
{
    mqtt_client_config *config = mqtt_client_config_new();
    mqtt_broker_config *setup = mqtt_broker_config_new();
    mqtt_engine *engine = NULL;
    mqtt_error *error = NULL;
    IS(MQTT_STATUS_NOT_FOUND, mqtt_client_config_set(config, MQTT_TEXT("no"), MQTT_TEXT("1"), NULL));
    IS(MQTT_STATUS_NOT_FOUND, mqtt_broker_config_set(setup, MQTT_TEXT("no"), MQTT_TEXT("1"), NULL));
    IS(MQTT_STATUS_BAD_ARGUMENT,
       mqtt_client_config_set(config, MQTT_TEXT("keep_alive_s"), MQTT_TEXT("65536"), &error));
    CHECK(text_is(mqtt_error_message(error),
                  "keep_alive_s: '65536' is not a number between 0 and 65535"));
    mqtt_error_free(error);
    IS(MQTT_STATUS_BAD_ARGUMENT,
       mqtt_broker_config_set(setup, MQTT_TEXT("overload"), MQTT_TEXT("maybe"), NULL));
    OK(mqtt_broker_config_set(setup, MQTT_TEXT("payload_max"), MQTT_TEXT("3"), NULL));
    OK(mqtt_broker_config_set(setup, MQTT_TEXT("subscription_bytes_max"), MQTT_TEXT("99"), NULL));
    OK(mqtt_broker_config_set(setup, MQTT_TEXT("shared_subscriptions_max"), MQTT_TEXT("9"), NULL));
    OK(mqtt_client_config_set(config, MQTT_TEXT("no_delay"), MQTT_TEXT("false"), NULL));
    IS(MQTT_STATUS_BAD_ARGUMENT, mqtt_engine_new(config, 1, &engine, NULL));
    mqtt_client_config_free(config);
    mqtt_broker_config_free(setup);
}

int main(void)
{
    broker = start_broker(NULL, NULL);
    RUN(every_version_and_qos_delivers);
    RUN(tokens_come_back);
    RUN(properties_pass_both_ways);
    RUN(a_request_is_answered);
    RUN(messages_are_acknowledged_by_hand);
    RUN(a_will_is_published_and_a_session_resumed);
    RUN(servers_are_tried_in_turn);
    RUN(offline_messages_wait_within_their_bounds);
    RUN(messages_outlive_their_client);
    RUN(abandoned_tokens_are_told);
    RUN(readiness_is_told);
    RUN(calls_that_wait_fail_in_callbacks);
    RUN(one_loop_serves_many_clients_also_when_freed_first);
    RUN(an_own_loop_runs_on_this_thread);
    RUN(a_client_within_the_process_needs_no_server);
    RUN(a_password_file_decides);
    RUN(a_file_configures_a_broker);
    RUN(options_are_never_ignored);
    mqtt_broker_free(broker);
    return REPORT();
}
