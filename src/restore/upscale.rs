//! Bicubic upscaling ×4, equal to Pillow's bit for bit.
//!
//! Pillow resamples in two passes, across and then down, each rounding to u8, with the kernel of a = -0.5
//! (Catmull-Rom) in 22-bit fixed point. `fast_image_resize` does the same in 15 bits and, asked for both directions at
//! once, down first; so it is called for one direction at a time. Inside the picture the four phases' weights are
//! multiples of 1/1024 and exact in either precision. Within six samples of an edge they are not, because
//! the kernel is cut there and normalised again: those samples are computed here, with Pillow's arithmetic.

use fast_image_resize as fir;

use super::{RestoreError, SCALE};

/// Output samples at either end of an axis whose kernel reaches over the edge.
const BORDER: usize = 6;
/// Fractional bits of Pillow's weights for 8-bit pictures.
const PRECISION: u32 = 22;
/// Input samples on either side of a point that the kernel covers.
const SUPPORT: f64 = 2.0;

/// What a sample of a picture to be upscaled is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Samples {
    /// One byte: an alpha plane, or gray.
    Single,
    /// Three bytes: packed RGB.
    Rgb,
}

impl Samples {
    const fn bytes(self) -> usize {
        match self {
            Samples::Single => 1,
            Samples::Rgb => 3,
        }
    }

    const fn pixel_type(self) -> fir::PixelType {
        match self {
            Samples::Single => fir::PixelType::U8,
            Samples::Rgb => fir::PixelType::U8x3,
        }
    }
}

/// Upscales pictures ×4; keeps its scratch memory from one to the next.
#[derive(Debug, Default)]
pub struct Upscaler {
    resizer: fir::Resizer,
    /// The picture after the pass across, 4·width by height.
    wide: Vec<u8>,
}

impl Upscaler {
    /// An upscaler that has no memory yet.
    pub fn new() -> Upscaler {
        Upscaler::default()
    }

    /// Upscales a packed picture of `width`×`height` pixels into a packed one of 4·width by 4·height.
    ///
    /// # Errors
    /// [`RestoreError::Picture`] if a side is 0 or beyond 2³⁰, or if a slice is not exactly as long as its picture.
    pub fn upscale(
        &mut self,
        picture: &[u8],
        width: usize,
        height: usize,
        samples: Samples,
        output: &mut [u8],
    ) -> Result<(), RestoreError> {
        check(picture.len(), width, height, samples)?;
        check(output.len(), width * SCALE, height * SCALE, samples)?;
        self.wide.resize(picture.len() * SCALE, 0);
        let options = fir::ResizeOptions::new()
            .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::CatmullRom))
            .use_alpha(false);

        let wide_size = [width * SCALE, height];
        let pass = resize(
            &mut self.resizer,
            samples,
            (picture, [width, height]),
            (&mut self.wide, wide_size),
            &options,
        );
        pass.map_err(|_| picture_error(picture.len(), width, height, samples))?;
        mend_columns(picture, width, samples, &mut self.wide);

        let output_length = output.len();
        let output_size = [width * SCALE, height * SCALE];
        let pass = resize(
            &mut self.resizer,
            samples,
            (&self.wide, wide_size),
            (output, output_size),
            &options,
        );
        pass.map_err(|_| picture_error(output_length, width * SCALE, height * SCALE, samples))?;
        mend_rows(&self.wide, height, width * SCALE * samples.bytes(), output);
        Ok(())
    }
}

/// One pass of the library.
fn resize(
    resizer: &mut fir::Resizer,
    samples: Samples,
    (from, from_size): (&[u8], [usize; 2]),
    (to, to_size): (&mut [u8], [usize; 2]),
    options: &fir::ResizeOptions,
) -> Result<(), Box<dyn std::error::Error>> {
    let [from_width, from_height] = from_size.map(u32::try_from);
    let [to_width, to_height] = to_size.map(u32::try_from);
    let from = fir::images::ImageRef::new(from_width?, from_height?, from, samples.pixel_type())?;
    let mut to = fir::images::Image::from_slice_u8(to_width?, to_height?, to, samples.pixel_type())?;
    Ok(resizer.resize(&from, &mut to, options)?)
}

fn check(available: usize, width: usize, height: usize, samples: Samples) -> Result<(), RestoreError> {
    let expected = width
        .checked_mul(height)
        .and_then(|pixels| pixels.checked_mul(samples.bytes()));
    let fits = width.max(height) <= 1 << 30 && expected.is_some_and(|bytes| bytes > 0 && bytes == available);
    if fits {
        Ok(())
    } else {
        Err(picture_error(available, width, height, samples))
    }
}

fn picture_error(available: usize, width: usize, height: usize, samples: Samples) -> RestoreError {
    let bytes_per_pixel = samples.bytes();
    RestoreError::Picture {
        width,
        height,
        stride: width.saturating_mul(bytes_per_pixel),
        bytes_per_pixel,
        available,
    }
}

/// Output samples of an axis, of `length` input samples, that the library does not give exactly.
fn border(length: usize) -> impl Iterator<Item = usize> {
    let output = length * SCALE;
    let first = BORDER.min(output);
    (0..first).chain(first.max(output - first)..output)
}

/// Computes the border columns of `wide` from `picture`, row by row.
fn mend_columns(picture: &[u8], width: usize, samples: Samples, wide: &mut [u8]) {
    let bytes = samples.bytes();
    let kernels: Vec<_> = border(width)
        .map(|column| (column, Kernel::new(column, width)))
        .collect();
    for (from, to) in picture
        .chunks_exact(width * bytes)
        .zip(wide.chunks_exact_mut(width * SCALE * bytes))
    {
        for (column, kernel) in &kernels {
            for byte in 0..bytes {
                let sum = kernel
                    .taps()
                    .map(|(at, weight)| i32::from(from[at * bytes + byte]) * weight)
                    .sum();
                to[column * bytes + byte] = round(sum);
            }
        }
    }
}

/// Computes the border rows of `output` from `wide`; a row has `stride` bytes.
fn mend_rows(wide: &[u8], height: usize, stride: usize, output: &mut [u8]) {
    let mut sums = vec![0_i32; stride];
    for row in border(height) {
        sums.fill(0);
        for (at, weight) in Kernel::new(row, height).taps() {
            let from = &wide[at * stride..(at + 1) * stride];
            sums.iter_mut()
                .zip(from)
                .for_each(|(sum, value)| *sum += i32::from(*value) * weight);
        }
        let to = &mut output[row * stride..(row + 1) * stride];
        to.iter_mut().zip(&sums).for_each(|(value, sum)| *value = round(*sum));
    }
}

fn round(sum: i32) -> u8 {
    ((sum + (1 << (PRECISION - 1))) >> PRECISION).clamp(0, 255) as u8
}

/// The weights of one output sample, computed in the order in which Pillow computes them.
struct Kernel {
    start: usize,
    weights: Vec<i32>,
}

impl Kernel {
    /// Of output sample `at` on an axis of `length` input samples.
    fn new(at: usize, length: usize) -> Kernel {
        let center = (at as f64 + 0.5) / SCALE as f64;
        // Casts of a float truncate and saturate: what lies before the first sample becomes 0.
        let start = (center - SUPPORT + 0.5) as usize;
        let end = ((center + SUPPORT + 0.5) as usize).min(length);
        let weights: Vec<f64> = (start..end).map(|tap| bicubic(tap as f64 - center + 0.5)).collect();
        let total: f64 = weights.iter().sum();
        let fixed = |weight: &f64| (weight / total * f64::from(1 << PRECISION)).round() as i32;
        Kernel {
            start,
            weights: weights.iter().map(fixed).collect(),
        }
    }

    fn taps(&self) -> impl Iterator<Item = (usize, i32)> + '_ {
        self.weights
            .iter()
            .enumerate()
            .map(|(index, weight)| (self.start + index, *weight))
    }
}

/// The cubic convolution kernel with a = -0.5.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < SUPPORT {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}
