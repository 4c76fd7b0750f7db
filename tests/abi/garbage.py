"""Writes a C program that calls every function of the header with NULL, with rubbish, and with
handles that are stale or of the wrong kind. Each must come back, and none may say that all is
well."""

import re
import sys

HANDLES = ["mqtt_client", "mqtt_loop", "mqtt_broker", "mqtt_engine"]

# What a value of each type is, when nothing is given and when rubbish is.
NUMBERS = {
    "bool": ("false", "true"),
    "int": ("0", "-12345"),
    "int32_t": ("0", "-12345"),
    "size_t": ("0", "SIZE_MAX"),
    "uint16_t": ("0", "UINT16_MAX"),
    "uint32_t": ("0", "UINT32_MAX"),
    "uint64_t": ("0", "UINT64_MAX"),
    "uint8_t": ("0", "UINT8_MAX"),
}
CALLBACKS = {"mqtt_event_fn", "mqtt_free_fn", "mqtt_log_fn", "mqtt_ready_fn"}

# Getters whose neutral answer is MQTT_STATUS_OK.
FINE = {"mqtt_event_status"}


def functions(header):
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    found = re.findall(r"^([a-z][\w ]*?[ *]+)(mqtt_\w+)\(([^;]*?)\);", text, flags=re.M | re.S)
    for result, name, arguments in found:
        if result.startswith("typedef"):
            continue
        arguments = " ".join(arguments.split())
        yield result.strip(), name, [] if arguments == "void" else arguments.split(", ")


def value(argument, which, handle):
    """An argument for the call: `which` is 0 for nothing, 1 for rubbish."""
    kind = re.sub(r"\w+$", "", argument).strip()
    if kind.endswith("*"):
        noun = kind.replace("const", "").replace("*", "").strip()
        if noun in HANDLES and kind.count("*") == 1 and handle:
            return handle
        return f"({kind})(uintptr_t){which}"
    if kind in CALLBACKS:
        return "NULL"
    return NUMBERS[kind][which]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        every = [found for found in functions(file.read()) if found[2]]
    print('#include "abi.h"\n')
    print("static mqtt_client *client, *stale;\nstatic mqtt_broker *broker;\n")
    for result, name, arguments in every:
        print(f"static void {name}_takes_anything(void)\n{{")
        calls = [[value(a, which, None) for a in arguments] for which in (0, 1)]
        handles = [a for a in arguments if re.search(rf"\b({'|'.join(HANDLES)}) \*\w+$", a)]
        if handles:
            wrong = "broker" if "mqtt_client" in handles[0] else "client"
            for handle in (f"(void *){wrong}", "(void *)stale", "(void *)(uintptr_t)0x10031"):
                calls.append([value(a, 0, handle) for a in arguments])
        for call in calls:
            text = f"{name}({', '.join(call)})"
            if result == "mqtt_status" and name not in FINE:
                print(f"    CHECK({text} != MQTT_STATUS_OK);")
            else:
                print(f"    (void){text};" if result != "void" else f"    {text};")
        print("}\n")
    print("static void what_is_open_has_survived(void)\n{")
    print("    CHECK(mqtt_client_is_connected(client) && mqtt_broker_is_running(broker));\n}\n")
    print("int main(void)\n{\n    broker = start_broker(NULL, NULL);")
    print("    client = connected_client(broker, NULL);")
    print("    stale = connected_client(broker, NULL);\n    mqtt_client_free(stale);")
    for _, name, _ in every:
        print(f"    RUN({name}_takes_anything);")
    print("    RUN(what_is_open_has_survived);\n    mqtt_client_free(client);")
    print("    mqtt_broker_free(broker);\n    return REPORT();\n}")


main()
