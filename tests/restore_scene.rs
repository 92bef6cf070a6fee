//! Scene scores of pictures whose relation is known.

use gstdloralvsr::restore::scene::{DEFAULT_THRESHOLD, Digest, score};

const WIDTH: usize = 160;
const HEIGHT: usize = 90;

/// A smooth picture with structure of its own, moved by `shift` pixels.
fn scene(kind: u32, shift: f64, gain: f64) -> Vec<u8> {
    let mut picture = Vec::with_capacity(WIDTH * HEIGHT * 3);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let (x, y) = (x as f64 + shift, y as f64);
            let (a, b) = if kind == 0 {
                (x / 23.0, y / 17.0)
            } else {
                (y / 11.0 + x / 60.0, x / 41.0)
            };
            let base = if kind == 0 {
                [150.0, 110.0, 60.0]
            } else {
                [50.0, 90.0, 160.0]
            };
            let wave = 45.0 * a.sin() * b.cos();
            picture.extend(base.map(|level: f64| ((level + wave) * gain) as u8));
        }
    }
    picture
}

fn digest(picture: &[u8]) -> Digest {
    Digest::new(picture, WIDTH, HEIGHT, WIDTH * 3)
}

#[test]
fn another_scene_is_a_cut_and_motion_is_not() {
    let here = digest(&scene(0, 0.0, 1.0));
    assert_eq!(score(&here, &here), 0.0);
    assert!(
        score(&here, &digest(&scene(0, 3.0, 1.0))) < DEFAULT_THRESHOLD / 2.0,
        "a pan"
    );
    assert!(
        score(&here, &digest(&scene(0, 0.0, 1.5))) < DEFAULT_THRESHOLD / 2.0,
        "a flash"
    );
    let there = digest(&scene(1, 0.0, 1.0));
    assert!(score(&here, &there) > 2.0 * DEFAULT_THRESHOLD, "a cut");
    assert_eq!(score(&here, &there), score(&there, &here));
}

#[test]
fn black_to_a_picture_is_a_cut_and_noise_on_black_is_not() {
    let black = vec![0; WIDTH * HEIGHT * 3];
    let noise: Vec<u8> = (0..black.len()).map(|at| (at * 7 % 5) as u8).collect();
    assert!(score(&digest(&black), &digest(&scene(0, 0.0, 1.0))) > 2.0 * DEFAULT_THRESHOLD);
    assert!(score(&digest(&black), &digest(&noise)) < 0.01);
}

#[test]
fn scores_are_from_0_to_1_at_every_size_and_stride() {
    for (width, height) in [(1, 1), (16, 16), (17, 33), (1000, 20), (31, 700)] {
        let stride = width * 3 + 5;
        let white = vec![255; stride * height];
        let mut ramp: Vec<u8> = (0..stride * height).map(|at| (at * 251 / 97) as u8).collect();
        let reference = Digest::new(&ramp, width, height, stride);
        let value = score(&reference, &Digest::new(&white, width, height, stride));
        assert!((0.0..=1.0).contains(&value), "{width}x{height}: {value}");
        // What lies between rows has no say.
        ramp.chunks_mut(stride).for_each(|row| row[width * 3..].fill(77));
        assert_eq!(reference, Digest::new(&ramp, width, height, stride));
    }
}
