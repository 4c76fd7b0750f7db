/* Every transport, what certificates are good for, and what survives the end of a broker. */
#define _POSIX_C_SOURCE 200809L
#include "abi.h"
#include <stdatomic.h>
#include <unistd.h>

static char at[512];

/* A file of the folder with certificates. */
static const char *file(const char *name)
{
    const char *folder = getenv("ABI_CERTIFICATES");
    CHECK(folder != NULL);
    snprintf(at, sizeof at, "%s/%s", folder ? folder : "", name);
    return at;
}

/* A folder of this process alone. */
static const char *scratch(const char *name)
{
    snprintf(at, sizeof at, "/tmp/libmqtt-abi-%ld-%s", (long)getpid(), name);
    return at;
}

static void tls_file(mqtt_tls *tls, const char *option, const char *name)
{
    OK(mqtt_tls_set(tls, MQTT_TEXT(option), MQTT_TEXT(file(name)), NULL));
}

static mqtt_tls *server_tls(bool mutual)
{
    mqtt_tls *tls = mqtt_tls_new();
    tls_file(tls, "cert_file", "server.pem");
    tls_file(tls, "key_file", "server.key");
    if (mutual) {
        tls_file(tls, "ca_file", "ca.pem");
        OK(mqtt_tls_set(tls, MQTT_TEXT("client_certificates"), MQTT_TEXT("required"), NULL));
    }
    return tls;
}

static mqtt_tls *client_tls(const char *ca, bool mutual)
{
    mqtt_tls *tls = mqtt_tls_new();
    tls_file(tls, "ca_file", ca);
    if (mutual) {
        tls_file(tls, "cert_file", "client.pem");
        tls_file(tls, "key_file", "client.key");
    }
    return tls;
}

static void listen_at(mqtt_broker_config *config, const char *url, mqtt_tls *tls, const char *option,
                      const char *value)
{
    mqtt_listener *listener = NULL;
    OK(mqtt_listener_new(MQTT_TEXT(url), tls, &listener, NULL));
    if (option)
        OK(mqtt_listener_set(listener, MQTT_TEXT(option), MQTT_TEXT(value), NULL));
    OK(mqtt_broker_config_add_listener(config, listener, NULL));
    mqtt_listener_free(listener);
    mqtt_tls_free(tls);
}

static atomic_int proven;

static int32_t authorise_publish(void *userdata, mqtt_question *question)
{
    (void)userdata;
    const mqtt_client_info *client = mqtt_question_client(question);
    mqtt_text name = mqtt_client_info_certificate_name(client);
    if (name.data) {
        CHECK(text_is(name, "client") && text_is(mqtt_client_info_user_name(client), "client"));
        CHECK(mqtt_client_info_certificate_subject(client).len > name.len);
        CHECK(mqtt_client_info_certificate(client).len > 100);
        atomic_fetch_add(&proven, 1);
    } else {
        CHECK(mqtt_client_info_certificate(client).data == NULL);
        CHECK(mqtt_client_info_certificate_subject(client).data == NULL);
    }
    return MQTT_VERDICT_ALLOW;
}

enum { TCP, TLS, MUTUAL, WS, WSS, UNIX, KINDS };

/* A broker that listens in every way, in the order of the kinds. */
static mqtt_broker *every_listener(void)
{
    mqtt_hooks hooks = {0};
    hooks.size = sizeof hooks;
    hooks.authorise_publish = authorise_publish;
    char path[600];
    snprintf(path, sizeof path, "unix:%s", scratch("socket"));
    mqtt_broker_config *config = mqtt_broker_config_new();
    listen_at(config, "mqtt://127.0.0.1:0", NULL, NULL, NULL);
    listen_at(config, "mqtts://127.0.0.1:0", server_tls(false), NULL, NULL);
    listen_at(config, "mqtts://127.0.0.1:0", server_tls(true), "certificate_user", "common_name");
    listen_at(config, "ws://127.0.0.1:0/mqtt", NULL, NULL, NULL);
    listen_at(config, "wss://127.0.0.1:0", server_tls(false), NULL, NULL);
    listen_at(config, path, NULL, NULL, NULL);
    OK(mqtt_broker_config_set(config, MQTT_TEXT("shards"), MQTT_TEXT("2"), NULL));
    OK(mqtt_broker_config_set_hooks(config, &hooks, NULL, NULL));
    mqtt_broker *broker = NULL;
    mqtt_error *error = NULL;
    OK(mqtt_broker_start(config, &broker, &error));
    mqtt_error_free(error);
    mqtt_broker_config_free(config);
    return broker;
}

/* A client's configuration for a listener of the broker. */
static mqtt_client_config *config_at(mqtt_broker *broker, int kind, mqtt_tls *tls)
{
    char url[600];
    size_t len = 0;
    OK(mqtt_broker_url(broker, (size_t)kind, url, sizeof url, &len));
    mqtt_client_config *config = mqtt_client_config_new();
    OK(mqtt_client_config_add_server(config, url, len));
    if (tls)
        OK(mqtt_client_config_set_tls(config, tls, NULL));
    mqtt_tls_free(tls);
    return config;
}

static void there_and_back(mqtt_client *client)
{
    mqtt_subscription wanted = {MQTT_TEXT("there"), 1};
    OK(mqtt_client_connect_wait(client, SOON, NULL, NULL));
    OK(mqtt_client_subscribe_wait(client, &wanted, 1, SOON, NULL, NULL));
    OK(mqtt_client_publish_wait(client, MQTT_TEXT("there"), MQTT_TEXT("and back"), 1, false, NULL,
                                SOON, NULL, NULL));
    mqtt_event *event = await_event(client, MQTT_EVENT_TYPE_MESSAGE);
    CHECK(bytes_are(mqtt_message_payload(mqtt_event_message(event)), "and back"));
    mqtt_event_free(event);
    mqtt_client_free(client);
}

static void every_transport_carries_messages(void)
{
    mqtt_broker *broker = every_listener();
    atomic_store(&proven, 0);
    for (int kind = 0; kind < KINDS; kind++) {
        for (uint8_t version = MQTT_V311; version <= MQTT_V5; version++) {
            bool secure = kind == TLS || kind == MUTUAL || kind == WSS;
            mqtt_tls *tls = secure ? client_tls("ca.pem", kind == MUTUAL) : NULL;
            mqtt_client_config *config = config_at(broker, kind, tls);
            OK(mqtt_client_config_set_version(config, version));
            if (kind == WS)
                OK(mqtt_client_config_add_header(config, MQTT_TEXT("Origin"), MQTT_TEXT("http://x")));
            there_and_back(make_client(config, NULL));
        }
    }
    CHECK(atomic_load(&proven) == 2);
    size_t len = 0;
    char little[4];
    IS(MQTT_STATUS_LIMIT_REACHED, mqtt_broker_url(broker, 0, little, sizeof little, &len));
    CHECK(len > sizeof little);
    IS(MQTT_STATUS_NOT_FOUND, mqtt_broker_url(broker, KINDS, little, sizeof little, &len));
    OK(mqtt_broker_reload(broker, NULL));
    mqtt_broker_free(broker);
    CHECK(access(scratch("socket"), F_OK) != 0);
}

/* What a client comes to that connects like that. */
static mqtt_status connects(mqtt_broker *broker, int kind, mqtt_tls *tls)
{
    mqtt_client *client = make_client(config_at(broker, kind, tls), NULL);
    mqtt_error *error = NULL;
    mqtt_status status = mqtt_client_connect_wait(client, SOON, NULL, &error);
    CHECK((status == MQTT_STATUS_OK) == (error == NULL));
    CHECK(error == NULL || mqtt_error_message(error).len > 0);
    mqtt_error_free(error);
    mqtt_client_free(client);
    return status;
}

static void wrong_certificates_have_their_statuses(void)
{
    mqtt_broker *broker = every_listener();
    OK(connects(broker, TLS, client_tls("ca.pem", false)));
    IS(MQTT_STATUS_CERTIFICATE_UNTRUSTED, connects(broker, TLS, client_tls("other.pem", false)));
    /* With TLS 1.3 a client is told after the handshake, if the connection still stands. */
    mqtt_tls *tls = client_tls("ca.pem", false);
    OK(mqtt_tls_set(tls, MQTT_TEXT("versions"), MQTT_TEXT("1.2"), NULL));
    IS(MQTT_STATUS_CERTIFICATE_MISSING, connects(broker, MUTUAL, tls));
    tls = client_tls("ca.pem", false);
    OK(mqtt_tls_set(tls, MQTT_TEXT("server_name"), MQTT_TEXT("example.org"), NULL));
    IS(MQTT_STATUS_CERTIFICATE_FOR_OTHER, connects(broker, TLS, tls));
    tls = client_tls("ca.pem", false);
    OK(mqtt_tls_set(tls, MQTT_TEXT("server_name"), MQTT_TEXT("example.org"), NULL));
    OK(mqtt_tls_set(tls, MQTT_TEXT("dangerous_verification"), MQTT_TEXT("any_host_name"), NULL));
    OK(connects(broker, TLS, tls));
    tls = client_tls("other.pem", false);
    OK(mqtt_tls_set(tls, MQTT_TEXT("dangerous_verification"), MQTT_TEXT("nothing"), NULL));
    OK(connects(broker, TLS, tls));
    mqtt_broker_free(broker);
}

static void what_does_not_fit_is_refused_and_explained(void)
{
    mqtt_error *error = NULL;
    mqtt_tls *tls = mqtt_tls_new();
    mqtt_listener *listener = NULL;
    IS(MQTT_STATUS_NOT_FOUND, mqtt_tls_set(tls, MQTT_TEXT("insecure"), MQTT_TEXT("1"), &error));
    CHECK(text_is(mqtt_error_message(error), "there is no option 'insecure'"));
    mqtt_error_free(error);
    IS(MQTT_STATUS_BAD_ARGUMENT, mqtt_tls_set(tls, MQTT_TEXT("versions"), MQTT_TEXT("1.1"), NULL));
    IS(MQTT_STATUS_BAD_ARGUMENT,
       mqtt_listener_new(MQTT_TEXT("mqtts://127.0.0.1:0"), NULL, &listener, NULL));
    CHECK(listener == NULL);
    mqtt_client_config *config = mqtt_client_config_new();
    OK(mqtt_tls_set_data(tls, MQTT_TEXT("ca"), MQTT_TEXT("no certificate"), NULL));
    IS(MQTT_STATUS_FILE_INVALID, mqtt_client_config_set_tls(config, tls, NULL));
    mqtt_tls_free(tls);
    IS(MQTT_STATUS_BAD_ARGUMENT,
       mqtt_client_config_add_header(config, MQTT_TEXT("Host"), MQTT_TEXT("x")));
    IS(MQTT_STATUS_BAD_ARGUMENT,
       mqtt_client_config_set(config, MQTT_TEXT("proxy"), MQTT_TEXT("ftp://x"), NULL));
    tls = client_tls("ca.pem", false);
    OK(mqtt_client_config_set_tls(config, tls, NULL));
    mqtt_tls_free(tls);
    OK(mqtt_client_config_add_server(config, MQTT_TEXT("mqtt://127.0.0.1")));
    mqtt_client *client = NULL;
    IS(MQTT_STATUS_BAD_ARGUMENT, mqtt_client_new(config, NULL, &client, &error));
    CHECK(text_is(mqtt_error_message(error), "TLS options: no server is mqtts:// or wss://"));
    mqtt_error_free(error);
    mqtt_client_config_free(config);
    mqtt_broker_config *nowhere = mqtt_broker_config_new();
    OK(mqtt_broker_config_set(nowhere, MQTT_TEXT("durability"), MQTT_TEXT("off"), NULL));
    mqtt_broker *broker = NULL;
    IS(MQTT_STATUS_BAD_ARGUMENT, mqtt_broker_start(nowhere, &broker, NULL));
    mqtt_broker_config_free(nowhere);
}

static mqtt_broker *stored(const char *durability)
{
    mqtt_broker *broker = NULL;
    mqtt_broker_config *config = mqtt_broker_config_new();
    listen_at(config, "mqtt://127.0.0.1:0", NULL, NULL, NULL);
    OK(mqtt_broker_config_set(config, MQTT_TEXT("data_directory"), MQTT_TEXT(scratch("data")), NULL));
    OK(mqtt_broker_config_set(config, MQTT_TEXT("durability"), MQTT_TEXT(durability), NULL));
    OK(mqtt_broker_start(config, &broker, NULL));
    mqtt_broker_config_free(config);
    return broker;
}

static mqtt_client *lasting(mqtt_broker *broker)
{
    mqtt_client_config *config = config_at(broker, TCP, NULL);
    OK(mqtt_client_config_set_client_id(config, MQTT_TEXT("lasting")));
    OK(mqtt_client_config_set(config, MQTT_TEXT("session_expiry_s"), MQTT_TEXT("3600"), NULL));
    OK(mqtt_client_config_set(config, MQTT_TEXT("clean_start"), MQTT_TEXT("never"), NULL));
    OK(mqtt_client_config_set(config, MQTT_TEXT("accept_unknown_session"), MQTT_TEXT("true"), NULL));
    mqtt_client *client = make_client(config, NULL);
    OK(mqtt_client_connect_wait(client, SOON, NULL, NULL));
    return client;
}

static void what_is_queued_outlives_the_broker(void)
{
    mqtt_broker *broker = stored("sync");
    mqtt_client *client = lasting(broker);
    mqtt_subscription wanted = {MQTT_TEXT("kept"), 1};
    OK(mqtt_client_subscribe_wait(client, &wanted, 1, SOON, NULL, NULL));
    OK(mqtt_client_close(client, SOON));
    mqtt_client_free(client);
    mqtt_client *publisher = connected_client(broker, NULL);
    OK(mqtt_client_publish_wait(publisher, MQTT_TEXT("kept"), MQTT_TEXT("still here"), 1, false,
                                NULL, SOON, NULL, NULL));
    mqtt_client_free(publisher);
    mqtt_broker_free(broker);
    broker = stored("250ms");
    client = lasting(broker);
    mqtt_event *event = await_event(client, MQTT_EVENT_TYPE_MESSAGE);
    CHECK(bytes_are(mqtt_message_payload(mqtt_event_message(event)), "still here"));
    mqtt_event_free(event);
    mqtt_client_free(client);
    mqtt_broker_free(broker);
    char command[600];
    snprintf(command, sizeof command, "rm -r '%s'", scratch("data"));
    CHECK(system(command) == 0);
}

int main(void)
{
    RUN(every_transport_carries_messages);
    RUN(wrong_certificates_have_their_statuses);
    RUN(what_does_not_fit_is_refused_and_explained);
    RUN(what_is_queued_outlives_the_broker);
    return REPORT();
}
