/* The bare engine over a socket of the program's own: engine PORT
 *
 * The engine has no socket, thread or clock; on a microcontroller the five calls around it would
 * be those of a modem.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <libmqtt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int dial(unsigned long port)
{
    struct sockaddr_in address = {0};
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        return 2;
    }
    int fd = -1, result = 1;
    bool done = false;
    mqtt_engine *engine = NULL;
    mqtt_client_config *config = mqtt_client_config_new();
    mqtt_client_config_add_server(config, MQTT_TEXT("the one and only"));
    mqtt_client_config_set_version(config, MQTT_V311);
    mqtt_engine_new(config, now(), &engine, NULL);
    mqtt_client_config_free(config);
    mqtt_engine_connect(engine, now(), NULL);

    while (!done) {
        mqtt_event *event;
        while ((event = mqtt_engine_next_event(engine)) != NULL) {
            mqtt_subscription wanted = {MQTT_TEXT("engine"), 0};
            switch (mqtt_event_get_type(event)) {
            case MQTT_EVENT_TYPE_DIAL:
                fd = dial(strtoul(argv[1], NULL, 10));
                if (fd >= 0)
                    mqtt_engine_handle_open(engine, now());
                else
                    mqtt_engine_handle_closed(engine, now(), true);
                break;
            case MQTT_EVENT_TYPE_CONNECTED:
                mqtt_engine_subscribe(engine, now(), &wanted, 1, NULL, NULL);
                mqtt_engine_publish(engine, now(), MQTT_TEXT("engine"), MQTT_TEXT("bare metal"), 0,
                                    false, NULL, NULL);
                break;
            case MQTT_EVENT_TYPE_MESSAGE: {
                mqtt_bytes payload = mqtt_message_payload(mqtt_event_message(event));
                printf("%.*s\n", (int)payload.len, (const char *)payload.data);
                result = 0;
                mqtt_engine_disconnect(engine, now(), MQTT_REASON_SUCCESS, NULL, 0);
                break;
            }
            case MQTT_EVENT_TYPE_CLOSE:
                close(fd);
                fd = -1;
                break;
            case MQTT_EVENT_TYPE_DISCONNECTED:
                done = true;
                break;
            default:
                break;
            }
            mqtt_event_free(event);
        }
        mqtt_bytes out = mqtt_engine_outgoing(engine);
        if (fd >= 0 && out.len > 0) {
            ssize_t sent = send(fd, out.data, out.len, MSG_NOSIGNAL);
            if (sent < 0)
                mqtt_engine_handle_closed(engine, now(), true);
            else
                mqtt_engine_handle_sent(engine, now(), (size_t)sent);
            continue;
        }
        if (done || fd < 0)
            continue;
        uint64_t due = mqtt_engine_timeout(engine), time = now();
        uint64_t left_ms = due <= time ? 0 : (due - time) / 1000000u + 1;
        int patience = left_ms > 1000 ? 1000 : (int)left_ms;
        struct pollfd ready = {fd, POLLIN, 0};
        if (poll(&ready, 1, patience) > 0) {
            char buffer[4096];
            ssize_t got = recv(fd, buffer, sizeof buffer, 0);
            if (got > 0)
                mqtt_engine_handle_data(engine, now(), buffer, (size_t)got);
            else
                mqtt_engine_handle_closed(engine, now(), got < 0);
        }
        mqtt_engine_handle_timeout(engine, now());
    }
    mqtt_engine_free(engine);
    return result;
}
