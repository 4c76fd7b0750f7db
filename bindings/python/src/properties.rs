//! Properties of MQTT 5.0.

use libmqtt_runtime::{PropertiesBuf, Property};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors;

/// The properties of a packet of MQTT 5.0; immutable. What is not there is None.
#[pyclass(frozen, eq, hash, module = "libmqtt")]
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Properties {
    pub(crate) section: PropertiesBuf,
}

impl From<PropertiesBuf> for Properties {
    fn from(section: PropertiesBuf) -> Properties {
        Properties { section }
    }
}

/// All methods of the class: these, and a getter for each property that stands once.
macro_rules! methods {
    ({ $($methods:tt)* } $($name:ident: $kind:ty, $doc:literal;)*) => {
        #[pymethods]
        impl Properties {
            $($methods)*

            $(#[doc = $doc]
            #[getter]
            fn $name(&self) -> Option<$kind> {
                self.section.view().$name()
            })*
        }
    };
}

methods! {
    {
        #[new]
        #[pyo3(signature = (
            *, payload_format_indicator = None, message_expiry_interval = None, content_type = None,
            response_topic = None, correlation_data = None, subscription_identifier = None,
            reason_string = None, user_properties = Vec::new(),
        ))]
        #[allow(clippy::too_many_arguments)] // keyword arguments, all optional
        fn new(
            payload_format_indicator: Option<bool>,
            message_expiry_interval: Option<u32>,
            content_type: Option<&str>,
            response_topic: Option<&str>,
            correlation_data: Option<&[u8]>,
            subscription_identifier: Option<u32>,
            reason_string: Option<&str>,
            user_properties: Vec<(String, String)>,
        ) -> PyResult<Properties> {
            let single = [
                payload_format_indicator.map(Property::PayloadFormatIndicator),
                message_expiry_interval.map(Property::MessageExpiryInterval),
                content_type.map(Property::ContentType),
                response_topic.map(Property::ResponseTopic),
                correlation_data.map(Property::CorrelationData),
                subscription_identifier.map(Property::SubscriptionIdentifier),
                reason_string.map(Property::ReasonString),
            ];
            let user = user_properties.iter().map(|(name, value)| Property::UserProperty(name, value));
            let mut section = PropertiesBuf::new();
            for property in single.into_iter().flatten().chain(user) {
                section.push(property).map_err(|error| errors::argument(error.to_string()))?;
            }
            Ok(Properties { section })
        }

        /// All User Properties, in order.
        #[getter]
        fn user_properties(&self) -> Vec<(&str, &str)> {
            self.section.view().user_properties().collect()
        }

        /// All Subscription Identifiers: of every subscription that the message was sent for.
        #[getter]
        fn subscription_identifiers(&self) -> Vec<u32> {
            self.section.view().subscription_identifiers().collect()
        }

        /// Binary data by which the requester knows the response.
        #[getter]
        fn correlation_data<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
            self.section.view().correlation_data().map(|data| PyBytes::new(py, data))
        }

        /// Data of the authentication method.
        #[getter]
        fn authentication_data<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
            self.section.view().authentication_data().map(|data| PyBytes::new(py, data))
        }

        fn __bool__(&self) -> bool {
            !self.section.is_empty()
        }

        fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
            let mut parts = Vec::new();
            for (name, value) in self.values(py)?.iter() {
                parts.push(format!("{}={}", name.str()?, value.repr()?));
            }
            Ok(format!("Properties({})", parts.join(", ")))
        }

        fn __getnewargs_ex__<'py>(
            &self,
            py: Python<'py>,
        ) -> PyResult<(Bound<'py, pyo3::types::PyTuple>, Bound<'py, PyDict>)> {
            Ok((pyo3::types::PyTuple::empty(py), self.values(py)?))
        }
    }
payload_format_indicator: bool, "Whether the payload is UTF-8 text.";
    message_expiry_interval: u32, "Seconds after which the message is of no use.";
    content_type: &str, "What the payload is, for example a MIME type.";
    response_topic: &str, "The topic for a response.";
    session_expiry_interval: u32, "Seconds that the Session outlives its connection.";
    assigned_client_identifier: &str, "The Client Identifier that the server has given.";
    server_keep_alive: u16, "The Keep Alive that the server wants, in seconds.";
    authentication_method: &str, "The method of enhanced authentication.";
    request_problem_information: bool, "Whether explanations are wanted.";
    will_delay_interval: u32, "Seconds before the Will Message is sent.";
    request_response_information: bool, "Whether Response Information is wanted.";
    response_information: &str, "What response topics are made from.";
    server_reference: &str, "Another server to use.";
    reason_string: &str, "An explanation, for people.";
    receive_maximum: u16, "Unacknowledged messages that the sender takes.";
    topic_alias_maximum: u16, "Topic Aliases that the sender takes.";
    topic_alias: u16, "The number that stands for the topic on this connection.";
    maximum_qos: u8, "The highest QoS that the server takes.";
    retain_available: bool, "Whether the server retains messages.";
    maximum_packet_size: u32, "The largest packet that the sender takes.";
    wildcard_subscription_available: bool, "Whether the server knows wildcards.";
    subscription_identifier_available: bool, "Whether the server knows Subscription Identifiers.";
    shared_subscription_available: bool, "Whether the server knows Shared Subscriptions.";
}

impl Properties {
    /// Every property that is there, by its name in Python.
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let values = PyDict::new(py);
        for property in self.section.view() {
            match property {
                Property::UserProperty(..) => {
                    values.set_item("user_properties", self.user_properties())?;
                }
                Property::SubscriptionIdentifier(identifier) => {
                    let all = self.subscription_identifiers();
                    match all.as_slice() {
                        [_] => values.set_item("subscription_identifier", identifier)?,
                        _ => values.set_item("subscription_identifiers", all)?,
                    }
                }
                property => put(&values, property)?,
            }
        }
        Ok(values)
    }
}

/// Puts a property that stands once.
fn put(values: &Bound<'_, PyDict>, property: Property<'_>) -> PyResult<()> {
    let py = values.py();
    let name = snake_case(&format!("{:?}", property.id()));
    match property {
        Property::PayloadFormatIndicator(value)
        | Property::RequestProblemInformation(value)
        | Property::RequestResponseInformation(value)
        | Property::RetainAvailable(value)
        | Property::WildcardSubscriptionAvailable(value)
        | Property::SubscriptionIdentifierAvailable(value)
        | Property::SharedSubscriptionAvailable(value) => values.set_item(name, value),
        Property::MessageExpiryInterval(value)
        | Property::SubscriptionIdentifier(value)
        | Property::SessionExpiryInterval(value)
        | Property::WillDelayInterval(value)
        | Property::MaximumPacketSize(value) => values.set_item(name, value),
        Property::ServerKeepAlive(value)
        | Property::ReceiveMaximum(value)
        | Property::TopicAliasMaximum(value)
        | Property::TopicAlias(value) => values.set_item(name, value),
        Property::MaximumQoS(value) => values.set_item(name, value),
        Property::ContentType(value)
        | Property::ResponseTopic(value)
        | Property::AssignedClientIdentifier(value)
        | Property::AuthenticationMethod(value)
        | Property::ResponseInformation(value)
        | Property::ServerReference(value)
        | Property::ReasonString(value) => values.set_item(name, value),
        Property::CorrelationData(value) | Property::AuthenticationData(value) => {
            values.set_item(name, PyBytes::new(py, value))
        }
        Property::UserProperty(key, value) => values.set_item(name, (key, value)),
    }
}

/// `ContentType` as `content_type`; `MaximumQoS` as `maximum_qos`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut after_capital = true;
    for letter in name.chars() {
        let capital = letter.is_ascii_uppercase();
        if capital && !after_capital {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
        after_capital = capital || snake.ends_with("qo");
    }
    snake
}
