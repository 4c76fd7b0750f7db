//! Waking the event loop.

use std::sync::Arc;

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

use crate::errors::{self, Result};

type Weak = ThreadsafeFunction<(), (), (), napi::Status, false, true, 0>;

/// Has a function called on the event loop, soon. It does not keep the process alive: the face
/// does that while something is open.
#[derive(Clone)]
pub(crate) struct Wake(Arc<Weak>);

impl Wake {
    pub(crate) fn new(function: &Function<'_, (), ()>) -> Result<Wake> {
        let built = function
            .build_threadsafe_function::<()>()
            .callee_handled::<false>()
            .weak::<true>()
            .build()
            .map_err(errors::napi)?;
        Ok(Wake(Arc::new(built)))
    }

    /// Does nothing once the environment (the process, or its worker) is closing.
    pub(crate) fn call(&self) {
        self.0.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }
}
