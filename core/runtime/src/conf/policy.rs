//! What settings decide about clients.

use libmqtt_engine::{Authenticate, Ticket, Verdict};

use crate::auth::PasswordGate;
use crate::{Answers, Publish, Reason};

/// Who gets in and what is passed on; hooks ask it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Checks users and passwords; none: there are no users.
    pub gate: Option<PasswordGate>,
    /// Whether clients without User Name get in. A gate knows that itself.
    pub anonymous: bool,
    /// Largest payload that is passed on.
    pub payload_max: usize,
}

impl Policy {
    /// Decides about a CONNECT: at once, or [`Verdict::Later`] through `answers`.
    pub fn authenticate(
        &self,
        answers: &Answers,
        ticket: Ticket,
        attempt: &Authenticate<'_>,
    ) -> Verdict {
        match &self.gate {
            Some(gate) => gate.authenticate(answers, ticket, attempt),
            None if attempt.method.is_some() => Verdict::Deny(Reason::BadAuthenticationMethod),
            None if self.anonymous => Verdict::Allow,
            None => Verdict::Deny(Reason::NotAuthorized),
        }
    }

    /// Decides about a message.
    pub fn authorise_publish(&self, publish: &Publish<'_>) -> Verdict {
        if publish.payload.len() > self.payload_max {
            return Verdict::Deny(Reason::ImplementationSpecificError);
        }
        Verdict::Allow
    }
}
