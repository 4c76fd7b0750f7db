/* A broker for the examples: prints its port and runs until its input ends. */
#include "abi.h"

int main(void)
{
    uint16_t port = 0;
    mqtt_broker *broker = start_broker(NULL, NULL);
    OK(mqtt_broker_port(broker, 0, &port));
    printf("%u\n", port);
    fflush(stdout);
    while (getchar() != EOF) {
    }
    mqtt_broker_free(broker);
    return abi_bad || REPORT();
}
