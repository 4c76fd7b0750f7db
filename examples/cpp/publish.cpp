// Publishes a message and waits until the server has it: publish SERVER TOPIC TEXT
#include <iostream>
#include <libmqtt.hpp>

int main(int argc, char **argv) try {
  using namespace std::chrono_literals;
  if (argc != 4) {
    std::cerr << "usage: " << argv[0] << " SERVER TOPIC TEXT\n";
    return 2;
  }
  mqtt::client client{mqtt::client_config(argv[1])};
  client.connect_wait(10s);
  mqtt::properties properties;
  properties.add(MQTT_PROPERTY_CONTENT_TYPE, "text/plain").add_user("from", "C++");
  client.publish_wait(argv[2], argv[3], 1, false, 10s, properties);
  client.close(1s);
  return 0;
} catch (const mqtt::error &error) {
  std::cerr << error.what() << '\n';
  return 1;
}
