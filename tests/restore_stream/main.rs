//! Whole frames through a `Stream`, over graphs written in plain Rust whose results can be computed in the test.

mod errors;
mod fake;
mod formats;
mod tiling;
mod window;
mod yuv;
