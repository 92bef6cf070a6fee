//! By how much a model's colours differ from its input's, of a frame's pixels: without that, restored frames and those
//! with their detail would differ in colour, and flicker.

use super::field::averaged;
use super::plane::Plane;
use crate::restore::SCALE;

/// Pixels on either side over which colours are averaged, so that noise of the input does not show.
const REACH: usize = 2;

/// Red, green and blue of the restored picture less those of the frame, and less what both differ in luma.
#[derive(Debug)]
pub struct Colors([Plane; 3]);

impl Colors {
    /// Of a packed RGB picture restored from a packed RGB frame of `width`×`height` pixels.
    pub fn new(restored: &[u8], frame: &[u8], width: usize, height: usize) -> Colors {
        let mut differences = [const { Vec::new() }; 3];
        let row = width * SCALE * 3;
        for (rows, pixels) in restored.chunks_exact(row * SCALE).zip(frame.chunks_exact(width * 3)) {
            for (x, pixel) in pixels.as_chunks::<3>().0.iter().enumerate() {
                let difference = difference(rows, row, x, pixel);
                let luma = 0.299 * difference[0] + 0.587 * difference[1] + 0.114 * difference[2];
                for (differences, difference) in differences.iter_mut().zip(difference) {
                    differences.push(difference - luma);
                }
            }
        }
        Colors(differences.map(|values| Plane {
            width,
            height,
            values: averaged(&values, width, height, REACH),
        }))
    }

    /// At a place between pixels.
    pub fn at(&self, x: f32, y: f32) -> [f32; 3] {
        std::array::from_fn(|channel| self.0[channel].at(x, y))
    }
}

/// The mean of a block of the restored picture less the frame's pixel.
fn difference(rows: &[u8], row: usize, x: usize, pixel: &[u8; 3]) -> [f32; 3] {
    let mut sums = [0_u32; 3];
    for line in rows.chunks_exact(row) {
        for block in line[x * SCALE * 3..][..SCALE * 3].as_chunks::<3>().0 {
            sums.iter_mut()
                .zip(block)
                .for_each(|(sum, value)| *sum += u32::from(*value));
        }
    }
    std::array::from_fn(|channel| sums[channel] as f32 / (SCALE * SCALE) as f32 - f32::from(pixel[channel]))
}
