// libmqtt.hpp, each class once.
#include <future>
#include <thread>

#include "abi.h"
#include "libmqtt.hpp"

using namespace std::chrono_literals;

static mqtt::broker *shared_broker;

static std::string server() {
  return "mqtt://127.0.0.1:" + std::to_string(shared_broker->port());
}

template <class Call>
static mqtt_status status_of(Call call) {
  try {
    call();
  } catch (const mqtt::error &error) {
    return error.status();
  }
  return MQTT_STATUS_OK;
}

static void a_client_publishes_and_receives() {
  mqtt::client client{mqtt::client_config(server()).client_id("face").set("clean_start", "always")};
  mqtt::event connected = client.connect_wait(20s);
  CHECK((*connected).text() == "face");
  CHECK((*connected).limit(MQTT_LIMIT_PROTOCOL_LEVEL) == 5u);
  CHECK(client.subscribe_wait({{"face/+", 2}, {"other", 0}}, 20s).size() == 2);
  mqtt::properties properties;
  properties.add(MQTT_PROPERTY_CONTENT_TYPE, "text/plain")
      .add(MQTT_PROPERTY_MESSAGE_EXPIRY_INTERVAL, 60)
      .add_user("a", "b");
  CHECK(client.publish_wait("face/1", "hello", 2, false, 20s, properties) == 0);
  auto event = client.next_event(20s);
  CHECK(event && (**event).type() == MQTT_EVENT_TYPE_MESSAGE);
  mqtt::message kept((**event).message());
  event.reset();
  mqtt::message copy = kept;
  CHECK(copy.topic() == "face/1" && copy.payload() == "hello");
  mqtt::properties_view got = (*copy).properties();
  CHECK(got.bytes(MQTT_PROPERTY_CONTENT_TYPE) == "text/plain");
  CHECK(got.number(MQTT_PROPERTY_MESSAGE_EXPIRY_INTERVAL).value_or(0) > 0);
  CHECK(!got.number(MQTT_PROPERTY_SUBSCRIPTION_IDENTIFIER));
  CHECK(got.users().size() == 1 && got.users()[0].second == "b");
  CHECK(client.unsubscribe_wait({"face/+"}, 20s).size() == 1);
  client.close(20s);
  while (client.next_event(20s)) {}
  CHECK(status_of([&] { client.connect(); }) == MQTT_STATUS_CLOSED);
}

static void errors_are_thrown_with_their_words() {
  CHECK(status_of([] { mqtt::broker_config().load("/nowhere/broker.conf"); }) ==
        MQTT_STATUS_FILE_UNREADABLE);
  CHECK(status_of([] { mqtt::client_config().set("nothing", "1"); }) == MQTT_STATUS_NOT_FOUND);
  CHECK(status_of([] { mqtt::client{mqtt::client_config("http://x")}; }) == MQTT_STATUS_BAD_ARGUMENT);
  mqtt::client client{mqtt::client_config(server())};
  CHECK(status_of([&] { client.publish("a/+", ""); }) == MQTT_STATUS_BAD_TOPIC);
  CHECK(status_of([&] { client.ping(); }) == MQTT_STATUS_NOT_CONNECTED);
  CHECK(mqtt::message_of(MQTT_STATUS_TIMED_OUT) == "deadline has passed");
  CHECK(mqtt::name_of(MQTT_REASON_BANNED) == "Banned");
}

static void callbacks_own_what_they_capture() {
  auto captured = std::make_shared<int>(0);
  std::promise<void> heard;
  {
    mqtt::loop loop = mqtt::loop::start();
    mqtt::client client(mqtt::client_config(server()), loop);
    client.on_event([&heard, captured](mqtt::event_view event) {
      if (event.type() == MQTT_EVENT_TYPE_MESSAGE && ++*captured == 1) heard.set_value();
    });
    client.connect();
    client.subscribe({{"captured", 1}});
    client.send("captured", "x", 1);
    heard.get_future().wait();
  }
  CHECK(*captured == 1);
  while (captured.use_count() > 1) std::this_thread::yield();
}

static void requests_are_answered() {
  mqtt::client server_client{mqtt::client_config(server())}, client{mqtt::client_config(server())};
  server_client.on_event([&](mqtt::event_view event) {
    if (event.type() == MQTT_EVENT_TYPE_MESSAGE)
      server_client.respond(event.message(), "to " + std::string(event.message().payload()));
  });
  server_client.connect_wait(20s);
  server_client.subscribe_wait({{"service", 1}}, 20s);
  client.connect_wait(20s);
  CHECK(client.request_wait("service", "you", 20s, 1).payload() == "to you");
}

static void hooks_decide() {
  mqtt::hooks hooks;
  hooks.authenticate = [](mqtt::question question) -> std::int32_t {
    if (question.client().user_name() != "late") return MQTT_REASON_BANNED;
    std::thread([answer = question.keep()]() mutable { answer.give(MQTT_VERDICT_ALLOW); }).detach();
    return MQTT_VERDICT_LATER;
  };
  auto seen = std::make_shared<std::promise<std::string>>();
  hooks.published = [seen](mqtt::client_info client, mqtt::message_view message) {
    if (client) seen->set_value(client.peer() + std::string(message.topic()));
  };
  mqtt::broker broker{mqtt::broker_config().hooks(std::move(hooks)).set("sys_interval_ms", "0")};
  mqtt::client client = broker.client(mqtt::client_config().credentials("late", "x"));
  client.connect_wait(20s);
  client.send("seen", "");
  CHECK(seen->get_future().get() == "seen");
  mqtt::client stranger = broker.client(mqtt::client_config());
  CHECK(status_of([&] { stranger.connect_wait(20s); }) == MQTT_STATUS_REFUSED);
  CHECK(broker.stat(MQTT_STAT_CONNECTIONS) == 1);
  broker.stop(1s);
  CHECK(!broker.is_running());
}

static void an_engine_needs_no_socket() {
  mqtt::engine engine(mqtt::client_config("x").client_id("me").version(MQTT_V311), 1);
  engine.connect(0);
  auto event = engine.next_event();
  CHECK(event && (**event).type() == MQTT_EVENT_TYPE_DIAL);
  engine.handle_open(0);
  CHECK(engine.outgoing().substr(4, 4) == "MQTT");
  engine.handle_sent(0, engine.outgoing().size());
  engine.handle_data(0, mqtt::string_view("\x20\x02\x00\x00", 4));
  CHECK(engine.is_connected() && engine.wants_data());
  CHECK(engine.timeout() != UINT64_MAX);
  engine.disconnect(1);
  CHECK(engine.outgoing() == mqtt::string_view("\xE0\x00", 2));
  CHECK(mqtt::matches("a/#", "a/b/c") && !mqtt::matches("a/+", "a/b/c"));
}

int main() {
  mqtt::broker broker{mqtt::broker_config().listen("127.0.0.1", 0)};
  shared_broker = &broker;
  RUN(a_client_publishes_and_receives);
  RUN(errors_are_thrown_with_their_words);
  RUN(callbacks_own_what_they_capture);
  RUN(requests_are_answered);
  RUN(hooks_decide);
  RUN(an_engine_needs_no_socket);
  return REPORT();
}
