//! A restored frame's luma, moved to where another frame shows it.

use super::field::Place;
use crate::restore::SCALE;

/// Luma of a restored picture, of 4W×4H pixels.
#[derive(Debug)]
pub struct Detail {
    width: usize,
    height: usize,
    values: Vec<u8>,
}

impl Detail {
    /// Of a tight RGB picture of `width`×`height` pixels.
    pub fn new(restored: &[u8], width: usize, height: usize) -> Detail {
        // The weights' sum is 256: no overflow.
        let luma = |pixel: &[u8; 3]| (luma(pixel) >> 8) as u8;
        Detail {
            width,
            height,
            values: restored.as_chunks::<3>().0.iter().map(luma).collect(),
        }
    }

    /// Gives the bicubic picture of another frame this luma, where its pixels lie at `field` in this one's.
    pub fn show(&self, field: &[Place], bicubic: &mut [u8]) {
        let columns = self.width / SCALE;
        let mut places = vec![Place::default(); columns];
        for (y, row) in bicubic.chunks_exact_mut(self.width * 3).enumerate() {
            between_rows(field, columns, y, &mut places);
            for (x, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let place = between_columns(&places, x);
                if place.confidence > 0.0 {
                    let (across, down) = (place.across * SCALE as f32, place.down * SCALE as f32);
                    let wanted = self.at(x as f32 + across, y as f32 + down) + place.brighter;
                    let change = (wanted - luma(pixel) as f32 / 256.0) * place.confidence;
                    let change = change.round() as i16;
                    *pixel = pixel.map(|channel| (i16::from(channel) + change).clamp(0, 255) as u8);
                }
            }
        }
    }

    /// The value at a place between pixels; beyond the border that of the border.
    fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (
            x.clamp(0.0, (self.width - 2) as f32),
            y.clamp(0.0, (self.height - 2) as f32),
        );
        let (left, top) = (x as usize, y as usize);
        let (across, down) = (x - left as f32, y - top as f32);
        let start = top * self.width + left;
        let upper = &self.values[start..start + 2];
        let lower = &self.values[start + self.width..start + self.width + 2];
        let mix = |pair: &[u8]| f32::from(pair[0]) + (f32::from(pair[1]) - f32::from(pair[0])) * across;
        let upper = mix(upper);
        upper + (mix(lower) - upper) * down
    }
}

/// In 256ths of a level.
fn luma([red, green, blue]: &[u8; 3]) -> u32 {
    77 * u32::from(*red) + 150 * u32::from(*green) + 29 * u32::from(*blue)
}

/// Where output sample `at` lies between the frame's samples: the first one of two, and how far it is to the second.
fn between(at: usize) -> (usize, f32) {
    let place = ((at as f32 + 0.5) / SCALE as f32 - 0.5).max(0.0);
    (place as usize, place.fract())
}

fn mix(a: Place, b: Place, share: f32) -> Place {
    let mix = |a: f32, b: f32| a + (b - a) * share;
    Place {
        across: mix(a.across, b.across),
        down: mix(a.down, b.down),
        brighter: mix(a.brighter, b.brighter),
        confidence: mix(a.confidence, b.confidence),
    }
}

/// The places of output row `y`, one for each column of the frame.
fn between_rows(field: &[Place], columns: usize, y: usize, places: &mut [Place]) {
    let (first, share) = between(y);
    let rows = field.len() / columns;
    let row = |at: usize| &field[at.min(rows - 1) * columns..][..columns];
    for (place, (a, b)) in places.iter_mut().zip(row(first).iter().zip(row(first + 1))) {
        *place = mix(*a, *b, share);
    }
}

fn between_columns(places: &[Place], x: usize) -> Place {
    let (first, share) = between(x);
    mix(places[first], places[(first + 1).min(places.len() - 1)], share)
}
