/* libmqtt for C, as a driver: CPU per message of the client's own process.
 *
 *   libmqtt pub|sub HOST PORT QOS COUNT SIZE TOPIC
 *
 * Publishing keeps at most 10,000 messages outstanding and ends when every one is written (QoS 0)
 * or acknowledged (QoS 1). A subscriber prints READY once its subscription stands; its time and CPU
 * run from the first message to the last. The last line is JSON.
 *   gcc -O2 libmqtt.c $(pkg-config --cflags --libs libmqtt) -o libmqtt
 */
#include <libmqtt.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OUTSTANDING 10000

static const char *mode, *topic;
static int qos;
static long count;
static size_t size;
static atomic_long seen;
static sem_t done, half;
/* So many must be done before more are published. */
static atomic_long wanted;
static double wall, cpu;

static double seconds(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void start(void)
{
    wall = seconds(CLOCK_MONOTONIC);
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static void report(long messages)
{
    wall = seconds(CLOCK_MONOTONIC) - wall;
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("{\"lib\":\"libmqtt\",\"version\":\"%d.%d.%d\",\"mode\":\"%s\",\"qos\":%d,\"size\":%zu,"
           "\"count\":%ld,\"secs\":%.4f,\"msgs_per_s\":%.1f,\"cpu_us_per_msg\":%.4f}\n",
           MQTT_VERSION_MAJOR, MQTT_VERSION_MINOR, MQTT_VERSION_PATCH, mode, qos, size, messages, wall, (double)messages / wall,
           cpu / (double)messages * 1e6);
    fflush(stdout);
}

static void on_event(void *userdata, const mqtt_event *event)
{
    (void)userdata;
    long number;
    switch (mqtt_event_get_type(event)) {
    case MQTT_EVENT_TYPE_DONE:
        number = ++seen;
        if (number == wanted)
            sem_post(&half);
        if (number == count)
            sem_post(&done);
        break;
    case MQTT_EVENT_TYPE_MESSAGE:
        number = ++seen;
        if (number == 1)
            start();
        if (number == count) {
            report(number - 1);
            sem_post(&done);
        }
        break;
    default:
        break;
    }
}

/* Sleeps until half of what is outstanding is done. */
static void await_half(void)
{
    long target = seen + OUTSTANDING / 2;
    wanted = target;
    /* If it came before it was wanted, nobody tells. */
    if (seen < target)
        sem_wait(&half);
}

static void check(mqtt_status status)
{
    if (status != MQTT_STATUS_OK) {
        mqtt_text name = mqtt_status_name(status);
        fprintf(stderr, "%.*s\n", (int)name.len, name.data);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fprintf(stderr, "usage: %s pub|sub HOST PORT QOS COUNT SIZE TOPIC\n", argv[0]);
        return 2;
    }
    char server[300];
    snprintf(server, sizeof server, "mqtt://%s:%s", argv[2], argv[3]);
    mode = argv[1], qos = atoi(argv[4]), count = atol(argv[5]), size = strtoul(argv[6], NULL, 10);
    topic = argv[7];
    void *payload = malloc(size + 1);
    memset(payload, 'x', size);
    sem_init(&done, 0, 0);
    sem_init(&half, 0, 0);

    mqtt_client_config *config = mqtt_client_config_new();
    check(mqtt_client_config_add_server(config, MQTT_TEXT(server)));
    mqtt_client *client = NULL;
    check(mqtt_client_new(config, NULL, &client, NULL));
    mqtt_client_config_free(config);
    check(mqtt_client_connect_wait(client, 10000, NULL, NULL));
    check(mqtt_client_on_event(client, on_event, NULL, NULL));
    if (strcmp(mode, "pub") == 0) {
        start();
        for (long i = 0; i < count; i++) {
            uint64_t token;
            if (i - seen >= OUTSTANDING)
                await_half();
            check(mqtt_client_publish(client, MQTT_TEXT(topic), payload, size, (uint8_t)qos, false,
                                      NULL, &token));
        }
        sem_wait(&done);
        report(count);
    } else {
        mqtt_subscription wanted = {MQTT_TEXT(topic), (uint8_t)qos};
        check(mqtt_client_subscribe_wait(client, &wanted, 1, 10000, NULL, NULL));
        puts("READY");
        fflush(stdout);
        sem_wait(&done);
    }
    mqtt_client_close(client, 1000);
    mqtt_client_free(client);
    free(payload);
    return 0;
}
