// libmqtt for C++17: libmqtt.h with owners, std::string_view, std::function and exceptions.
//
// - What owns something is movable and frees it; what ends in `_view` borrows, as long as the
//   comment in libmqtt.h says.
// - A call that fails throws mqtt::error, which has the status, the Reason Code of the peer and
//   words. Inside callbacks an exception must be caught: one that leaves ends the program.
// - Times are std::chrono::milliseconds. Every handle may be used from any thread.
#ifndef LIBMQTT_HPP
#define LIBMQTT_HPP

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libmqtt.h"

namespace mqtt {

using std::string_view;
using milliseconds = std::chrono::milliseconds;

inline string_view view(mqtt_text text) { return {text.data, text.len}; }
inline string_view view(mqtt_bytes bytes) {
  return {reinterpret_cast<const char *>(bytes.data), bytes.len};
}
inline string_view message_of(mqtt_status status) { return view(mqtt_status_message(status)); }
inline string_view name_of(mqtt_reason reason) { return view(mqtt_reason_name(reason)); }

/// Why a call failed.
class error : public std::runtime_error {
 public:
  error(mqtt_status status, std::uint8_t reason, const std::string &what)
      : std::runtime_error(what), status_(status), reason_(reason) {}
  mqtt_status status() const noexcept { return status_; }
  /// The Reason Code that the peer gave; 0: none.
  std::uint8_t reason() const noexcept { return reason_; }

 private:
  mqtt_status status_;
  std::uint8_t reason_;
};

namespace detail {

template <auto Free>
struct deleter {
  template <class T>
  void operator()(T *thing) const noexcept {
    Free(thing);
  }
};

template <class T, auto Free>
using owner = std::unique_ptr<T, deleter<Free>>;

using error_owner = owner<mqtt_error, mqtt_error_free>;

inline void check(mqtt_status status) {
  if (status != MQTT_STATUS_OK) throw error(status, 0, std::string(message_of(status)));
}

/// Calls `call(mqtt_error **)` and throws what it explains.
template <class Call>
void explained(Call call) {
  mqtt_error *raw = nullptr;
  mqtt_status status = call(&raw);
  error_owner why(raw);
  if (status == MQTT_STATUS_OK) return;
  if (!why) check(status);
  throw error(status, mqtt_error_reason(raw), std::string(view(mqtt_error_message(raw))));
}

inline std::uint32_t ms(milliseconds time) {
  if (time.count() <= 0) return 0;
  auto most = milliseconds::rep{MQTT_FOREVER - 1};
  return time == milliseconds::max() ? MQTT_FOREVER
                                     : std::uint32_t(time.count() < most ? time.count() : most);
}

template <class T>
void destroy(void *userdata) {
  delete static_cast<T *>(userdata);
}

}  // namespace detail

/// For ever, as a time to wait.
inline constexpr milliseconds forever = milliseconds::max();

/// Properties that belong to somebody else; perhaps none at all.
class properties_view {
 public:
  properties_view(const mqtt_properties *raw = nullptr) noexcept : raw_(raw) {}
  std::optional<std::uint32_t> number(mqtt_property id, std::size_t nth = 0) const {
    std::uint32_t value = 0;
    if (mqtt_properties_number(raw_, id, nth, &value) != MQTT_STATUS_OK) return {};
    return value;
  }
  /// Text or data.
  std::optional<string_view> bytes(mqtt_property id, std::size_t nth = 0) const {
    mqtt_bytes value{};
    if (mqtt_properties_bytes(raw_, id, nth, &value) != MQTT_STATUS_OK) return {};
    return view(value);
  }
  /// All User Properties.
  std::vector<std::pair<string_view, string_view>> users() const {
    std::vector<std::pair<string_view, string_view>> all;
    mqtt_text name{}, value{};
    while (mqtt_properties_user(raw_, all.size(), &name, &value) == MQTT_STATUS_OK)
      all.emplace_back(view(name), view(value));
    return all;
  }
  const mqtt_properties *raw() const noexcept { return raw_; }

 private:
  const mqtt_properties *raw_;
};

/// Properties of the program's own.
class properties {
 public:
  properties() : raw_(mqtt_properties_new()) {
    if (!raw_) throw std::bad_alloc();
  }
  properties &add(mqtt_property id, std::uint32_t number) {
    detail::check(mqtt_properties_add_number(raw_.get(), id, number));
    return *this;
  }
  properties &add(mqtt_property id, string_view bytes) {
    detail::check(mqtt_properties_add_bytes(raw_.get(), id, bytes.data(), bytes.size()));
    return *this;
  }
  properties &add_user(string_view name, string_view value) {
    detail::check(mqtt_properties_add_user(raw_.get(), name.data(), name.size(), value.data(),
                                           value.size()));
    return *this;
  }
  operator properties_view() const noexcept { return raw_.get(); }

 private:
  detail::owner<mqtt_properties, mqtt_properties_free> raw_;
};

/// A message that belongs to somebody else.
class message_view {
 public:
  message_view(const mqtt_message *raw) noexcept : raw_(raw) {}
  explicit operator bool() const noexcept { return raw_ != nullptr; }
  string_view topic() const { return view(mqtt_message_topic(raw_)); }
  string_view payload() const { return view(mqtt_message_payload(raw_)); }
  int qos() const { return mqtt_message_qos(raw_); }
  bool retain() const { return mqtt_message_retain(raw_); }
  bool dup() const { return mqtt_message_dup(raw_); }
  properties_view properties() const { return mqtt_message_properties(raw_); }
  const mqtt_message *raw() const noexcept { return raw_; }

 private:
  const mqtt_message *raw_;
};

/// A message that is kept. Copies share it.
class message {
 public:
  explicit message(message_view of) : message(mqtt_message_ref(of.raw())) {}
  /// Takes over what a function of libmqtt.h gave.
  explicit message(mqtt_message *taken) : raw_(taken, mqtt_message_free) {}
  operator message_view() const noexcept { return raw_.get(); }
  message_view operator*() const noexcept { return raw_.get(); }
  string_view topic() const { return message_view(*this).topic(); }
  string_view payload() const { return message_view(*this).payload(); }

 private:
  std::shared_ptr<mqtt_message> raw_;
};

/// An event that belongs to somebody else: see `mqtt_event_type` for what each has.
class event_view {
 public:
  event_view(const mqtt_event *raw) noexcept : raw_(raw) {}
  mqtt_event_type type() const { return mqtt_event_get_type(raw_); }
  std::uint64_t token() const { return mqtt_event_token(raw_); }
  mqtt_status status() const { return mqtt_event_status(raw_); }
  std::uint8_t reason() const { return mqtt_event_reason(raw_); }
  /// A byte for each Topic Filter.
  string_view reasons() const { return view(mqtt_event_reasons(raw_)); }
  message_view message() const { return mqtt_event_message(raw_); }
  properties_view properties() const { return mqtt_event_properties(raw_); }
  string_view text() const { return view(mqtt_event_text(raw_)); }
  string_view data() const { return view(mqtt_event_data(raw_)); }
  bool session_present() const { return mqtt_event_session_present(raw_); }
  bool session_lost() const { return mqtt_event_session_lost(raw_); }
  std::optional<milliseconds> retry_in() const {
    std::int64_t ms = mqtt_event_retry_in_ms(raw_);
    return ms < 0 ? std::nullopt : std::optional(milliseconds(ms));
  }
  std::optional<std::uint32_t> limit(mqtt_limit which) const {
    std::uint32_t value = 0;
    if (mqtt_event_limit(raw_, which, &value) != MQTT_STATUS_OK) return {};
    return value;
  }

 private:
  const mqtt_event *raw_;
};

/// An event that was asked for.
class event {
 public:
  explicit event(mqtt_event *taken) : raw_(taken) {}
  event_view operator*() const noexcept { return raw_.get(); }
  operator event_view() const noexcept { return raw_.get(); }

 private:
  detail::owner<mqtt_event, mqtt_event_free> raw_;
};

using on_event = std::function<void(event_view)>;

/// What TLS is to be like, of clients and of listeners. Setters can be chained.
class tls {
 public:
  tls() : raw_(mqtt_tls_new()) {
    if (!raw_) throw std::bad_alloc();
  }
  /// An option by its name: see mqtt_tls_set.
  tls &set(string_view name, string_view value) {
    detail::explained([&](mqtt_error **why) {
      return mqtt_tls_set(raw_.get(), name.data(), name.size(), value.data(), value.size(), why);
    });
    return *this;
  }
  /// `ca`, `cert`, `key` or `crl` from memory, in PEM or DER.
  tls &set_data(string_view name, string_view data) {
    detail::explained([&](mqtt_error **why) {
      return mqtt_tls_set_data(raw_.get(), name.data(), name.size(), data.data(), data.size(),
                               why);
    });
    return *this;
  }
  const mqtt_tls *raw() const noexcept { return raw_.get(); }

 private:
  detail::owner<mqtt_tls, mqtt_tls_free> raw_;
};

/// How a client or an engine is set up. Setters can be chained.
class client_config {
 public:
  client_config() : raw_(mqtt_client_config_new()) {
    if (!raw_) throw std::bad_alloc();
  }
  explicit client_config(string_view server) : client_config() { this->server(server); }
  client_config &server(string_view server) {
    return done(mqtt_client_config_add_server(raw_.get(), server.data(), server.size()));
  }
  client_config &client_id(string_view id) {
    return done(mqtt_client_config_set_client_id(raw_.get(), id.data(), id.size()));
  }
  /// MQTT_V31, MQTT_V311 or MQTT_V5.
  client_config &version(std::uint8_t level) {
    return done(mqtt_client_config_set_version(raw_.get(), level));
  }
  client_config &credentials(string_view user_name, string_view password) {
    return done(mqtt_client_config_set_credentials(raw_.get(), user_name.data(), user_name.size(),
                                                   password.data(), password.size()));
  }
  client_config &will(string_view topic, string_view payload, int qos = 0, bool retain = false,
                      properties_view properties = {}, std::uint32_t delay_s = 0) {
    return done(mqtt_client_config_set_will(raw_.get(), topic.data(), topic.size(), payload.data(),
                                            payload.size(), std::uint8_t(qos), retain,
                                            properties.raw(), delay_s));
  }
  client_config &authentication(string_view method, string_view data) {
    return done(mqtt_client_config_set_authentication(raw_.get(), method.data(), method.size(),
                                                      data.data(), data.size()));
  }
  client_config &user_properties(properties_view properties) {
    return done(mqtt_client_config_set_user_properties(raw_.get(), properties.raw()));
  }
  /// For servers of mqtts and wss: see mqtt_client_config_set_tls.
  client_config &tls(const mqtt::tls &options) {
    detail::explained([&](mqtt_error **why) {
      return mqtt_client_config_set_tls(raw_.get(), options.raw(), why);
    });
    return *this;
  }
  /// Of the requests that open WebSocket connections.
  client_config &header(string_view name, string_view value) {
    return done(mqtt_client_config_add_header(raw_.get(), name.data(), name.size(), value.data(),
                                              value.size()));
  }
  /// An option by its name: see mqtt_client_config_set.
  client_config &set(string_view name, string_view value) {
    detail::explained([&](mqtt_error **why) {
      return mqtt_client_config_set(raw_.get(), name.data(), name.size(), value.data(),
                                    value.size(), why);
    });
    return *this;
  }
  const mqtt_client_config *raw() const noexcept { return raw_.get(); }

 private:
  client_config &done(mqtt_status status) {
    detail::check(status);
    return *this;
  }
  detail::owner<mqtt_client_config, mqtt_client_config_free> raw_;
};

/// A Topic Filter and its options: a QoS, and bits MQTT_SUBSCRIBE_….
struct subscription {
  string_view filter;
  std::uint32_t options = 0;
};

namespace detail {

inline std::vector<mqtt_subscription> list(const std::vector<subscription> &wanted) {
  std::vector<mqtt_subscription> raw;
  for (const subscription &one : wanted)
    raw.push_back({one.filter.data(), one.filter.size(), one.options});
  return raw;
}

inline std::vector<mqtt_text> list(const std::vector<string_view> &filters) {
  std::vector<mqtt_text> raw;
  for (string_view filter : filters) raw.push_back({filter.data(), filter.size()});
  return raw;
}

}  // namespace detail

/// A loop that serves clients.
class loop {
 public:
  /// On a thread of the library.
  static loop start() {
    mqtt_loop *raw = nullptr;
    detail::explained(
        [&](mqtt_error **why) { return mqtt_loop_start(nullptr, nullptr, nullptr, &raw, why); });
    return loop(raw);
  }
  /// Run by this thread of the program.
  static loop own() {
    mqtt_loop *raw = nullptr;
    detail::explained([&](mqtt_error **why) { return mqtt_loop_new(&raw, why); });
    return loop(raw);
  }
  int fd() const {
    int fd = -1;
    detail::check(mqtt_loop_fd(raw_.get(), &fd));
    return fd;
  }
  int timeout_ms() const { return mqtt_loop_timeout_ms(raw_.get()); }
  void process(milliseconds timeout = milliseconds(0)) {
    detail::check(mqtt_loop_process(raw_.get(), detail::ms(timeout)));
  }
  mqtt_loop *raw() const noexcept { return raw_.get(); }

 private:
  explicit loop(mqtt_loop *raw) : raw_(raw) {}
  detail::owner<mqtt_loop, mqtt_loop_free> raw_;
};

/// A client. Its destructor says DISCONNECT but loses what waits: close() comes before.
class client {
 public:
  explicit client(const client_config &config) : client(config, nullptr) {}
  client(const client_config &config, const loop &served_by) : client(config, served_by.raw()) {}
  /// Takes over what a function of libmqtt.h gave.
  explicit client(mqtt_client *taken) : raw_(taken) {}

  /// Has `callback` called with every event, on the loop's thread.
  void on_event(mqtt::on_event callback) {
    auto *boxed = new mqtt::on_event(std::move(callback));
    detail::check(mqtt_client_on_event(
        raw_.get(),
        [](void *userdata, const mqtt_event *event) noexcept {
          (*static_cast<mqtt::on_event *>(userdata))(event);
        },
        boxed, detail::destroy<mqtt::on_event>));
  }
  /// Has `callback` called when events come while none wait.
  void on_ready(std::function<void()> callback) {
    using boxed_type = std::function<void()>;
    auto *boxed = new boxed_type(std::move(callback));
    detail::check(mqtt_client_on_ready(
        raw_.get(),
        [](void *userdata) noexcept { (*static_cast<boxed_type *>(userdata))(); }, boxed,
        detail::destroy<boxed_type>));
  }

  // Without waiting.

  void connect() {
    detail::explained([&](mqtt_error **why) { return mqtt_client_connect(raw_.get(), why); });
  }
  /// Gives a token, which MQTT_EVENT_TYPE_DONE repeats.
  std::uint64_t publish(string_view topic, string_view payload, int qos = 0, bool retain = false,
                        properties_view properties = {}) {
    std::uint64_t token = 0;
    detail::check(mqtt_client_publish(raw_.get(), topic.data(), topic.size(), payload.data(),
                                      payload.size(), std::uint8_t(qos), retain, properties.raw(),
                                      &token));
    return token;
  }
  /// As publish, but nobody asks what becomes of it.
  void send(string_view topic, string_view payload, int qos = 0, bool retain = false,
            properties_view properties = {}) {
    detail::check(mqtt_client_publish(raw_.get(), topic.data(), topic.size(), payload.data(),
                                      payload.size(), std::uint8_t(qos), retain, properties.raw(),
                                      nullptr));
  }
  std::uint64_t subscribe(const std::vector<subscription> &wanted,
                          properties_view properties = {}) {
    auto raw = detail::list(wanted);
    std::uint64_t token = 0;
    detail::check(mqtt_client_subscribe(raw_.get(), raw.data(), raw.size(), properties.raw(),
                                        &token));
    return token;
  }
  std::uint64_t unsubscribe(const std::vector<string_view> &filters,
                            properties_view properties = {}) {
    auto raw = detail::list(filters);
    std::uint64_t token = 0;
    detail::check(mqtt_client_unsubscribe(raw_.get(), raw.data(), raw.size(), properties.raw(),
                                          &token));
    return token;
  }
  std::uint64_t request(string_view topic, string_view payload, milliseconds timeout, int qos = 0,
                        properties_view properties = {}) {
    std::uint64_t token = 0;
    detail::check(mqtt_client_request(raw_.get(), topic.data(), topic.size(), payload.data(),
                                      payload.size(), std::uint8_t(qos), properties.raw(),
                                      detail::ms(timeout), &token));
    return token;
  }
  void respond(message_view request, string_view payload) {
    detail::check(mqtt_client_respond(raw_.get(), request.raw(), payload.data(), payload.size(),
                                      nullptr));
  }
  std::uint64_t ping() {
    std::uint64_t token = 0;
    detail::check(mqtt_client_ping(raw_.get(), &token));
    return token;
  }
  void acknowledge(message_view message, mqtt_reason reason = MQTT_REASON_SUCCESS) {
    detail::check(mqtt_client_acknowledge(raw_.get(), message.raw(), reason));
  }
  void authenticate(string_view data) {
    detail::check(mqtt_client_authenticate(raw_.get(), data.data(), data.size()));
  }
  std::uint64_t reauthenticate(string_view data) {
    std::uint64_t token = 0;
    detail::check(mqtt_client_reauthenticate(raw_.get(), data.data(), data.size(), &token));
    return token;
  }
  void credentials(string_view user_name, string_view password) {
    detail::check(mqtt_client_set_credentials(raw_.get(), user_name.data(), user_name.size(),
                                              password.data(), password.size()));
  }
  void disconnect(mqtt_reason reason = MQTT_REASON_SUCCESS, milliseconds wait = milliseconds(0),
                  properties_view properties = {}) {
    detail::check(mqtt_client_disconnect(raw_.get(), reason, properties.raw(), detail::ms(wait)));
  }

  // Waiting.

  event connect_wait(milliseconds timeout) {
    mqtt_event *connected = nullptr;
    detail::explained([&](mqtt_error **why) {
      return mqtt_client_connect_wait(raw_.get(), detail::ms(timeout), &connected, why);
    });
    return event(connected);
  }
  /// Gives the Reason Code of the acknowledgement.
  std::uint8_t publish_wait(string_view topic, string_view payload, int qos, bool retain,
                            milliseconds timeout, properties_view properties = {}) {
    std::uint8_t reason = 0;
    detail::explained([&](mqtt_error **why) {
      return mqtt_client_publish_wait(raw_.get(), topic.data(), topic.size(), payload.data(),
                                      payload.size(), std::uint8_t(qos), retain, properties.raw(),
                                      detail::ms(timeout), &reason, why);
    });
    return reason;
  }
  /// Throws if one is refused. Gives a Reason Code for each.
  std::vector<std::uint8_t> subscribe_wait(const std::vector<subscription> &wanted,
                                           milliseconds timeout) {
    auto raw = detail::list(wanted);
    std::vector<std::uint8_t> reasons(raw.size());
    detail::explained([&](mqtt_error **why) {
      return mqtt_client_subscribe_wait(raw_.get(), raw.data(), raw.size(), detail::ms(timeout),
                                        reasons.data(), why);
    });
    return reasons;
  }
  std::vector<std::uint8_t> unsubscribe_wait(const std::vector<string_view> &filters,
                                             milliseconds timeout) {
    auto raw = detail::list(filters);
    std::vector<std::uint8_t> reasons(raw.size());
    detail::explained([&](mqtt_error **why) {
      return mqtt_client_unsubscribe_wait(raw_.get(), raw.data(), raw.size(), detail::ms(timeout),
                                          reasons.data(), why);
    });
    return reasons;
  }
  message request_wait(string_view topic, string_view payload, milliseconds timeout, int qos = 0,
                       properties_view properties = {}) {
    mqtt_message *reply = nullptr;
    detail::explained([&](mqtt_error **why) {
      return mqtt_client_request_wait(raw_.get(), topic.data(), topic.size(), payload.data(),
                                      payload.size(), std::uint8_t(qos), properties.raw(),
                                      detail::ms(timeout), &reply, why);
    });
    return message(reply);
  }
  /// Nothing if none came in time, or the client is closed and has no more.
  std::optional<event> next_event(milliseconds timeout) {
    mqtt_event *next = nullptr;
    mqtt_status status = mqtt_client_next_event(raw_.get(), detail::ms(timeout), &next);
    if (status == MQTT_STATUS_TIMED_OUT || status == MQTT_STATUS_CLOSED) return {};
    detail::check(status);
    return event(next);
  }
  /// Says DISCONNECT after what waits was sent and answered. The client is over.
  void close(milliseconds deadline) {
    detail::check(mqtt_client_close(raw_.get(), detail::ms(deadline)));
  }

  bool is_connected() const { return mqtt_client_is_connected(raw_.get()); }
  std::size_t queued() const { return mqtt_client_queued(raw_.get()); }
  std::size_t in_flight() const { return mqtt_client_in_flight(raw_.get()); }
  mqtt_client *raw() const noexcept { return raw_.get(); }

 private:
  client(const client_config &config, mqtt_loop *served_by) {
    mqtt_client *raw = nullptr;
    detail::explained(
        [&](mqtt_error **why) { return mqtt_client_new(config.raw(), served_by, &raw, why); });
    raw_.reset(raw);
  }
  detail::owner<mqtt_client, mqtt_client_free> raw_;
};

/// A client as a hook is told of it.
class client_info {
 public:
  client_info(const mqtt_client_info *raw) noexcept : raw_(raw) {}
  /// False: the host program itself.
  explicit operator bool() const noexcept { return raw_ != nullptr; }
  string_view client_id() const { return view(mqtt_client_info_client_id(raw_)); }
  /// Its data() is null if there is none.
  string_view user_name() const { return view(mqtt_client_info_user_name(raw_)); }
  int version() const { return mqtt_client_info_version(raw_); }
  /// Empty for a client within the process.
  std::string peer() const {
    char buffer[64];
    std::size_t len = 0;
    mqtt_status status = mqtt_client_info_peer(raw_, buffer, sizeof buffer, &len);
    return status == MQTT_STATUS_OK ? std::string(buffer, len) : std::string();
  }
  /// Of the certificate that it has shown; data() is null if there is none.
  string_view certificate_subject() const {
    return view(mqtt_client_info_certificate_subject(raw_));
  }
  string_view certificate_name() const { return view(mqtt_client_info_certificate_name(raw_)); }
  /// In DER.
  string_view certificate() const { return view(mqtt_client_info_certificate(raw_)); }

 private:
  const mqtt_client_info *raw_;
};

/// The right to answer a question later. If it goes unused, the answer is no.
class answer {
 public:
  explicit answer(mqtt_answer *taken) : raw_(taken) {}
  /// MQTT_VERDICT_ALLOW, MQTT_VERDICT_CHALLENGE or a Reason Code.
  void give(std::int32_t verdict, string_view data = {}) {
    detail::check(mqtt_answer_give(raw_.release(), verdict, data.data(), data.size()));
  }

 private:
  detail::owner<mqtt_answer, mqtt_answer_free> raw_;
};

/// What a hook is asked.
class question {
 public:
  explicit question(mqtt_question *raw) noexcept : raw_(raw) {}
  client_info client() const { return mqtt_question_client(raw_); }
  mqtt_auth_step step() const { return mqtt_question_step(raw_); }
  string_view password() const { return view(mqtt_question_password(raw_)); }
  string_view method() const { return view(mqtt_question_method(raw_)); }
  string_view data() const { return view(mqtt_question_data(raw_)); }
  message_view message() const { return mqtt_question_message(raw_); }
  string_view filter() const { return view(mqtt_question_filter(raw_)); }
  std::uint32_t options() const { return mqtt_question_options(raw_); }
  void set_data(string_view data) {
    detail::check(mqtt_question_set_data(raw_, data.data(), data.size()));
  }
  /// The hook then returns MQTT_VERDICT_LATER.
  answer keep() { return answer(mqtt_question_keep(raw_)); }

 private:
  mqtt_question *raw_;
};

/// Callbacks of a broker; those that are empty allow and ignore. Several run at once.
struct hooks {
  std::function<std::int32_t(question)> authenticate;
  std::function<std::int32_t(question)> authorise_publish;
  std::function<std::int32_t(question)> authorise_subscribe;
  std::function<void(client_info)> connected;
  std::function<void(client_info, std::uint8_t reason)> disconnected;
  std::function<void(client_info, message_view)> published;
  std::function<void(client_info, string_view filter, std::uint32_t options)> subscribed;
  std::function<void(client_info, string_view filter)> unsubscribed;
};

/// Where and how a broker is to listen: see mqtt_listener_new.
class listener {
 public:
  explicit listener(string_view url) : listener(url, nullptr) {}
  listener(string_view url, const tls &options) : listener(url, options.raw()) {}
  /// An option by its name: see mqtt_listener_set.
  listener &set(string_view name, string_view value) {
    detail::explained([&](mqtt_error **why) {
      return mqtt_listener_set(raw_.get(), name.data(), name.size(), value.data(), value.size(),
                               why);
    });
    return *this;
  }
  const mqtt_listener *raw() const noexcept { return raw_.get(); }

 private:
  listener(string_view url, const mqtt_tls *options) {
    mqtt_listener *raw = nullptr;
    detail::explained([&](mqtt_error **why) {
      return mqtt_listener_new(url.data(), url.size(), options, &raw, why);
    });
    raw_.reset(raw);
  }
  detail::owner<mqtt_listener, mqtt_listener_free> raw_;
};

/// How a broker is set up. Setters can be chained.
class broker_config {
 public:
  broker_config() : raw_(mqtt_broker_config_new()) {
    if (!raw_) throw std::bad_alloc();
  }
  broker_config &listen(string_view address, std::uint16_t port) {
    detail::check(mqtt_broker_config_listen(raw_.get(), address.data(), address.size(), port));
    return *this;
  }
  broker_config &listen(const listener &where) {
    detail::explained([&](mqtt_error **why) {
      return mqtt_broker_config_add_listener(raw_.get(), where.raw(), why);
    });
    return *this;
  }
  /// Does what a file in mosquitto's format says: see mqtt_broker_config_load.
  broker_config &load(string_view path) {
    detail::explained([&](mqtt_error **why) {
      return mqtt_broker_config_load(raw_.get(), path.data(), path.size(), why);
    });
    return *this;
  }
  /// An option by its name: see mqtt_broker_config_set.
  broker_config &set(string_view name, string_view value) {
    detail::explained([&](mqtt_error **why) {
      return mqtt_broker_config_set(raw_.get(), name.data(), name.size(), value.data(),
                                    value.size(), why);
    });
    return *this;
  }
  broker_config &hooks(mqtt::hooks callbacks) {
    mqtt_hooks table{};
    table.size = sizeof table;
    if (callbacks.authenticate)
      table.authenticate = [](void *u, mqtt_question *q) noexcept {
        return of(u).authenticate(question(q));
      };
    if (callbacks.authorise_publish)
      table.authorise_publish = [](void *u, mqtt_question *q) noexcept {
        return of(u).authorise_publish(question(q));
      };
    if (callbacks.authorise_subscribe)
      table.authorise_subscribe = [](void *u, mqtt_question *q) noexcept {
        return of(u).authorise_subscribe(question(q));
      };
    if (callbacks.connected)
      table.connected = [](void *u, const mqtt_client_info *client) noexcept {
        of(u).connected(client);
      };
    if (callbacks.disconnected)
      table.disconnected = [](void *u, const mqtt_client_info *client,
                              std::uint8_t reason) noexcept { of(u).disconnected(client, reason); };
    if (callbacks.published)
      table.published = [](void *u, const mqtt_client_info *client,
                           const mqtt_message *message) noexcept {
        of(u).published(client, message);
      };
    if (callbacks.subscribed)
      table.subscribed = [](void *u, const mqtt_client_info *client, mqtt_text filter,
                            std::uint32_t options) noexcept {
        of(u).subscribed(client, view(filter), options);
      };
    if (callbacks.unsubscribed)
      table.unsubscribed = [](void *u, const mqtt_client_info *client, mqtt_text filter) noexcept {
        of(u).unsubscribed(client, view(filter));
      };
    auto *boxed = new mqtt::hooks(std::move(callbacks));
    detail::check(mqtt_broker_config_set_hooks(raw_.get(), &table, boxed,
                                               detail::destroy<mqtt::hooks>));
    return *this;
  }
  const mqtt_broker_config *raw() const noexcept { return raw_.get(); }

 private:
  static mqtt::hooks &of(void *userdata) { return *static_cast<mqtt::hooks *>(userdata); }
  detail::owner<mqtt_broker_config, mqtt_broker_config_free> raw_;
};

/// A broker that runs, until it is stopped or goes.
class broker {
 public:
  explicit broker(const broker_config &config) {
    mqtt_broker *raw = nullptr;
    detail::explained(
        [&](mqtt_error **why) { return mqtt_broker_start(config.raw(), &raw, why); });
    raw_.reset(raw);
  }
  void stop(milliseconds deadline) { detail::check(mqtt_broker_stop(raw_.get(), detail::ms(deadline))); }
  bool is_running() const { return mqtt_broker_is_running(raw_.get()); }
  /// The port of a listener, in the order in which they were added.
  std::uint16_t port(std::size_t place = 0) const {
    std::uint16_t port = 0;
    detail::check(mqtt_broker_port(raw_.get(), place, &port));
    return port;
  }
  /// The URL of a listener, as clients can use it.
  std::string url(std::size_t place = 0) const {
    std::size_t len = 0;
    mqtt_status status = mqtt_broker_url(raw_.get(), place, nullptr, 0, &len);
    if (status != MQTT_STATUS_LIMIT_REACHED) detail::check(status);
    std::string url(len, ' ');
    detail::check(mqtt_broker_url(raw_.get(), place, url.data(), url.size(), &len));
    return url;
  }
  /// Reads the files of passwords, access rights and TLS again: see mqtt_broker_reload.
  void reload() {
    detail::explained([&](mqtt_error **why) { return mqtt_broker_reload(raw_.get(), why); });
  }
  void publish(string_view topic, string_view payload, int qos = 0, bool retain = false,
               properties_view properties = {}) {
    detail::check(mqtt_broker_publish(raw_.get(), topic.data(), topic.size(), payload.data(),
                                      payload.size(), std::uint8_t(qos), retain,
                                      properties.raw()));
  }
  void disconnect(string_view client_id, mqtt_reason reason) {
    detail::check(mqtt_broker_disconnect(raw_.get(), client_id.data(), client_id.size(), reason));
  }
  std::uint64_t stat(mqtt_stat which) const {
    std::uint64_t value = 0;
    detail::check(mqtt_broker_stat(raw_.get(), which, &value));
    return value;
  }
  /// A client within the process, joined to the broker by memory.
  mqtt::client client(const client_config &config) {
    mqtt_client *joined = nullptr;
    detail::explained([&](mqtt_error **why) {
      return mqtt_broker_client(raw_.get(), config.raw(), &joined, why);
    });
    return mqtt::client(joined);
  }

 private:
  detail::owner<mqtt_broker, mqtt_broker_free> raw_;
};

/// The engine of a client, without transport, thread and clock: see mqtt_engine. Times are
/// nanoseconds from an epoch of the program's choice.
class engine {
 public:
  engine(const client_config &config, std::uint64_t seed) {
    mqtt_engine *raw = nullptr;
    detail::explained(
        [&](mqtt_error **why) { return mqtt_engine_new(config.raw(), seed, &raw, why); });
    raw_.reset(raw);
  }
  void connect(std::uint64_t now) {
    detail::explained([&](mqtt_error **why) { return mqtt_engine_connect(raw_.get(), now, why); });
  }
  void handle_open(std::uint64_t now) { detail::check(mqtt_engine_handle_open(raw_.get(), now)); }
  void handle_data(std::uint64_t now, string_view data) {
    detail::check(mqtt_engine_handle_data(raw_.get(), now, data.data(), data.size()));
  }
  void handle_closed(std::uint64_t now, bool failed) {
    detail::check(mqtt_engine_handle_closed(raw_.get(), now, failed));
  }
  void handle_sent(std::uint64_t now, std::size_t len) {
    detail::check(mqtt_engine_handle_sent(raw_.get(), now, len));
  }
  void handle_timeout(std::uint64_t now) {
    detail::check(mqtt_engine_handle_timeout(raw_.get(), now));
  }
  string_view outgoing() const { return view(mqtt_engine_outgoing(raw_.get())); }
  /// UINT64_MAX: none.
  std::uint64_t timeout() const { return mqtt_engine_timeout(raw_.get()); }
  bool wants_data() const { return mqtt_engine_wants_data(raw_.get()); }
  std::optional<event> next_event() {
    mqtt_event *next = mqtt_engine_next_event(raw_.get());
    if (!next) return {};
    return event(next);
  }
  std::uint64_t publish(std::uint64_t now, string_view topic, string_view payload, int qos = 0,
                        bool retain = false, properties_view properties = {}) {
    std::uint64_t token = 0;
    detail::check(mqtt_engine_publish(raw_.get(), now, topic.data(), topic.size(), payload.data(),
                                      payload.size(), std::uint8_t(qos), retain, properties.raw(),
                                      &token));
    return token;
  }
  std::uint64_t subscribe(std::uint64_t now, const std::vector<subscription> &wanted,
                          properties_view properties = {}) {
    auto raw = detail::list(wanted);
    std::uint64_t token = 0;
    detail::check(mqtt_engine_subscribe(raw_.get(), now, raw.data(), raw.size(), properties.raw(),
                                        &token));
    return token;
  }
  void disconnect(std::uint64_t now, mqtt_reason reason = MQTT_REASON_SUCCESS,
                  milliseconds wait = milliseconds(0), properties_view properties = {}) {
    detail::check(mqtt_engine_disconnect(raw_.get(), now, reason, properties.raw(),
                                         detail::ms(wait)));
  }
  bool is_connected() const { return mqtt_engine_is_connected(raw_.get()); }
  /// For what this class leaves out.
  mqtt_engine *raw() const noexcept { return raw_.get(); }

 private:
  detail::owner<mqtt_engine, mqtt_engine_free> raw_;
};

/// Whether a Topic Filter matches a Topic Name.
inline bool matches(string_view filter, string_view topic) {
  return mqtt_topic_matches(filter.data(), filter.size(), topic.data(), topic.size());
}

}  // namespace mqtt

#endif
