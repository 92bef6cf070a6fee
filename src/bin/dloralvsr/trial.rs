//! How long a model takes for a small picture.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gstdloralvsr::restore::{Frame, PixelLayout, PixelView, RestoreError, Settings, Stream};
use gstdloralvsr::runtime::Model;

/// The picture that is restored.
pub const WIDTH: usize = 320;
pub const HEIGHT: usize = 180;
pub const PIXELS: usize = WIDTH * HEIGHT;

/// The median of the frames that are restored until `least` is over, at least one; the first two, which open what is opened
/// late, do not count.
///
/// # Errors
/// The model cannot restore.
pub fn frame_time(model: &Arc<Model>, least: Duration) -> Result<Duration, RestoreError> {
    let mut stream = Stream::new(model.clone(), model.manifest(), Settings::default())?;
    let pixels: Vec<u8> = (0..PIXELS * 3).map(|at| (at * at / 97) as u8).collect();
    let frame = Frame::read(&PixelView::new(&pixels, WIDTH, HEIGHT, WIDTH * 3, PixelLayout::Rgb)?)?;
    let mut picture = Vec::new();
    for _ in 0..2 {
        stream.restore_frame(&frame, &mut picture)?;
    }
    let (begun, mut times) = (Instant::now(), Vec::new());
    while times.is_empty() || begun.elapsed() < least {
        let started = Instant::now();
        stream.restore_frame(&frame, &mut picture)?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}
