/* Anything may be freed at any time, from any thread, also in callbacks. */
#define _GNU_SOURCE
#include "abi.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static mqtt_broker *broker;

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static atomic_int freed;

static void count_freed(void *userdata)
{
    (void)userdata;
    freed++;
}

static void await_freed(int wanted)
{
    double end = seconds() + SOON / 1000;
    while (freed < wanted && seconds() < end)
        sched_yield();
    CHECK(freed == wanted);
}

/* A port that accepts connections and never says a word. */
static int silent_port(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 100) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void during_connect(void)
{
    uint16_t port = 0;
    int silent = silent_port(&port);
    char server[64];
    snprintf(server, sizeof server, "127.0.0.1:%u", port);
    const char *servers[] = {server, "localhost:1", "no-such-name.invalid"};
    double start = seconds();
    for (int i = 0; i < 30; i++) {
        mqtt_client_config *config = mqtt_client_config_new();
        OK(mqtt_client_config_add_server(config, MQTT_TEXT(servers[i % 3])));
        mqtt_client *client = make_client(config, NULL);
        OK(mqtt_client_connect(client, NULL));
        mqtt_client_free(client);
    }
    CHECK(seconds() - start < 15);
    close(silent);
}

static void *wait_for_connection(void *client)
{
    mqtt_status status = mqtt_client_connect_wait(client, MQTT_FOREVER, NULL, NULL);
    CHECK(status == MQTT_STATUS_CLOSED || status == MQTT_STATUS_ABANDONED);
    return NULL;
}

static void *wait_for_event(void *client)
{
    mqtt_event *event = NULL;
    while (mqtt_client_next_event(client, MQTT_FOREVER, &event) == MQTT_STATUS_OK)
        mqtt_event_free(event);
    return NULL;
}

static void while_threads_wait(void)
{
    uint16_t port = 0;
    int silent = silent_port(&port);
    char server[64];
    snprintf(server, sizeof server, "127.0.0.1:%u", port);
    for (int i = 0; i < 20; i++) {
        pthread_t threads[2];
        mqtt_client_config *config = mqtt_client_config_new();
        OK(mqtt_client_config_add_server(config, MQTT_TEXT(server)));
        mqtt_client *client = make_client(config, NULL);
        pthread_create(&threads[0], NULL, wait_for_connection, client);
        pthread_create(&threads[1], NULL, wait_for_event, client);
        if (i % 2)
            sched_yield();
        mqtt_client_free(client);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
    }
    close(silent);
}

static atomic_int published;

static void *publish_until_closed(void *client)
{
    mqtt_status status;
    do {
        status = mqtt_client_publish(client, MQTT_TEXT("destroy"), MQTT_TEXT("payload"), 1, false,
                                     NULL, NULL);
        published++;
    } while (status == MQTT_STATUS_OK || status == MQTT_STATUS_QUEUE_FULL);
    IS(MQTT_STATUS_CLOSED, status);
    return NULL;
}

static void during_publish_from_8_threads(void)
{
    for (int round = 0; round < 5; round++) {
        pthread_t threads[8];
        published = 0;
        mqtt_client *client = connected_client(broker, NULL);
        for (int i = 0; i < 8; i++)
            pthread_create(&threads[i], NULL, publish_until_closed, client);
        while (published < 2000)
            sched_yield();
        mqtt_client_free(client);
        for (int i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
    }
}

/* Frees the client at the first event of a kind; later ones must not come. */
struct killer {
    mqtt_client *client;
    mqtt_loop *loop;
    mqtt_event_type at;
    atomic_int hits;
    atomic_int after;
};

static void kill_at(void *userdata, const mqtt_event *event)
{
    struct killer *killer = userdata;
    mqtt_subscription wanted = {MQTT_TEXT("kill"), 1};
    if (killer->hits > 0)
        killer->after++;
    if (mqtt_event_get_type(event) == MQTT_EVENT_TYPE_CONNECTED) {
        mqtt_client_subscribe(killer->client, &wanted, 1, NULL, NULL);
        mqtt_client_publish(killer->client, MQTT_TEXT("kill"), NULL, 0, 1, false, NULL, NULL);
        if (killer->at == MQTT_EVENT_TYPE_DISCONNECTED)
            mqtt_client_disconnect(killer->client, 0, NULL, 0);
    }
    if (mqtt_event_get_type(event) == killer->at && killer->hits == 0) {
        killer->hits++;
        mqtt_loop_free(killer->loop);
        mqtt_client_free(killer->client);
        mqtt_client_free(killer->client);
        /* The event is ours until we return. */
        CHECK(mqtt_event_get_type(event) == killer->at);
    }
}

static void kill_in_callback(mqtt_event_type at, bool within, bool own_thread)
{
    struct killer killer = {NULL, NULL, at, 0, 0};
    freed = 0;
    if (own_thread)
        OK(mqtt_loop_new(&killer.loop, NULL));
    else
        OK(mqtt_loop_start(NULL, NULL, NULL, &killer.loop, NULL));
    mqtt_client_config *config = config_for(broker);
    if (within) {
        OK(mqtt_broker_client(broker, config, &killer.client, NULL));
        mqtt_client_config_free(config);
    } else {
        killer.client = make_client(config, killer.loop);
    }
    OK(mqtt_client_on_event(killer.client, kill_at, &killer, count_freed));
    OK(mqtt_client_connect(killer.client, NULL));
    double end = seconds() + SOON / 1000;
    while (own_thread && !within && killer.hits == 0 && seconds() < end)
        mqtt_loop_process(killer.loop, 1000);
    await_freed(1);
    CHECK(killer.hits == 1 && killer.after == 0);
    mqtt_loop_free(killer.loop);
}

static void inside_every_callback(void)
{
    static const mqtt_event_type kinds[] = {
        MQTT_EVENT_TYPE_CONNECTED,
        MQTT_EVENT_TYPE_MESSAGE,
        MQTT_EVENT_TYPE_DONE,
        MQTT_EVENT_TYPE_DISCONNECTED,
    };
    for (size_t i = 0; i < 4; i++) {
        kill_in_callback(kinds[i], false, false);
        kill_in_callback(kinds[i], true, false);
        kill_in_callback(kinds[i], false, true);
    }
}

static void free_from_ready(void *userdata)
{
    mqtt_client_free(*(mqtt_client **)userdata);
}

static void inside_the_callback_for_readiness(void)
{
    freed = 0;
    mqtt_client *client = make_client(config_for(broker), NULL);
    OK(mqtt_client_on_ready(client, free_from_ready, &client, count_freed));
    OK(mqtt_client_connect(client, NULL));
    await_freed(1);
    IS(MQTT_STATUS_CLOSED, mqtt_client_connect(client, NULL));
}

static void on_event_slow(void *userdata, const mqtt_event *event)
{
    (void)event;
    atomic_int *stage = userdata;
    int idle = 0;
    if (atomic_compare_exchange_strong(stage, &idle, 1)) {
        double end = seconds() + 0.2;
        while (seconds() < end)
            sched_yield();
        *stage = 2;
    }
}

static void free_waits_for_a_callback_of_another_thread(void)
{
    atomic_int stage = 0;
    mqtt_client *client = make_client(config_for(broker), NULL);
    OK(mqtt_client_on_event(client, on_event_slow, &stage, NULL));
    OK(mqtt_client_connect(client, NULL));
    while (stage == 0)
        sched_yield();
    mqtt_client_free(client);
    CHECK(stage == 2);
}

static mqtt_broker *doomed;

static void doom(void *userdata, const mqtt_client_info *client)
{
    (void)userdata;
    (void)client;
    mqtt_broker_stop(doomed, 0);
    mqtt_broker_free(doomed);
}

static void a_broker_inside_its_own_hook(void)
{
    freed = 0;
    mqtt_hooks hooks = {0};
    hooks.size = sizeof hooks;
    hooks.connected = doom;
    mqtt_broker_config *setup = mqtt_broker_config_new();
    OK(mqtt_broker_config_listen(setup, MQTT_TEXT("127.0.0.1"), 0));
    OK(mqtt_broker_config_set_hooks(setup, &hooks, NULL, count_freed));
    OK(mqtt_broker_start(setup, &doomed, NULL));
    mqtt_broker_config_free(setup);
    mqtt_client *client = make_client(config_for(doomed), NULL);
    OK(mqtt_client_connect(client, NULL));
    await_freed(1);
    CHECK(!mqtt_broker_is_running(doomed));
    mqtt_client_free(client);
}

static void a_broker_under_its_clients(void)
{
    mqtt_broker *under = start_broker(NULL, NULL);
    mqtt_client *near = NULL, *far = connected_client(under, NULL);
    mqtt_client_config *config = mqtt_client_config_new();
    OK(mqtt_broker_client(under, config, &near, NULL));
    mqtt_client_config_free(config);
    OK(mqtt_client_connect_wait(near, SOON, NULL, NULL));
    mqtt_broker_free(under);
    mqtt_event_free(await_event(far, MQTT_EVENT_TYPE_DISCONNECTED));
    mqtt_client_free(far);
    mqtt_client_free(near);
}

static int entries(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    while (directory && readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static long resident_pages(void)
{
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%ld %ld", &size, &resident) == 2);
    fclose(file);
    return resident;
}

static void cycles(int count)
{
    mqtt_subscription wanted = {MQTT_TEXT("cycle/#"), 1};
    for (int i = 0; i < count; i++) {
        mqtt_client *client = connected_client(broker, NULL);
        OK(mqtt_client_subscribe_wait(client, &wanted, 1, SOON, NULL, NULL));
        OK(mqtt_client_publish(client, MQTT_TEXT("cycle/1"), MQTT_TEXT("x"), 1, false, NULL, NULL));
        mqtt_client_free(client);
    }
}

static void a_thousand_cycles_leave_nothing_behind(void)
{
    cycles(100);
    int threads = entries("/proc/self/task"), descriptors = entries("/proc/self/fd");
    long pages = resident_pages();
    cycles(1000);
    /* The broker may not have heard the last goodbye yet. */
    double end = seconds() + SOON / 1000;
    while ((entries("/proc/self/task") > threads || entries("/proc/self/fd") > descriptors) &&
           seconds() < end)
        sched_yield();
    CHECK(entries("/proc/self/task") <= threads);
    CHECK(entries("/proc/self/fd") <= descriptors);
    printf("  1000 cycles: %ld KiB more\n", (resident_pages() - pages) * 4);
#ifndef ABI_SANITIZED /* which keeps what was freed */
    CHECK(resident_pages() - pages < 512);
#endif
}

int main(void)
{
    broker = start_broker(NULL, NULL);
    RUN(during_connect);
    RUN(while_threads_wait);
    RUN(during_publish_from_8_threads);
    RUN(inside_every_callback);
    RUN(inside_the_callback_for_readiness);
    RUN(free_waits_for_a_callback_of_another_thread);
    RUN(a_broker_inside_its_own_hook);
    RUN(a_broker_under_its_clients);
    RUN(a_thousand_cycles_leave_nothing_behind);
    mqtt_broker_free(broker);
    return REPORT();
}
