//! Between Python's values and the engine's.

use std::time::Duration;

use libmqtt_runtime::{QoS, Reason, TopicFilter, Version};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PyString};

use crate::errors;

/// The protocol versions: number and text.
#[pyfunction]
pub(crate) fn versions() -> Vec<(u8, &'static str)> {
    vec![(3, "3.1"), (4, "3.1.1"), (5, "5.0")]
}

/// Whether a Topic Filter matches a Topic Name; `$share/NAME/` before the filter is set aside.
#[pyfunction]
pub(crate) fn topic_matches(filter: &str, topic: &str) -> PyResult<bool> {
    let filter = TopicFilter::new(filter)
        .map_err(|error| errors::argument(format!("topic filter {error}")))?;
    Ok(filter.matches(topic))
}

/// The members of an enumeration of `libmqtt.values`, by value.
fn member(
    py: Python<'_>,
    class: &'static PyOnceLock<Py<PyAny>>,
    name: &str,
    value: u8,
) -> PyResult<Py<PyAny>> {
    Ok(class.import(py, "libmqtt.values", name)?.call1((value,))?.unbind())
}

/// The member of `ReasonCode`.
pub(crate) fn reason_to_py(py: Python<'_>, reason: Reason) -> PyResult<Py<PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    // To ask the class each time costs more than the rest of an acknowledged message.
    static MEMBERS: PyOnceLock<Vec<(Reason, Py<PyAny>)>> = PyOnceLock::new();
    let members = MEMBERS.get_or_try_init(py, || {
        let get = |&reason| PyResult::Ok((reason, member(py, &CLASS, "ReasonCode", reason as u8)?));
        Reason::ALL.iter().map(get).collect::<PyResult<Vec<_>>>()
    })?;
    // Success, which is most of them, is the first.
    let found = members.iter().find(|(other, _)| *other == reason);
    found.map_or_else(
        || member(py, &CLASS, "ReasonCode", reason as u8),
        |(_, it)| Ok(it.clone_ref(py)),
    )
}

/// The member of `Version`.
pub(crate) fn version_to_py(py: Python<'_>, version: Version) -> PyResult<Py<PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    member(py, &CLASS, "Version", version.level())
}

/// The member of `QoS`.
pub(crate) fn qos_to_py(py: Python<'_>, qos: QoS) -> PyResult<Py<PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static MEMBERS: PyOnceLock<[Py<PyAny>; 3]> = PyOnceLock::new();
    let members = MEMBERS.get_or_try_init(py, || {
        let get = |value| member(py, &CLASS, "QoS", value);
        PyResult::Ok([get(0)?, get(1)?, get(2)?])
    })?;
    Ok(members[qos as usize].clone_ref(py))
}

/// A QoS of 0, 1 or 2.
pub(crate) fn qos(value: u8) -> PyResult<QoS> {
    QoS::from_u8(value).ok_or_else(|| errors::argument(format!("QoS {value} is not 0, 1 or 2")))
}

/// A Reason Code.
pub(crate) fn reason(value: u8) -> PyResult<Reason> {
    Reason::from_u8(value)
        .ok_or_else(|| errors::argument(format!("there is no Reason Code 0x{value:02X}")))
}

/// Seconds.
pub(crate) fn seconds(value: f64) -> PyResult<Duration> {
    if value >= 0.0 {
        // What is too long for a Duration is for ever.
        Ok(Duration::try_from_secs_f64(value).unwrap_or(Duration::MAX))
    } else {
        Err(errors::argument(format!("{value} is no time in seconds")))
    }
}

/// Seconds, or none for ever.
pub(crate) fn timeout(value: Option<f64>) -> PyResult<Option<Duration>> {
    value.map(seconds).transpose()
}

/// What `use_bytes` makes of a payload: `bytes`, `bytearray`, `memoryview`, `str` (as UTF-8) or
/// `None`.
pub(crate) fn with_payload<R>(
    payload: &Bound<'_, PyAny>,
    use_bytes: impl FnOnce(&[u8]) -> PyResult<R>,
) -> PyResult<R> {
    if let Ok(bytes) = payload.cast::<PyBytes>() {
        use_bytes(bytes.as_bytes())
    } else if let Ok(text) = payload.cast::<PyString>() {
        use_bytes(text.to_cow()?.as_bytes())
    } else if let Ok(array) = payload.cast::<PyByteArray>() {
        use_bytes(&array.to_vec())
    } else if payload.is_none() {
        use_bytes(&[])
    } else if payload.is_instance_of::<PyMemoryView>() {
        let bytes = payload.py().get_type::<PyBytes>().call1((payload,))?;
        use_bytes(bytes.cast::<PyBytes>()?.as_bytes())
    } else {
        let kind = payload.get_type().name()?;
        Err(errors::argument(format!("payload is {kind}, not bytes, bytearray, memoryview or str")))
    }
}
