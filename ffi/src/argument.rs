//! What a caller hands in.

use core::ffi::{c_char, c_void};

use libmqtt_runtime::{QoS, Reason, Status};

use crate::boundary::{Failure, Outcome};

/// A pointer to something the caller owns.
///
/// # Safety
/// `pointer` is NULL or points to a `T` that nobody changes for `'a`.
pub(crate) unsafe fn borrow<'a, T>(pointer: *const T) -> Result<&'a T, Failure> {
    // SAFETY: the caller promises.
    unsafe { maybe(pointer) }?.ok_or_else(|| Status::NullArgument.into())
}

/// The same, where NULL stands for nothing.
///
/// # Safety
/// As for [`borrow`].
pub(crate) unsafe fn maybe<'a, T>(pointer: *const T) -> Result<Option<&'a T>, Failure> {
    if !pointer.is_aligned() {
        return Err(Status::BadArgument.into());
    }
    // SAFETY: it is aligned; the caller promises the rest.
    Ok(unsafe { pointer.as_ref() })
}

/// A pointer to something that is to be changed.
///
/// # Safety
/// `pointer` is NULL or points to a `T` that nobody else looks at for `'a`.
pub(crate) unsafe fn change<'a, T>(pointer: *mut T) -> Result<&'a mut T, Failure> {
    if !pointer.is_aligned() {
        return Err(Status::BadArgument.into());
    }
    // SAFETY: it is aligned; the caller promises the rest.
    unsafe { pointer.as_mut() }.ok_or_else(|| Status::NullArgument.into())
}

/// Bytes; NULL stands for none.
///
/// # Safety
/// `data` is NULL or valid for reading `len` bytes during `'a`.
pub(crate) unsafe fn bytes<'a>(data: *const c_void, len: usize) -> Result<&'a [u8], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Status::NullArgument.into());
    }
    if isize::try_from(len).is_err() {
        return Err(Failure::new(Status::BadArgument, "length is larger than any memory"));
    }
    // SAFETY: it is not null and of a possible length; the caller promises the rest.
    Ok(unsafe { core::slice::from_raw_parts(data.cast(), len) })
}

/// Text; NULL stands for none.
///
/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn text<'a>(data: *const c_char, len: usize) -> Result<&'a str, Failure> {
    // SAFETY: the caller promises.
    let bytes = unsafe { bytes(data.cast(), len) }?;
    core::str::from_utf8(bytes).map_err(|_| Failure::new(Status::BadArgument, "text is not utf-8"))
}

/// Where a result goes, checked before there is one.
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// # Safety
    /// `pointer` is NULL or valid for writing a `T` until `set`.
    pub(crate) unsafe fn new(pointer: *mut T) -> Result<Out<T>, Failure> {
        if pointer.is_null() {
            return Err(Status::NullArgument.into());
        }
        // SAFETY: the caller promises.
        unsafe { Out::maybe(pointer) }
    }

    /// The same, where NULL stands for a result that nobody wants.
    ///
    /// # Safety
    /// As for [`Out::new`].
    pub(crate) unsafe fn maybe(pointer: *mut T) -> Result<Out<T>, Failure> {
        if !pointer.is_aligned() {
            return Err(Status::BadArgument.into());
        }
        Ok(Out(pointer))
    }

    /// Writes the result, without looking at what was there.
    pub(crate) fn set(self, value: T) {
        if !self.0.is_null() {
            // SAFETY: it is not null and aligned; whoever made this promised the rest.
            unsafe { self.0.write(value) };
        }
    }
}

/// Writes text where the caller has room for it, and its length in any case.
///
/// # Safety
/// `buffer` is NULL or valid for writing `capacity` bytes.
pub(crate) unsafe fn write_text(
    text: &str,
    buffer: *mut c_char,
    capacity: usize,
    len_out: Out<usize>,
) -> Outcome {
    len_out.set(text.len());
    if text.len() > capacity {
        return Err(Status::LimitReached.into());
    }
    if buffer.is_null() {
        return Err(Status::NullArgument.into());
    }
    // SAFETY: there is room, as the caller says and promises.
    unsafe { core::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), text.len()) };
    Ok(())
}

/// Gives something to the caller.
pub(crate) fn give<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Takes something back from the caller, and drops it. NULL is nothing.
///
/// # Safety
/// `pointer` is NULL or came from [`give`] and was not taken back.
pub(crate) unsafe fn take<T>(pointer: *mut T) {
    if !pointer.is_null() && pointer.is_aligned() {
        crate::boundary::get((), || {
            // SAFETY: the caller promises.
            drop(unsafe { Box::from_raw(pointer) });
            Some(())
        });
    }
}

/// A QoS.
pub(crate) fn qos(level: u8) -> Result<QoS, Failure> {
    QoS::from_u8(level).ok_or_else(|| Failure::new(Status::BadArgument, "qos is not 0, 1 or 2"))
}

/// A Reason Code.
pub(crate) fn reason(code: u8) -> Result<Reason, Failure> {
    let unknown = || Failure::new(Status::BadArgument, "reason code is none of mqtt 5.0");
    Reason::from_u8(code).ok_or_else(unknown)
}
