use std::fmt;

/// What went wrong, so far as it decides what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Another program holds it: try again soon.
    Busy,
    /// It is not there: wait for it.
    NotFound,
    /// It is there, and we may not: show a fault, retry slowly.
    PermissionDenied,
    /// It was there and went away (ENODEV, EBADFD, EIO, POLLERR): close and wait for it.
    Lost,
    /// It cannot do what was asked.
    Unsupported,
    /// Anything else the system said.
    Other,
}

/// A device that failed: which one, at what, and why.
#[derive(Debug)]
pub struct Error {
    /// What to do about it.
    pub kind: ErrorKind,
    /// What was tried with which device, who holds it: `open capture "hw:1,0": busy (held by pid 412, arecord)`.
    pub context: String,
    /// What the system said.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error without a cause below it.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Error { kind, context: context.into(), source: None }
    }

    /// Adds what the system said.
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| &**e as _)
    }
}
