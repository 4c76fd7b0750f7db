//! Chapter 6: WebSocket.

use crate::duty::client::web as client;
use crate::duty::web;

same! { V311;
    mqtt_6_0_0_1_broker_speaks_in_binary_frames_and_closes_on_text: web::broker_speaks_in_binary_frames_and_closes_on_text;
    mqtt_6_0_0_1_client_speaks_in_binary_frames_and_closes_on_text: client::client_speaks_in_binary_frames_and_closes_on_text;
    mqtt_6_0_0_2_broker_takes_packets_across_frames: web::broker_takes_packets_across_frames;
    mqtt_6_0_0_2_client_takes_packets_across_frames: client::client_takes_packets_across_frames;
    mqtt_6_0_0_3_client_offers_mqtt: client::client_offers_mqtt;
    mqtt_6_0_0_4_broker_selects_mqtt: web::broker_selects_mqtt;
}
