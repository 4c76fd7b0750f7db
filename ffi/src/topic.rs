//! Topics.

use core::ffi::c_char;

use libmqtt_runtime::{TopicFilter, TopicName};

use crate::argument::text;
use crate::boundary::get;

/// Whether a Topic Filter matches a Topic Name; of a Shared Subscription (`$share/name/filter`)
/// the filter counts. Not if one of them is not valid.
///
/// Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §4.7.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_topic_matches(
    filter: *const c_char,
    filter_len: usize,
    topic: *const c_char,
    topic_len: usize,
) -> bool {
    get(false, || {
        // SAFETY: the caller promises.
        let (filter, topic) =
            unsafe { (text(filter, filter_len).ok()?, text(topic, topic_len).ok()?) };
        let topic = TopicName::new(topic).ok()?;
        Some(TopicFilter::new(filter).ok()?.matches(topic.as_str()))
    })
}
