// A broker in this program: it asks who connects, answers late, and talks to its own client.
#include <iostream>
#include <libmqtt.hpp>
#include <thread>

int main() try {
  using namespace std::chrono_literals;
  mqtt::hooks hooks;
  hooks.authenticate = [](mqtt::question question) -> std::int32_t {
    if (question.password() != "sesame") return MQTT_REASON_BAD_USER_NAME_OR_PASSWORD;
    // Where looking a password up takes time, another thread does it: hooks must not wait.
    std::thread([answer = question.keep()]() mutable { answer.give(MQTT_VERDICT_ALLOW); }).detach();
    return MQTT_VERDICT_LATER;
  };
  hooks.authorise_publish = [](mqtt::question question) -> std::int32_t {
    bool secret = mqtt::matches("secret/#", question.message().topic());
    return secret ? MQTT_REASON_NOT_AUTHORIZED : MQTT_VERDICT_ALLOW;
  };
  hooks.connected = [](mqtt::client_info client) {
    std::cout << client.client_id() << " is here" << std::endl;
  };
  mqtt::broker broker{mqtt::broker_config()
                          .listen("127.0.0.1", 0)
                          .set("queue_messages_max", "1000")
                          .hooks(std::move(hooks))};
  std::cout << "listening on 127.0.0.1:" << broker.port() << std::endl;

  // A client within the process needs no socket, but the hooks ask it all the same.
  mqtt::client client =
      broker.client(mqtt::client_config().client_id("local").credentials("ali", "sesame"));
  client.connect_wait(10s);
  client.subscribe_wait({{"#", 1}}, 10s);
  bool refused = false;
  try {
    client.publish_wait("secret/door", "?", 1, false, 10s);
  } catch (const mqtt::error &error) {
    refused = error.reason() == MQTT_REASON_NOT_AUTHORIZED;
    std::cout << "secret: " << error.what() << std::endl;
  }
  broker.publish("news", "the broker speaks", 1);
  auto event = client.next_event(10s);
  if (!event) return 1;
  std::cout << (**event).message().payload() << std::endl;
  std::cout << broker.stat(MQTT_STAT_CONNECTIONS) << " client" << std::endl;
  return refused ? 0 : 1;
} catch (const mqtt::error &error) {
  std::cerr << error.what() << '\n';
  return 1;
}
