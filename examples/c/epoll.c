/* A client in an event loop of the program's own: epoll SERVER
 *
 * The loop's descriptor is readable when there is something to do, and the timeout is that of
 * epoll_wait, so poll, libuv and GLib take it the same way. All callbacks come on this thread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <libmqtt.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

struct app {
    mqtt_client *client;
    int result;
    bool done;
};

static void on_event(void *userdata, const mqtt_event *event)
{
    struct app *app = userdata;
    mqtt_text text = mqtt_event_text(event);
    mqtt_bytes payload;
    switch (mqtt_event_get_type(event)) {
    case MQTT_EVENT_TYPE_CONNECTED: {
        mqtt_subscription wanted = {MQTT_TEXT("loop/#"), 1};
        mqtt_client_subscribe(app->client, &wanted, 1, NULL, NULL);
        mqtt_client_publish(app->client, MQTT_TEXT("loop/mine"), MQTT_TEXT("round and round"), 1,
                            false, NULL, NULL);
        break;
    }
    case MQTT_EVENT_TYPE_MESSAGE:
        payload = mqtt_message_payload(mqtt_event_message(event));
        printf("%.*s\n", (int)payload.len, (const char *)payload.data);
        app->result = 0;
        mqtt_client_disconnect(app->client, MQTT_REASON_SUCCESS, NULL, 1000);
        break;
    case MQTT_EVENT_TYPE_DISCONNECTED:
        printf("disconnected: %.*s\n", (int)text.len, text.data);
        app->done = mqtt_event_retry_in_ms(event) < 0;
        break;
    default:
        break;
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s SERVER\n", argv[0]);
        return 2;
    }
    struct app app = {NULL, 1, false};
    mqtt_loop *loop = NULL;
    mqtt_error *error = NULL;
    mqtt_client_config *config = mqtt_client_config_new();
    mqtt_client_config_add_server(config, MQTT_TEXT(argv[1]));
    if (mqtt_loop_new(&loop, &error) != MQTT_STATUS_OK ||
        mqtt_client_new(config, loop, &app.client, &error) != MQTT_STATUS_OK ||
        mqtt_client_on_event(app.client, on_event, &app, NULL) != MQTT_STATUS_OK ||
        mqtt_client_connect(app.client, &error) != MQTT_STATUS_OK) {
        mqtt_text why = mqtt_error_message(error);
        fprintf(stderr, "%.*s\n", (int)why.len, why.data);
        return 1;
    }
    mqtt_client_config_free(config);

    int fd = -1;
    mqtt_loop_fd(loop, &fd);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted);
    while (!app.done) {
        struct epoll_event ready;
        if (epoll_wait(epoll, &ready, 1, mqtt_loop_timeout_ms(loop)) < 0 && errno != EINTR)
            break;
        if (mqtt_loop_process(loop, 0) != MQTT_STATUS_OK)
            break;
    }
    close(epoll);
    mqtt_client_free(app.client);
    mqtt_loop_free(loop);
    return app.result;
}
