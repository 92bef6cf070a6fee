//! Lines for the user. Where nobody reads them any more, as behind `| head` or in a terminal that was closed, the work
//! goes on.

/// A line on the standard error.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

/// A line on the standard output: what was asked for.
macro_rules! answer {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

pub(crate) use {answer, say};
