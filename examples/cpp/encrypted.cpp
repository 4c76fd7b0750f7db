// Payloads that the broker cannot read, encrypted from end to end with libsodium's
// XChaCha20-Poly1305: encrypted SERVER
#include <iostream>
#include <libmqtt.hpp>
#include <sodium.h>

namespace {

constexpr std::size_t nonce_len = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t tag_len = crypto_aead_xchacha20poly1305_ietf_ABYTES;

unsigned char *raw(std::string &bytes) { return reinterpret_cast<unsigned char *>(bytes.data()); }
const unsigned char *raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char *>(bytes.data());
}

// Encrypts for this topic: moved to another one, it is refused.
std::string seal(std::string_view key, std::string_view topic, std::string_view text) {
  std::string sealed(nonce_len + text.size() + tag_len, '\0');
  randombytes_buf(sealed.data(), nonce_len);
  crypto_aead_xchacha20poly1305_ietf_encrypt(raw(sealed) + nonce_len, nullptr, raw(text),
                                             text.size(), raw(topic), topic.size(), nullptr,
                                             raw(sealed), raw(key));
  return sealed;
}

// Decrypts; nothing if it was not sealed with this key, for this topic.
std::optional<std::string> unseal(std::string_view key, mqtt::message_view message) {
  std::string_view sealed = message.payload(), topic = message.topic();
  if (sealed.size() < nonce_len + tag_len) return {};
  std::string text(sealed.size() - nonce_len - tag_len, '\0');
  int bad = crypto_aead_xchacha20poly1305_ietf_decrypt(
      raw(text), nullptr, nullptr, raw(sealed) + nonce_len, sealed.size() - nonce_len, raw(topic),
      topic.size(), raw(sealed), raw(key));
  if (bad) return {};
  return text;
}

}  // namespace

int main(int argc, char **argv) try {
  using namespace std::chrono_literals;
  if (argc != 2 || sodium_init() < 0) {
    std::cerr << "usage: " << argv[0] << " SERVER\n";
    return 2;
  }
  // Both ends have it; how it comes there is not MQTT's affair.
  std::string key(crypto_aead_xchacha20poly1305_ietf_KEYBYTES, '\0');
  crypto_aead_xchacha20poly1305_ietf_keygen(raw(key));

  mqtt::client client{mqtt::client_config(argv[1])};
  client.connect_wait(10s);
  client.subscribe_wait({{"sealed/#", 1}}, 10s);
  auto receive = [&]() -> std::optional<std::string> {
    while (auto event = client.next_event(10s)) {
      mqtt::event_view view = *event;
      if (view.type() == MQTT_EVENT_TYPE_MESSAGE) return unseal(key, view.message());
    }
    return {};
  };

  std::string sealed = seal(key, "sealed/door", "open");
  client.publish_wait("sealed/door", sealed, 1, false, 10s);
  auto opened = receive();
  std::cout << "the broker saw " << sealed.size() << " bytes; they say '"
            << opened.value_or("nothing") << "'\n";
  client.publish_wait("sealed/gate", sealed, 1, false, 10s);
  auto fooled = receive();
  std::cout << "replayed to another topic, it is " << (fooled ? "taken" : "refused") << '\n';
  client.close(1s);
  return opened && !fooled ? 0 : 1;
} catch (const mqtt::error &error) {
  std::cerr << error.what() << '\n';
  return 1;
}
