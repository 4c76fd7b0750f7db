/* The engine against bytes: what it sends and how it takes what comes. */
#include "abi.h"

static mqtt_engine *make(uint8_t version)
{
    mqtt_engine *engine = NULL;
    mqtt_client_config *config = mqtt_client_config_new();
    OK(mqtt_client_config_add_server(config, MQTT_TEXT("anywhere")));
    OK(mqtt_client_config_set_client_id(config, MQTT_TEXT("me")));
    OK(mqtt_client_config_set_version(config, version));
    OK(mqtt_client_config_set(config, MQTT_TEXT("keep_alive_s"), MQTT_TEXT("10"), NULL));
    OK(mqtt_engine_new(config, 7, &engine, NULL));
    mqtt_client_config_free(config);
    return engine;
}

static void expect(mqtt_engine *engine, uint64_t now, const char *wanted, size_t len)
{
    mqtt_bytes out = mqtt_engine_outgoing(engine);
    CHECK(out.len == len && memcmp(out.data, wanted, len) == 0);
    IS(MQTT_STATUS_BAD_ARGUMENT, mqtt_engine_handle_sent(engine, now, out.len + 1));
    OK(mqtt_engine_handle_sent(engine, now, out.len));
    CHECK(mqtt_engine_outgoing(engine).len == 0);
}

#define EXPECT(engine, now, literal) expect(engine, now, literal, sizeof literal - 1)
#define FEED(engine, now, literal)                                                                 \
    OK(mqtt_engine_handle_data(engine, now, literal, sizeof literal - 1))

static mqtt_event *next(mqtt_engine *engine, mqtt_event_type type)
{
    mqtt_event *event = mqtt_engine_next_event(engine);
    CHECK(mqtt_event_get_type(event) == type);
    return event;
}

static void pass(mqtt_engine *engine, mqtt_event_type type)
{
    mqtt_event_free(next(engine, type));
}

static mqtt_engine *online(void)
{
    mqtt_engine *engine = make(MQTT_V311);
    OK(mqtt_engine_connect(engine, 0, NULL));
    mqtt_event *event = next(engine, MQTT_EVENT_TYPE_DIAL);
    CHECK(text_is(mqtt_event_text(event), "anywhere"));
    mqtt_event_free(event);
    OK(mqtt_engine_handle_open(engine, 0));
    EXPECT(engine, 0, "\x10\x0E\x00\x04MQTT\x04\x02\x00\x0A\x00\x02me");
    FEED(engine, 0, "\x20\x02\x00");
    CHECK(!mqtt_engine_is_connected(engine));
    FEED(engine, 0, "\x00");
    CHECK(mqtt_engine_is_connected(engine) && mqtt_engine_wants_data(engine));
    pass(engine, MQTT_EVENT_TYPE_CONNECTED);
    CHECK(mqtt_engine_next_event(engine) == NULL);
    return engine;
}

static void packets_are_those_of_the_specification(void)
{
    mqtt_engine *engine = online();
    uint64_t token = 0;
    mqtt_subscription wanted = {MQTT_TEXT("a/+"), 1};
    OK(mqtt_engine_subscribe(engine, 1, &wanted, 1, NULL, &token));
    EXPECT(engine, 1, "\x82\x08\x00\x01\x00\x03" "a/+\x01");
    FEED(engine, 1, "\x90\x03\x00\x01\x01");
    mqtt_event *event = next(engine, MQTT_EVENT_TYPE_DONE);
    CHECK(mqtt_event_token(event) == token && mqtt_event_reason(event) == 1);
    mqtt_event_free(event);

    OK(mqtt_engine_publish(engine, 2, MQTT_TEXT("a/b"), MQTT_TEXT("hi"), 1, false, NULL, &token));
    mqtt_bytes out = mqtt_engine_outgoing(engine);
    CHECK(out.len == 11 && memcmp(out.data, "\x32\x09\x00\x03" "a/b", 7) == 0);
    /* Which Packet Identifier it takes is its own affair. */
    unsigned char ack[] = {0x40, 2, out.data[7], out.data[8]};
    OK(mqtt_engine_handle_sent(engine, 2, out.len));
    OK(mqtt_engine_handle_data(engine, 2, ack, sizeof ack));
    event = next(engine, MQTT_EVENT_TYPE_DONE);
    CHECK(mqtt_event_token(event) == token && mqtt_event_status(event) == MQTT_STATUS_OK);
    mqtt_event_free(event);
    mqtt_engine_free(engine);
}

static void messages_arrive_in_any_split(void)
{
    static const char packet[] = "\x32\x09\x00\x03" "a/b\x00\x05" "ok";
    mqtt_engine *engine = online();
    for (size_t i = 0; i < sizeof packet - 1; i++) {
        CHECK(mqtt_engine_next_event(engine) == NULL);
        OK(mqtt_engine_handle_data(engine, 1, packet + i, 1));
    }
    mqtt_event *event = next(engine, MQTT_EVENT_TYPE_MESSAGE);
    CHECK(bytes_are(mqtt_message_payload(mqtt_event_message(event)), "ok"));
    mqtt_event_free(event);
    EXPECT(engine, 1, "\x40\x02\x00\x05");
    mqtt_engine_free(engine);
}

static void time_is_the_programs(void)
{
    mqtt_engine *engine = online();
    uint64_t due = mqtt_engine_timeout(engine);
    CHECK(due > 0 && due <= 10000000000u);
    OK(mqtt_engine_handle_timeout(engine, due));
    EXPECT(engine, due, "\xC0\x00");
    due = mqtt_engine_timeout(engine);
    OK(mqtt_engine_handle_timeout(engine, due + 60000000000u));
    pass(engine, MQTT_EVENT_TYPE_CLOSE);
    mqtt_event *event = next(engine, MQTT_EVENT_TYPE_DISCONNECTED);
    IS(MQTT_STATUS_TIMED_OUT, mqtt_event_status(event));
    CHECK(mqtt_event_retry_in_ms(event) >= 0);
    mqtt_event_free(event);
    OK(mqtt_engine_close(engine, due + 60000000000u));
    mqtt_engine_free(engine);
}

static void nonsense_is_told_by_name(void)
{
    mqtt_engine *engine = online();
    FEED(engine, 1, "\xF0\x80\x80\x80\x80\x80");
    mqtt_event *event = mqtt_engine_next_event(engine);
    while (event && mqtt_event_get_type(event) != MQTT_EVENT_TYPE_DISCONNECTED) {
        mqtt_event_free(event);
        event = mqtt_engine_next_event(engine);
    }
    IS(MQTT_STATUS_MALFORMED, mqtt_event_status(event));
    CHECK(mqtt_event_text(event).len > 0);
    mqtt_event_free(event);
    mqtt_engine_free(engine);
}

static void a_goodbye_is_said(void)
{
    mqtt_engine *engine = online();
    OK(mqtt_engine_disconnect(engine, 1, MQTT_REASON_SUCCESS, NULL, 0));
    EXPECT(engine, 1, "\xE0\x00");
    pass(engine, MQTT_EVENT_TYPE_CLOSE);
    mqtt_event *event = next(engine, MQTT_EVENT_TYPE_DISCONNECTED);
    IS(MQTT_STATUS_OK, mqtt_event_status(event));
    CHECK(text_is(mqtt_event_text(event), "as asked for"));
    mqtt_event_free(event);
    CHECK(mqtt_engine_timeout(engine) == UINT64_MAX);
    mqtt_engine_free(engine);
    IS(MQTT_STATUS_CLOSED, mqtt_engine_connect(engine, 2, NULL));
}

int main(void)
{
    RUN(packets_are_those_of_the_specification);
    RUN(messages_arrive_in_any_split);
    RUN(time_is_the_programs);
    RUN(nonsense_is_told_by_name);
    RUN(a_goodbye_is_said);
    return REPORT();
}
