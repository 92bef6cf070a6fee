//! The core as a library, without GStreamer: frames in memory, four times as large ones back.
//!
//!     cargo run --release --no-default-features --example library
//!
//! writes `before.ppm` and `restored.ppm`. A program of its own has in Cargo.toml:
//!
//!     gst-plugin-dloralvsr = { git = "…", default-features = false }
//!
//! `restore_raw` is the same for frames of a pipe, with every option.

use std::error::Error;

use gstdloralvsr::pack::Pack;
use gstdloralvsr::restore::{PixelLayout, PixelView, PixelViewMut, SCALE, Settings, Stream};
use gstdloralvsr::runtime::{Model, ModelOptions};

const WIDTH: usize = 160;
const HEIGHT: usize = 96;

fn main() -> Result<(), Box<dyn Error>> {
    let pack = Pack::embedded()?;
    let model = Model::load(&pack, &ModelOptions::default(), &mut |_| {})?;
    println!("computed by {}", model.provider());
    // A stream keeps the frame before: one for each video.
    let mut stream = Stream::new(model, pack.manifest(), Settings::default())?;
    let (width, height) = (WIDTH * SCALE, HEIGHT * SCALE);
    let mut restored = vec![0; width * height * 3];
    let mut frame = Vec::new();
    for number in 0..3 {
        frame = draw(number);
        let view = PixelView::new(&frame, WIDTH, HEIGHT, WIDTH * 3, PixelLayout::Rgb)?;
        let mut into = PixelViewMut::new(&mut restored, width, height, width * 3, PixelLayout::Rgb)?;
        stream.restore(&view, &mut into)?;
    }
    write("before.ppm", WIDTH, HEIGHT, &frame)?;
    write("restored.ppm", width, height, &restored)?;
    Ok(())
}

/// Rings that move to the right, as packed RGB.
fn draw(number: usize) -> Vec<u8> {
    let pixel = |at: usize| {
        let (x, y) = ((at % WIDTH) as f32 - 60.0 - number as f32, (at / WIDTH) as f32 - 48.0);
        let ring = (x.hypot(y) * 0.5).sin() * 100.0 + 128.0;
        [ring as u8, 128, 255 - ring as u8]
    };
    (0..WIDTH * HEIGHT).flat_map(pixel).collect()
}

fn write(name: &str, width: usize, height: usize, pixels: &[u8]) -> std::io::Result<()> {
    let head = format!("P6 {width} {height} 255\n");
    std::fs::write(name, [head.as_bytes(), pixels].concat())
}
