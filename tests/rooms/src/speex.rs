//! The yardstick: plain SpeexDSP with its preprocessor, as Debian ships it, found at run time or left out.

use std::ffi::{CStr, c_int, c_void};

use pressel_dsp::{BLOCK, Block, from_i16, to_i16};

/// A request of `speex_echo_ctl`: the sampling rate.
const ECHO_SET_RATE: c_int = 24;
/// A request of `speex_preprocess_ctl`: whose echo to suppress.
const PREPROCESS_SET_ECHO: c_int = 24;

type Samples = *const i16;

struct Library {
    echo_init: unsafe extern "C" fn(c_int, c_int) -> *mut c_void,
    echo_cancel: unsafe extern "C" fn(*mut c_void, Samples, Samples, *mut i16),
    echo_ctl: unsafe extern "C" fn(*mut c_void, c_int, *mut c_void) -> c_int,
    echo_destroy: unsafe extern "C" fn(*mut c_void),
    preprocess_init: unsafe extern "C" fn(c_int, c_int) -> *mut c_void,
    preprocess_ctl: unsafe extern "C" fn(*mut c_void, c_int, *mut c_void) -> c_int,
    preprocess_run: unsafe extern "C" fn(*mut c_void, *mut i16) -> c_int,
    preprocess_destroy: unsafe extern "C" fn(*mut c_void),
}

impl Library {
    fn load() -> Option<Self> {
        // SAFETY: the name ends in a zero; a library's constructors run, and this one has none.
        let handle = unsafe { libc::dlopen(c"libspeexdsp.so.1".as_ptr(), libc::RTLD_NOW) };
        if handle.is_null() {
            return None;
        }
        /// # Safety
        /// `F` must be the signature that the library's header gives this function.
        unsafe fn function<F: Copy>(handle: *mut c_void, name: &CStr) -> Option<F> {
            const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
            // SAFETY: the handle came from dlopen and is never closed, the name ends in a zero.
            let found = unsafe { libc::dlsym(handle, name.as_ptr()) };
            // SAFETY: a function pointer of the size of a pointer, and its signature is the caller's promise.
            (!found.is_null()).then(|| unsafe { std::mem::transmute_copy::<*mut c_void, F>(&found) })
        }
        // SAFETY: the fields' types are the signatures in speex_echo.h and speex_preprocess.h since 2008.
        unsafe {
            Some(Self {
                echo_init: function(handle, c"speex_echo_state_init")?,
                echo_cancel: function(handle, c"speex_echo_cancellation")?,
                echo_ctl: function(handle, c"speex_echo_ctl")?,
                echo_destroy: function(handle, c"speex_echo_state_destroy")?,
                preprocess_init: function(handle, c"speex_preprocess_state_init")?,
                preprocess_ctl: function(handle, c"speex_preprocess_ctl")?,
                preprocess_run: function(handle, c"speex_preprocess_run")?,
                preprocess_destroy: function(handle, c"speex_preprocess_state_destroy")?,
            })
        }
    }
}

/// SpeexDSP's canceller and the preprocessor that takes off what it leaves.
pub struct Speex {
    library: Library,
    echo: *mut c_void,
    preprocess: *mut c_void,
}

impl Speex {
    /// A canceller that covers `tail_ms`; `None` where the library is not installed.
    pub fn new(tail_ms: usize) -> Option<Self> {
        let library = Library::load()?;
        // SAFETY: plain numbers in, a state of our own out; the pointers handed in live through the calls.
        unsafe {
            let echo = (library.echo_init)(BLOCK as c_int, (tail_ms * 16) as c_int);
            let mut rate: c_int = 16_000;
            (library.echo_ctl)(echo, ECHO_SET_RATE, (&raw mut rate).cast());
            let preprocess = (library.preprocess_init)(BLOCK as c_int, rate);
            (library.preprocess_ctl)(preprocess, PREPROCESS_SET_ECHO, echo);
            Some(Self { library, echo, preprocess })
        }
    }

    /// 10 ms.
    pub fn process(&mut self, far: &Block, mic: &Block, out: &mut Block) {
        let (far, mic) = (far.map(to_i16), mic.map(to_i16));
        let mut cleaned = [0i16; BLOCK];
        // SAFETY: all three buffers hold the block that the state was built for.
        unsafe {
            (self.library.echo_cancel)(self.echo, mic.as_ptr(), far.as_ptr(), cleaned.as_mut_ptr());
            (self.library.preprocess_run)(self.preprocess, cleaned.as_mut_ptr());
        }
        *out = cleaned.map(from_i16);
    }
}

impl Drop for Speex {
    fn drop(&mut self) {
        // SAFETY: both states are ours, and the preprocessor that refers to the other goes first.
        unsafe {
            (self.library.preprocess_destroy)(self.preprocess);
            (self.library.echo_destroy)(self.echo);
        }
    }
}
