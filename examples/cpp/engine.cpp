// The bare engine over a socket of the program's own: engine PORT
#include <arpa/inet.h>
#include <iostream>
#include <libmqtt.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static std::uint64_t now() {
  auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::uint64_t(std::chrono::nanoseconds(time).count());
}

static int dial(unsigned long port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(std::uint16_t(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  return connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0 ? fd : -1;
}

int main(int argc, char **argv) try {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " PORT\n";
    return 2;
  }
  mqtt::engine engine(mqtt::client_config("the one and only").version(MQTT_V311), now());
  engine.connect(now());
  int fd = -1;
  bool done = false, heard = false;
  while (!done) {
    while (auto next = engine.next_event()) {
      mqtt::event_view event = *next;
      switch (event.type()) {
        case MQTT_EVENT_TYPE_DIAL:
          fd = dial(std::stoul(argv[1]));
          if (fd >= 0) engine.handle_open(now());
          else engine.handle_closed(now(), true);
          break;
        case MQTT_EVENT_TYPE_CONNECTED:
          engine.subscribe(now(), {{"engine", 0}});
          engine.publish(now(), "engine", "bare metal");
          break;
        case MQTT_EVENT_TYPE_MESSAGE:
          std::cout << event.message().payload() << std::endl;
          heard = true;
          engine.disconnect(now());
          break;
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
    }
    if (fd < 0) continue;
    if (mqtt::string_view out = engine.outgoing(); !out.empty()) {
      ssize_t sent = send(fd, out.data(), out.size(), MSG_NOSIGNAL);
      if (sent < 0) engine.handle_closed(now(), true);
      else engine.handle_sent(now(), std::size_t(sent));
      continue;
    }
    std::uint64_t due = engine.timeout(), time = now();
    std::uint64_t left_ms = due <= time ? 0 : (due - time) / 1000000 + 1;
    pollfd ready{fd, POLLIN, 0};
    if (poll(&ready, 1, left_ms > 1000 ? 1000 : int(left_ms)) > 0) {
      char buffer[4096];
      ssize_t got = recv(fd, buffer, sizeof buffer, 0);
      if (got > 0) engine.handle_data(now(), {buffer, std::size_t(got)});
      else engine.handle_closed(now(), got < 0);
    }
    engine.handle_timeout(now());
  }
  return heard ? 0 : 1;
} catch (const mqtt::error &error) {
  std::cerr << error.what() << '\n';
  return 1;
}
