// A broker and a client that prove to each other who they are: tls FOLDER. The folder has ca.pem,
// server.pem, server.key, client.pem and client.key.
#include <iostream>
#include <libmqtt.hpp>

int main(int argc, char **argv) try {
  using namespace std::chrono_literals;
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " FOLDER\n";
    return 2;
  }
  std::string folder = argv[1] + std::string("/");

  // The broker demands certificates, and takes users' names from them.
  mqtt::tls server;
  server.set("cert_file", folder + "server.pem").set("key_file", folder + "server.key");
  server.set("ca_file", folder + "ca.pem").set("client_certificates", "required");
  mqtt::listener listener("mqtts://127.0.0.1:0", server);
  listener.set("certificate_user", "common_name");
  mqtt::hooks hooks;
  hooks.connected = [](mqtt::client_info client) {
    std::cout << client.user_name() << " is here: " << client.certificate_subject() << std::endl;
  };
  mqtt::broker broker{mqtt::broker_config().listen(listener).hooks(std::move(hooks))};

  // The client trusts this authority alone.
  mqtt::tls mine;
  mine.set("ca_file", folder + "ca.pem");
  mine.set("cert_file", folder + "client.pem").set("key_file", folder + "client.key");
  mqtt::client client{mqtt::client_config(broker.url()).tls(mine)};
  client.connect_wait(10s);
  client.publish_wait("greetings", "in secret", 1, false, 10s);
  client.close(1s);
  return 0;
} catch (const mqtt::error &error) {
  std::cerr << error.what() << '\n';
  return 1;
}
