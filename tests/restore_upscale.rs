//! The upscaler against Pillow, bit for bit.

use gstdloralvsr::restore::RestoreError;
use gstdloralvsr::restore::upscale::{Samples, Upscaler};
use ndarray::Array3;
use ndarray_npy::NpzReader;

#[test]
fn equals_pillow_bit_for_bit() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/bicubic.npz");
    let mut archive = NpzReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let names: Vec<String> = archive.names().unwrap();
    let cases: Vec<&str> = names
        .iter()
        .filter_map(|name| name.trim_end_matches(".npy").strip_suffix("_in"))
        .collect();
    assert_eq!(cases.len(), 10);
    // One for all: what an earlier picture left in its memory must not show.
    let mut upscaler = Upscaler::new();
    for case in cases {
        let picture: Array3<u8> = archive.by_name(&format!("{case}_in")).unwrap();
        let expected: Array3<u8> = archive.by_name(&format!("{case}_out")).unwrap();
        let (height, width, channels) = picture.dim();
        let samples = if channels == 3 { Samples::Rgb } else { Samples::Single };
        let mut output = vec![0; expected.len()];
        upscaler
            .upscale(picture.as_slice().unwrap(), width, height, samples, &mut output)
            .unwrap();
        let wrong = output.iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert_eq!(wrong, 0, "{case}: values that differ from Pillow's");
    }
}

#[test]
fn refuses_slices_of_another_size() {
    let mut upscaler = Upscaler::new();
    let mut output = vec![0; 4 * 16 * 3];
    for (length, width, height) in [(11, 2, 2), (13, 2, 2), (0, 0, 2), (12, 2, 1)] {
        let result = upscaler.upscale(&vec![0; length], width, height, Samples::Rgb, &mut output);
        assert!(
            matches!(result, Err(RestoreError::Picture { .. })),
            "{length} bytes for {width}x{height}"
        );
    }
    assert!(upscaler.upscale(&[0; 12], 2, 2, Samples::Rgb, &mut output).is_ok());
}
