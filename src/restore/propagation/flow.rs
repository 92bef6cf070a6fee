//! Optical flow between two frames by dense inverse search, without its variational refinement (Kroeger et al., "Fast
//! Optical Flow using Dense Inverse Search", ECCV 2016): patches of one frame are aligned with the other by gradient
//! descent, from coarse to fine, and each pixel takes the mean of the patches that cover it.

use super::plane::{Plane, Pyramid};

/// Side of a patch, samples.
const PATCH: usize = 8;
/// Samples of a patch.
const AREA: usize = PATCH * PATCH;
/// Samples from one patch to the next.
const STRIDE: usize = 4;
/// Shortest side of the coarsest level.
pub const SMALLEST: usize = PATCH + 2;
/// The finest level has at most so many samples: larger ones cost more than they show.
const MOST_SAMPLES: usize = 20_000;
/// Steps of a patch at a level.
const STEPS: usize = 8;
/// A step shorter than this, in samples, is the last one.
const SHORT: f32 = 0.02;
/// A patch that wanders off further than this from where it began, in samples, has lost its way.
const FARTHEST: f32 = PATCH as f32;

/// Where each sample of one plane lies in another, in samples of the finest level that was looked at.
#[derive(Debug)]
pub struct Flow {
    pub width: usize,
    pub height: usize,
    /// Samples of the full size for one of this.
    pub scale: f32,
    /// Across and down.
    pub vectors: Vec<[f32; 2]>,
}

/// Where each sample of `from` lies in `to`, planes of one size.
pub fn flow(from: &Pyramid, to: &Pyramid) -> Flow {
    let samples = |plane: &Plane| plane.width * plane.height;
    let coarsest = from.0.len() - 1;
    let finest = from.0.iter().position(|plane| samples(plane) <= MOST_SAMPLES);
    let finest = finest.unwrap_or(coarsest);
    let mut flow = still(&from.0[coarsest], (1 << coarsest) as f32);
    for level in (finest..=coarsest).rev() {
        let scale = (1 << level) as f32;
        flow = refine(&from.0[level], &to.0[level], &flow, scale);
    }
    flow
}

/// No motion.
fn still(plane: &Plane, scale: f32) -> Flow {
    Flow {
        width: plane.width,
        height: plane.height,
        scale,
        vectors: vec![[0.0; 2]; plane.width * plane.height],
    }
}

impl Flow {
    /// The vector at a sample, of a level `ratio` times as fine, in its samples.
    fn nearest(&self, x: usize, y: usize, ratio: f32) -> [f32; 2] {
        let (x, y) = ((x as f32 / ratio) as usize, (y as f32 / ratio) as usize);
        let vector = self.vectors[y.min(self.height - 1) * self.width + x.min(self.width - 1)];
        vector.map(|part| part * ratio)
    }
}

/// The flow of one level, from that of the one before.
fn refine(from: &Plane, to: &Plane, coarse: &Flow, scale: f32) -> Flow {
    let ratio = coarse.scale / scale;
    let (columns, rows) = (starts(from.width), starts(from.height));
    let mut sums = Sums::new(from);
    // Of the row of patches above, and of this one so far.
    let mut found = vec![None::<[f32; 2]>; columns.len()];
    for y in &rows {
        let mut left = None;
        for (x, above) in columns.iter().zip(&mut found) {
            let patch = Patch::new(from, *x, *y);
            let expected = coarse.nearest(x + PATCH / 2, y + PATCH / 2, ratio);
            let begin = patch.best(to, [Some(expected), left, *above]);
            let (vector, difference) = patch.align(to, begin);
            sums.add(*x, *y, vector, &difference);
            (left, *above) = (Some(vector), Some(vector));
        }
    }
    sums.flow(scale)
}

/// Where patches begin on an axis of `length` samples: the last one ends with it.
fn starts(length: usize) -> Vec<usize> {
    let last = length.saturating_sub(PATCH);
    let mut starts: Vec<usize> = (0..last).step_by(STRIDE).collect();
    starts.push(last);
    starts
}

/// A patch of the frame whose flow is looked for.
struct Patch {
    x: usize,
    y: usize,
    values: [f32; AREA],
    /// Differences across and down, less their means.
    across: [f32; AREA],
    down: [f32; AREA],
    /// The inverse of their products' sums; none in a flat patch, or one of straight lines, which shows no motion.
    inverse: Option<[f32; 3]>,
}

impl Patch {
    fn new(plane: &Plane, x: usize, y: usize) -> Patch {
        let values = block(plane, x as f32, y as f32);
        let (mut across, mut down) = ([0.0; AREA], [0.0; AREA]);
        for row in 0..PATCH {
            let at = y + row;
            let (above, below) = (
                plane.row(at.saturating_sub(1)),
                plane.row((at + 1).min(plane.height - 1)),
            );
            let line = plane.row(at);
            for column in 0..PATCH {
                let (left, right) = ((x + column).saturating_sub(1), (x + column + 1).min(plane.width - 1));
                across[row * PATCH + column] = (line[right] - line[left]) / 2.0;
                down[row * PATCH + column] = (below[x + column] - above[x + column]) / 2.0;
            }
        }
        center(&mut across);
        center(&mut down);
        let (xx, xy, yy) = (dot(&across, &across), dot(&across, &down), dot(&down, &down));
        // A little is added to the diagonal: along a line a patch keeps the place at which it began.
        let (xx, yy) = (xx + AREA as f32 * 0.05, yy + AREA as f32 * 0.05);
        let determinant = xx * yy - xy * xy;
        let inverse = (determinant > f32::EPSILON).then(|| [yy / determinant, -xy / determinant, xx / determinant]);
        Patch {
            x,
            y,
            values,
            across,
            down,
            inverse,
        }
    }

    /// The vector of some by which the patch is most like the other frame.
    fn best(&self, to: &Plane, vectors: [Option<[f32; 2]>; 3]) -> [f32; 2] {
        let [first, rest @ ..] = vectors;
        let mut best = first.unwrap_or_default();
        let mut least = self.distance(&self.difference(to, best));
        for vector in rest.into_iter().flatten().filter(|vector| Some(*vector) != first) {
            let distance = self.distance(&self.difference(to, vector));
            if distance < least {
                (best, least) = (vector, distance);
            }
        }
        best
    }

    /// The vector after some steps, and what of the patch differs there.
    fn align(&self, to: &Plane, begin: [f32; 2]) -> ([f32; 2], [f32; AREA]) {
        let mut vector = begin;
        let mut difference = self.difference(to, vector);
        let Some([xx, xy, yy]) = self.inverse else {
            return (vector, difference);
        };
        let mut least = self.distance(&difference);
        for _ in 0..STEPS {
            let (a, b) = (dot(&self.across, &difference), dot(&self.down, &difference));
            let step = [xx * a + xy * b, xy * a + yy * b];
            let next = [vector[0] - step[0], vector[1] - step[1]];
            if squared([next[0] - begin[0], next[1] - begin[1]]) > FARTHEST * FARTHEST {
                break;
            }
            let there = self.difference(to, next);
            let distance = self.distance(&there);
            if distance >= least {
                break;
            }
            (vector, difference, least) = (next, there, distance);
            if squared(step) < SHORT * SHORT {
                break;
            }
        }
        (vector, difference)
    }

    /// What differs between the patch and its place in the other frame, less its mean: light may change.
    fn difference(&self, to: &Plane, vector: [f32; 2]) -> [f32; AREA] {
        let mut difference = block(to, self.x as f32 + vector[0], self.y as f32 + vector[1]);
        for (there, here) in difference.iter_mut().zip(&self.values) {
            *there -= here;
        }
        center(&mut difference);
        difference
    }

    fn distance(&self, difference: &[f32; AREA]) -> f32 {
        dot(difference, difference)
    }
}

/// The samples of a patch at a place between samples, which is moved into the plane.
fn block(plane: &Plane, x: f32, y: f32) -> [f32; AREA] {
    let limit = |at: f32, length: usize| at.clamp(0.0, (length - PATCH) as f32);
    let (x, y) = (limit(x, plane.width), limit(y, plane.height));
    // One less than the last place, so that there is a sample after it.
    let whole = |at: f32, length: usize| (at as usize).min((length - PATCH).saturating_sub(1));
    let (left, top) = (whole(x, plane.width), whole(y, plane.height));
    let (across, down) = (x - left as f32, y - top as f32);
    let weights = [
        (1.0 - across) * (1.0 - down),
        across * (1.0 - down),
        (1.0 - across) * down,
        across * down,
    ];
    let mut values = [0.0; AREA];
    for (row, values) in values.as_chunks_mut::<PATCH>().0.iter_mut().enumerate() {
        let upper = &plane.row(top + row)[left..=left + PATCH];
        let lower = &plane.row(top + row + 1)[left..=left + PATCH];
        for (at, value) in values.iter_mut().enumerate() {
            *value = weights[0] * upper[at]
                + weights[1] * upper[at + 1]
                + weights[2] * lower[at]
                + weights[3] * lower[at + 1];
        }
    }
    values
}

/// Of a vector's length.
fn squared(vector: [f32; 2]) -> f32 {
    vector[0] * vector[0] + vector[1] * vector[1]
}

/// Takes the mean off.
fn center(values: &mut [f32; AREA]) {
    let mean = values.iter().sum::<f32>() / AREA as f32;
    values.iter_mut().for_each(|value| *value -= mean);
}

fn dot(a: &[f32; AREA], b: &[f32; AREA]) -> f32 {
    // Eight sums side by side, which the compiler makes a vector of.
    let mut sums = [0.0; PATCH];
    for (a, b) in a.as_chunks::<PATCH>().0.iter().zip(b.as_chunks::<PATCH>().0) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// What the patches say of each sample: a weight, and weighted vectors.
struct Sums {
    width: usize,
    height: usize,
    values: Vec<[f32; 3]>,
}

impl Sums {
    fn new(plane: &Plane) -> Sums {
        Sums {
            width: plane.width,
            height: plane.height,
            values: vec![[0.0; 3]; plane.width * plane.height],
        }
    }

    /// The less a sample differs there, the more a patch's vector counts for it.
    fn add(&mut self, x: usize, y: usize, vector: [f32; 2], difference: &[f32; AREA]) {
        for (row, difference) in difference.as_chunks::<PATCH>().0.iter().enumerate() {
            let start = (y + row) * self.width + x;
            for (sum, difference) in self.values[start..start + PATCH].iter_mut().zip(difference) {
                let weight = 1.0 / difference.abs().max(1.0);
                sum[0] += weight;
                sum[1] += weight * vector[0];
                sum[2] += weight * vector[1];
            }
        }
    }

    fn flow(self, scale: f32) -> Flow {
        // Every sample is covered by a patch, so no weight is 0.
        let mean = |[weight, across, down]: &[f32; 3]| [across / weight, down / weight];
        Flow {
            width: self.width,
            height: self.height,
            scale,
            vectors: self.values.iter().map(mean).collect(),
        }
    }
}
