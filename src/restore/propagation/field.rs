//! A flow at the frame's size, with how far it is to be believed.

use super::flow::Flow;
use super::plane::Plane;

/// Samples on either side that say whether a place is the same.
const REACH: usize = 2;
/// Samples on either side that say how bright it is. With none the noise of both frames would show; with more, pictures
/// would be further from the truth where something moves fast.
const AROUND: usize = 1;
/// Mean difference, in levels, from which on a place is believed less.
const GOOD: f32 = 3.0;
/// Mean difference from which on it is not believed.
const BAD: f32 = 9.0;

/// Where each pixel of a frame lies in another.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Place {
    pub across: f32,
    pub down: f32,
    /// By how much it is brighter here, in levels, with what is around it.
    pub brighter: f32,
    /// From 0 to 1, whether it lies there.
    pub confidence: f32,
}

/// The places of all pixels of `from` in `to`.
pub fn field(flow: &Flow, from: &Plane, to: &Plane) -> Vec<Place> {
    let mut field = enlarged(flow, from.width, from.height);
    let mut differences = vec![0.0; field.len()];
    for y in 0..from.height {
        for x in 0..from.width {
            let at = y * from.width + x;
            let (across, down) = (x as f32 + field[at].across, y as f32 + field[at].down);
            differences[at] = from.values[at] - to.at(across, down);
        }
    }
    let brighter = averaged(&differences, from.width, from.height, AROUND);
    differences
        .iter_mut()
        .for_each(|difference| *difference = difference.abs());
    let unlike = averaged(&differences, from.width, from.height, REACH);
    for (place, (brighter, unlike)) in field.iter_mut().zip(brighter.into_iter().zip(unlike)) {
        place.brighter = brighter;
        place.confidence = ((BAD - unlike) / (BAD - GOOD)).clamp(0.0, 1.0);
    }
    field
}

/// The flow's vectors between its samples, in pixels.
fn enlarged(flow: &Flow, width: usize, height: usize) -> Vec<Place> {
    let axis = |length: usize, samples: usize| -> Vec<(usize, usize, f32)> {
        (0..length)
            .map(|at| {
                let place = ((at as f32 + 0.5) / flow.scale - 0.5).clamp(0.0, (samples - 1) as f32);
                let first = place as usize;
                (first, (first + 1).min(samples - 1), place - first as f32)
            })
            .collect()
    };
    let (columns, rows) = (axis(width, flow.width), axis(height, flow.height));
    let mut places = Vec::with_capacity(width * height);
    for (top, bottom, down) in rows {
        let upper = &flow.vectors[top * flow.width..][..flow.width];
        let lower = &flow.vectors[bottom * flow.width..][..flow.width];
        places.extend(columns.iter().map(|(left, right, across)| {
            let mix = |part: usize| {
                let upper = upper[*left][part] + (upper[*right][part] - upper[*left][part]) * across;
                let lower = lower[*left][part] + (lower[*right][part] - lower[*left][part]) * across;
                (upper + (lower - upper) * down) * flow.scale
            };
            Place {
                across: mix(0),
                down: mix(1),
                ..Place::default()
            }
        }));
    }
    places
}

/// The mean around each value, so many on either side, of those that there are.
fn averaged(values: &[f32], width: usize, height: usize, reach: usize) -> Vec<f32> {
    let mut across = vec![0.0; values.len()];
    for (row, sums) in values.chunks_exact(width).zip(across.chunks_exact_mut(width)) {
        average(width, reach, |at| row[at], |at, mean| sums[at] = mean);
    }
    let mut means = vec![0.0; values.len()];
    for x in 0..width {
        average(
            height,
            reach,
            |at| across[at * width + x],
            |at, mean| means[at * width + x] = mean,
        );
    }
    means
}

/// A running mean along an axis.
fn average(length: usize, reach: usize, value: impl Fn(usize) -> f32, mut set: impl FnMut(usize, f32)) {
    let (mut sum, mut count) = (0.0, 0);
    for at in 0..length + reach {
        if at < length {
            sum += value(at);
            count += 1;
        }
        if at > 2 * reach {
            sum -= value(at - 2 * reach - 1);
            count -= 1;
        }
        if at >= reach {
            set(at - reach, sum / count as f32);
        }
    }
}
