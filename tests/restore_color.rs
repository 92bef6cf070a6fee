//! The colour fixes against the reference's golden cases, and their plain properties.

use gstdloralvsr::restore::color::{Wavelet, adain};
use ndarray::Array3;
use ndarray_npy::NpzReader;

struct Case {
    width: usize,
    restored: Vec<u8>,
    reference: Vec<u8>,
    adain: Vec<u8>,
    wavelet: Vec<u8>,
}

fn cases() -> [Case; 2] {
    ["64x48", "97x75"].map(|size| {
        let path = format!("{}/tests/golden/color_fix_{size}.npz", env!("CARGO_MANIFEST_DIR"));
        let mut archive = NpzReader::new(std::fs::File::open(path).unwrap()).unwrap();
        let mut tensor = |name: &str| -> Array3<u8> { archive.by_name(name).unwrap() };
        Case {
            width: tensor("restored").dim().1,
            restored: tensor("restored").into_raw_vec_and_offset().0,
            reference: tensor("reference").into_raw_vec_and_offset().0,
            adain: tensor("adain").into_raw_vec_and_offset().0,
            wavelet: tensor("wavelet").into_raw_vec_and_offset().0,
        }
    })
}

fn largest_difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// The reference truncates to u8 where this rounds.
const TOLERANCE: u8 = 1;

#[test]
fn adain_is_the_references() {
    for case in cases() {
        let mut picture = case.restored.clone();
        adain(&mut picture, &case.reference);
        assert!(largest_difference(&picture, &case.adain) <= TOLERANCE);
        assert!(
            largest_difference(&picture, &case.restored) > 10,
            "the case would not show a missing fix"
        );
    }
}

#[test]
fn wavelet_is_the_references() {
    let mut wavelet = Wavelet::default();
    for case in cases() {
        let mut picture = case.restored.clone();
        wavelet.apply(&mut picture, &case.reference, case.width);
        assert!(largest_difference(&picture, &case.wavelet) <= TOLERANCE);
        assert!(
            largest_difference(&picture, &case.restored) > 10,
            "the case would not show a missing fix"
        );
    }
}

/// A pattern without symmetries.
fn pattern(length: usize, factor: usize) -> Vec<u8> {
    (0..length).map(|at| ((at * factor) ^ (at >> 5)) as u8).collect()
}

#[test]
fn a_picture_that_is_its_own_reference_stays() {
    for (width, height) in [(64, 300), (5, 700), (1, 1)] {
        let picture = pattern(width * height * 3, 29);
        let mut fixed = picture.clone();
        adain(&mut fixed, &picture);
        assert_eq!(fixed, picture, "AdaIN, {width}x{height}");
        Wavelet::default().apply(&mut fixed, &picture, width);
        assert_eq!(fixed, picture, "wavelet, {width}x{height}");
    }
}

#[test]
fn statistics_hold_beyond_32_bits() {
    // White has the largest squares; one channel is dark, so that a swap of channels would show.
    let mut picture: Vec<u8> = [255, 255, 3].repeat(3_000_000);
    let reference: Vec<u8> = [100, 200, 50].repeat(3_000_000);
    adain(&mut picture, &reference);
    assert!(picture.as_chunks::<3>().0.iter().all(|pixel| *pixel == [100, 200, 50]));
}

/// The decomposition as it is defined, of one whole picture in f64.
fn low_frequencies(picture: &[u8], width: usize, height: usize) -> Vec<f64> {
    let mut values: Vec<f64> = picture.iter().map(|value| f64::from(*value)).collect();
    for radius in [1, 2, 4, 8, 16_isize] {
        let from = values.clone();
        for (at, value) in values.iter_mut().enumerate() {
            let (y, x, channel) = (at / 3 / width, at / 3 % width, at % 3);
            let mut sum = 0.0;
            for (down, weight_down) in [(-radius, 1.0), (0, 2.0), (radius, 1.0)] {
                for (across, weight_across) in [(-radius, 1.0), (0, 2.0), (radius, 1.0)] {
                    let row = (y as isize + down).clamp(0, height as isize - 1) as usize;
                    let column = (x as isize + across).clamp(0, width as isize - 1) as usize;
                    sum += from[(row * width + column) * 3 + channel] * weight_down * weight_across;
                }
            }
            *value = sum / 16.0;
        }
    }
    values
}

#[test]
fn bands_of_the_wavelet_do_not_show() {
    let (width, height) = (37, 401);
    let (picture, reference) = (pattern(width * height * 3, 7), pattern(width * height * 3, 91));
    let mut fixed = picture.clone();
    Wavelet::default().apply(&mut fixed, &reference, width);
    let (own, wanted) = (
        low_frequencies(&picture, width, height),
        low_frequencies(&reference, width, height),
    );
    for at in 0..picture.len() {
        let exact = (f64::from(picture[at]) - own[at] + wanted[at]).clamp(0.0, 255.0);
        assert!(
            (exact - f64::from(fixed[at])).abs() <= 0.501,
            "value {at}: {} for {exact}",
            fixed[at]
        );
    }
}
