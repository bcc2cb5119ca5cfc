//! How anything of libasound is opened: one at a time, with its configuration read anew, its messages caught.

use std::ffi::{CStr, CString, c_int};
use std::sync::Mutex;

use alsa_sys as sys;

use super::cards::{self, Direction};
use super::error;
use crate::Error;

/// Opening reads libasound's configuration anew, and that must not happen twice at once.
static OPENING: Mutex<()> = Mutex::new(());

/// What went wrong, as a positive number.
pub(super) type Errno = i32;

/// What libasound said: a number, or below 0 what went wrong.
pub(super) fn check(result: c_int) -> Result<c_int, Errno> {
    if result < 0 { Err(-result) } else { Ok(result) }
}

/// Opens something of libasound with its configuration read anew, and makes an error of what it says.
pub(super) fn opening<T>(
    direction: Direction,
    device: &str,
    open: impl FnOnce(&CStr) -> Result<T, Errno>,
) -> Result<T, Error> {
    // A missing card is asked for again and again.
    if cards::is_absent(device) {
        return Err(error::while_opening(direction, device, libc::ENODEV, ""));
    }
    // Nobody panics while holding it; and if so, its () is as good as ever.
    let _guard = OPENING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // libasound would say it on stderr.
    let said = alsa::Output::local_error_handler();
    // The configuration is cached for the life of the process: without this, a card plugged in later is never
    // seen. What is open holds its own references.
    let _ = alsa::config::update_free_global();
    let result = CString::new(device).map_err(|_| libc::ENOENT).and_then(|name| open(&name));
    let result = result.map_err(|errno| {
        let said = said.map(|output| output.borrow().to_string()).unwrap_or_default();
        error::while_opening(direction, device, errno, &said)
    });
    // From here on every error is a value; libasound's own lines would only fill the log.
    // SAFETY: the handler takes what it is given and does nothing with it.
    unsafe { sys::snd_lib_error_set_local(Some(hush)) };
    result
}

/// Takes libasound's messages and says nothing.
unsafe extern "C" fn hush(
    _file: *const std::ffi::c_char,
    _line: c_int,
    _function: *const std::ffi::c_char,
    _errno: c_int,
    _format: *const std::ffi::c_char,
    _arguments: *mut sys::__va_list_tag,
) {
}
