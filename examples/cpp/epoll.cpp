// A client in an event loop of the program's own: epoll SERVER
#include <iostream>
#include <libmqtt.hpp>
#include <sys/epoll.h>
#include <unistd.h>

int main(int argc, char **argv) try {
  using namespace std::chrono_literals;
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " SERVER\n";
    return 2;
  }
  bool done = false, heard = false;
  mqtt::loop loop = mqtt::loop::own();
  mqtt::client client(mqtt::client_config(argv[1]), loop);
  client.on_event([&](mqtt::event_view event) {  // on this thread, inside loop.process()
    switch (event.type()) {
      case MQTT_EVENT_TYPE_CONNECTED:
        client.subscribe({{"loop/#", 1}});
        client.send("loop/mine", "round and round", 1);
        break;
      case MQTT_EVENT_TYPE_MESSAGE:
        std::cout << event.message().payload() << std::endl;
        heard = true;
        client.disconnect(MQTT_REASON_SUCCESS, 1s);
        break;
      case MQTT_EVENT_TYPE_DISCONNECTED:
        std::cout << "disconnected: " << event.text() << std::endl;
        done = !event.retry_in();
        break;
      default:
        break;
    }
  });
  client.connect();

  int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  epoll_ctl(epoll, EPOLL_CTL_ADD, loop.fd(), &wanted);
  while (!done) {
    epoll_event ready;
    epoll_wait(epoll, &ready, 1, loop.timeout_ms());
    loop.process();
  }
  close(epoll);
  return heard ? 0 : 1;
} catch (const mqtt::error &error) {
  std::cerr << error.what() << '\n';
  return 1;
}
