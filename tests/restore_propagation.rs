//! Detail of a restored frame for those after it: what it gains where the picture moves, and that it is left out where
//! there is nothing to take.

use std::sync::Arc;

use gstdloralvsr::restore::{Frame, OutputWriter, PixelLayout, PixelView, PixelViewMut, SCALE};

const WIDTH: usize = 96;
const HEIGHT: usize = 64;

/// A scene in fine detail, of which frames are parts.
struct Scene {
    seed: u32,
}

impl Scene {
    /// From 0 to 255.
    fn luma(&self, x: i32, y: i32) -> u8 {
        // Noise of two sizes: patches to be found again, and detail that the small frame does not have.
        let noise = |x: i32, y: i32| {
            let mut hash = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77) ^ self.seed;
            hash = (hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D);
            ((hash >> 16) & 255) as i32
        };
        let smooth = |size: i32| {
            let (left, top) = (x.div_euclid(size), y.div_euclid(size));
            let (across, down) = (x.rem_euclid(size), y.rem_euclid(size));
            let mix = |a: i32, b: i32, at: i32| (a * (size - at) + b * at) / size;
            let upper = mix(noise(left, top), noise(left + 1, top), across);
            mix(upper, mix(noise(left, top + 1), noise(left + 1, top + 1), across), down)
        };
        ((smooth(40) * 5 + smooth(7) * 3) / 8) as u8
    }

    /// The large picture that is seen after a shift, in its pixels.
    fn truth(&self, shift: [i32; 2]) -> Vec<u8> {
        let (width, height) = (WIDTH * SCALE, HEIGHT * SCALE);
        let place = |at: usize| ((at % width) as i32 + shift[0], (at / width) as i32 + shift[1]);
        (0..width * height)
            .flat_map(|at| [self.luma(place(at).0, place(at).1); 3])
            .collect()
    }

    fn frame(&self, shift: [i32; 2]) -> Arc<Frame> {
        let (truth, row) = (self.truth(shift), WIDTH * SCALE * 3);
        let mean = |x: usize, y: usize| {
            let rows = (y * SCALE..(y + 1) * SCALE).map(|y| &truth[y * row..]);
            let sum: u32 = rows
                .flat_map(|row| (x * SCALE..(x + 1) * SCALE).map(|x| u32::from(row[x * 3])))
                .sum();
            (sum / (SCALE * SCALE) as u32) as u8
        };
        let small: Vec<u8> = (0..WIDTH * HEIGHT)
            .flat_map(|at| [mean(at % WIDTH, at / WIDTH); 3])
            .collect();
        frame(&small, WIDTH, HEIGHT)
    }
}

fn frame(rgb: &[u8], width: usize, height: usize) -> Arc<Frame> {
    let view = PixelView::new(rgb, width, height, width * 3, PixelLayout::Rgb).unwrap();
    Arc::new(Frame::read(&view).unwrap())
}

/// The bypassed frame, and whether it has the detail of another.
fn bypass(writer: &mut OutputWriter, frame: &Frame, propagates: bool) -> (Vec<u8>, bool) {
    let (width, height) = (frame.width() * SCALE, frame.height() * SCALE);
    let mut output = vec![0; width * height * 3];
    let mut view = PixelViewMut::new(&mut output, width, height, width * 3, PixelLayout::Rgb).unwrap();
    let propagated = writer.write_bypass(frame, propagates, true, &mut view).unwrap();
    (output, propagated)
}

fn bicubic(frame: &Frame) -> Vec<u8> {
    bypass(&mut OutputWriter::new(), frame, false).0
}

/// Mean absolute difference, in levels.
fn distance(a: &[u8], b: &[u8]) -> f64 {
    let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.len() as f64
}

/// A writer that has the first frame of the scene, restored to the truth.
fn writer(scene: &Scene) -> OutputWriter {
    let mut writer = OutputWriter::new();
    writer.keep(scene.frame([0, 0]), scene.truth([0, 0]));
    writer
}

#[test]
fn detail_moves_with_the_picture() {
    let scene = Scene { seed: 7 };
    // Nothing and whole samples; then parts of them, for which the small frame shows other mixtures of the same detail, and
    // further than a patch is wide.
    for (shift, share) in [
        ([0, 0], 0.1),
        ([8, -4], 0.5),
        ([3, 1], 0.8),
        ([10, -7], 0.8),
        ([-46, 30], 0.9),
    ] {
        let (frame, truth) = (scene.frame(shift), scene.truth(shift));
        let (output, propagated) = bypass(&mut writer(&scene), &frame, true);
        assert!(propagated);
        let (with, without) = (distance(&output, &truth), distance(&bicubic(&frame), &truth));
        assert!(
            with < without * share,
            "after {shift:?}: {with:.2} levels from the truth, {without:.2} without detail"
        );
    }
}

#[test]
fn detail_is_that_of_the_frame_that_was_kept_last() {
    let scene = Scene { seed: 3 };
    let mut writer = writer(&scene);
    assert!(bypass(&mut writer, &scene.frame([2, 0]), true).1);
    let memory = writer.keep(scene.frame([400, 0]), scene.truth([400, 0]));
    assert!(memory.is_none(), "the first picture's memory was used");
    let (frame, truth) = (scene.frame([404, 0]), scene.truth([404, 0]));
    let (output, _) = bypass(&mut writer, &frame, true);
    assert!(distance(&output, &truth) < distance(&bicubic(&frame), &truth) * 0.5);
}

/// Noise that differs from picture to picture is halved; what the scene shows stays.
#[test]
fn a_blended_picture_flickers_less() {
    let scene = Scene { seed: 7 };
    let (frame, truth) = (scene.frame([8, -4]), scene.truth([8, -4]));
    let noise = |at: usize| (at / 3).wrapping_mul(0x9E37_79B1) >> 7 & 31;
    let noisy: Vec<u8> = truth
        .iter()
        .enumerate()
        .map(|(at, value)| value.saturating_add(noise(at) as u8))
        .collect();
    let mut blended = noisy.clone();
    writer(&scene).blend(&frame, &mut blended, 0.5);
    let (before, after) = (distance(&noisy, &truth), distance(&blended, &truth));
    assert!(
        after < before * 0.65,
        "{after:.2} levels from the truth, {before:.2} before"
    );
    // Another scene, and no scene at all, change next to nothing.
    for mut writer in [writer(&Scene { seed: 99 }), OutputWriter::new()] {
        let mut same = truth.clone();
        writer.blend(&frame, &mut same, 0.5);
        assert!(distance(&same, &truth) < 0.5);
    }
}

/// A model that makes everything brighter: frames with its detail are as bright as those that are restored.
#[test]
fn colours_are_those_of_restored_frames_at_once() {
    let scene = Scene { seed: 7 };
    let shifts: [[i32; 2]; 4] = [[0, 0], [4, 0], [8, 0], [12, 0]];
    let bright = |shift| -> Vec<u8> {
        scene
            .truth(shift)
            .iter()
            .map(|value| value.saturating_add(12))
            .collect()
    };
    let mut writer = OutputWriter::new();
    let restore = |writer: &mut OutputWriter, shift| {
        let (frame, mut picture) = (scene.frame(shift), bright(shift));
        let mut output = vec![0; picture.len()];
        let (width, height) = (WIDTH * SCALE, HEIGHT * SCALE);
        let mut view = PixelViewMut::new(&mut output, width, height, width * 3, PixelLayout::Rgb).unwrap();
        writer.write_blended(&frame, &mut picture, &mut view).unwrap();
        writer.keep(frame, picture);
        mean(&output)
    };
    let added = |shift: [i32; 2], shown: f64| shown - mean(&bicubic(&scene.frame(shift)));
    let restored = added(shifts[0], restore(&mut writer, shifts[0]));
    let (propagated, is_propagated) = bypass(&mut writer, &scene.frame(shifts[1]), true);
    assert!(is_propagated);
    let propagated = added(shifts[1], mean(&propagated));
    let again = added(shifts[2], restore(&mut writer, shifts[2]));
    assert!(restored > 8.0, "{restored}");
    for shown in [propagated, again] {
        assert!(
            (shown - restored).abs() < 2.0,
            "{restored:.1}, {propagated:.1}, {again:.1} levels"
        );
    }
    let (plain, _) = bypass(&mut writer, &scene.frame(shifts[3]), false);
    let plain = added(shifts[3], mean(&plain));
    assert!(
        (plain - restored).abs() < 2.0,
        "the first bicubic one has their colours: {plain:.1} levels"
    );
}

fn mean(picture: &[u8]) -> f64 {
    picture.iter().map(|value| f64::from(*value)).sum::<f64>() / picture.len() as f64
}

#[test]
fn another_scene_takes_no_detail() {
    let other = Scene { seed: 99 }.frame([0, 0]);
    let (output, propagated) = bypass(&mut writer(&Scene { seed: 7 }), &other, true);
    assert!(propagated);
    let changed = distance(&output, &bicubic(&other));
    assert!(changed < 1.0, "{changed:.2} levels");
}

#[test]
fn without_a_kept_frame_of_the_size_the_picture_is_bicubic() {
    let scene = Scene { seed: 7 };
    let frame_of_scene = scene.frame([0, 0]);
    let small = frame(&vec![90; 16 * 16 * 3], 16, 16);
    let mut after_reset = writer(&scene);
    after_reset.reset();
    for (mut writer, frame) in [
        (OutputWriter::new(), &frame_of_scene),
        (after_reset, &frame_of_scene),
        (writer(&scene), &small),
    ] {
        let (output, propagated) = bypass(&mut writer, frame, true);
        assert!(!propagated);
        assert!(output == bicubic(frame));
    }
}

#[test]
fn the_smallest_and_the_flattest_frames_pass() {
    for (width, height) in [(16, 16), (17, 16), (16, 33), (255, 19)] {
        for level in [0, 255] {
            let flat = frame(&vec![level; width * height * 3], width, height);
            let mut writer = OutputWriter::new();
            writer.keep(flat.clone(), vec![level; width * height * 3 * SCALE * SCALE]);
            assert!(bypass(&mut writer, &flat, true).0.iter().all(|value| *value == level));
        }
    }
}
