//! The pack `tests/packs/nearest` by hand, as tests/packs/README.md defines it, without tiles.

use super::picture::Picture;
use gstdloralvsr::restore::SCALE;

/// What the pack makes of `current` after `previous`, red, green and blue of every output pixel, row by row.
pub fn restored(current: &Picture, previous: &Picture) -> Vec<[u8; 3]> {
    let (width, height) = (current.width.div_ceil(2), current.height.div_ceil(2));
    let samples = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let latents: Vec<_> = samples.map(|(x, y)| restored_latent(current, previous, x, y)).collect();
    let mut pixels = Vec::new();
    for y in 0..current.height * SCALE {
        for x in 0..current.width * SCALE {
            let latent = latents[y / 8 * width + x / 8];
            let frame = current.rgb(x / SCALE, y / SCALE);
            pixels.push([0, 1, 2].map(|c| decoded(frame[c], latent[c])));
        }
    }
    pixels
}

/// Red, green and blue of every pixel.
pub fn pixels(picture: &Picture) -> Vec<[u8; 3]> {
    let (width, height) = (picture.width, picture.height);
    (0..height)
        .flat_map(|y| (0..width).map(move |x| picture.rgb(x, y)))
        .collect()
}

fn restored_latent(current: &Picture, previous: &Picture, x: usize, y: usize) -> [f64; 3] {
    [0, 1, 2].map(|c| {
        let mean = 0.5 * block_mean(current, x, y, c) + 0.5 * block_mean(previous, x, y, c);
        mean + 0.25 * (sample(current, 2 * x, 2 * y, c) - sample(previous, 2 * x, 2 * y, c))
    })
}

fn block_mean(picture: &Picture, x: usize, y: usize, c: usize) -> f64 {
    let corners = [(0, 0), (1, 0), (0, 1), (1, 1)];
    corners
        .iter()
        .map(|(dx, dy)| sample(picture, 2 * x + dx, 2 * y + dy, c))
        .sum::<f64>()
        / 4.0
}

/// A sample, or that of the nearest edge.
fn sample(picture: &Picture, x: usize, y: usize, c: usize) -> f64 {
    f64::from(picture.rgb(x.min(picture.width - 1), y.min(picture.height - 1))[c])
}

fn decoded(frame: u8, latent: f64) -> u8 {
    (0.5 * f64::from(frame) + 0.5 * latent + 1.0 / 64.0).round() as u8
}
