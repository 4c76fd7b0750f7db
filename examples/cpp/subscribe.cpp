// Prints COUNT messages that match a filter: subscribe SERVER FILTER COUNT
#include <cstdlib>
#include <future>
#include <iostream>
#include <libmqtt.hpp>

int main(int argc, char **argv) try {
  using namespace std::chrono_literals;
  if (argc != 4) {
    std::cerr << "usage: " << argv[0] << " SERVER FILTER COUNT\n";
    return 2;
  }
  std::promise<void> all;
  long left = std::atol(argv[3]);
  // The client comes back by itself, and subscribes again if the server forgot.
  mqtt::client client{mqtt::client_config(argv[1]).set("reconnect_cap_ms", "5000")};
  client.on_event([&](mqtt::event_view event) {
    if (event.type() != MQTT_EVENT_TYPE_MESSAGE || left == 0) return;
    std::cout << event.message().topic() << ' ' << event.message().payload() << std::endl;
    if (--left == 0) all.set_value();
  });
  client.connect_wait(10s);
  client.subscribe_wait({{argv[2], 1}}, 10s);
  std::cout << "subscribed" << std::endl;
  all.get_future().wait();
  client.close(1s);
  return 0;
} catch (const mqtt::error &error) {
  std::cerr << error.what() << '\n';
  return 1;
}
