//! A program's own data, handed back to its callbacks.

use core::ffi::c_void;

/// Frees what a program registered with its callbacks, once none of them runs or will run again.
/// It is called once, on any thread, also if the call that registers fails; NULL: there is nothing
/// to free.
pub type mqtt_free_fn = Option<unsafe extern "C" fn(userdata: *mut c_void)>;

/// What a program registered. Dropping it frees it.
#[derive(Debug)]
pub(crate) struct Userdata {
    data: *mut c_void,
    free: mqtt_free_fn,
}

// SAFETY: the library never looks at the data; the header tells the program on which threads its
// callbacks get them.
unsafe impl Send for Userdata {}
// SAFETY: likewise.
unsafe impl Sync for Userdata {}

impl Userdata {
    pub(crate) fn new(data: *mut c_void, free: mqtt_free_fn) -> Userdata {
        Userdata { data, free }
    }

    pub(crate) fn data(&self) -> *mut c_void {
        self.data
    }
}

impl Drop for Userdata {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: the program gave both together, and this happens once.
            unsafe { free(self.data) };
        }
    }
}
