//! Which frame is restored with which.

use gstdloralvsr::restore::{ColorFix, Settings, color, upscale};

use crate::fake::{Fake, Picture, assert_close, expected, geometry, restore};

#[test]
fn sizes_from_16_up_come_out_exactly_fourfold() {
    let sizes = [(16, 16), (17, 16), (16, 17), (17, 19), (33, 21), (64, 48), (101, 67)];
    for (width, height) in sizes {
        let fake = Fake::new(geometry());
        let mut stream = fake.stream();
        let frames = [0, 1, 2].map(|number| Picture::new(width, height, number));
        for (at, frame) in frames.iter().enumerate() {
            let (output, report) = restore(&mut stream, frame).unwrap();
            assert_close(&output, &expected(frame, &frames[at.saturating_sub(1)]), 0);
            assert_eq!((report.paired_with_itself, report.scene_cut), (at == 0, false));
        }
        assert_eq!(fake.encoder_calls(), frames.len(), "each frame is encoded once");
    }
}

#[test]
fn frames_below_the_smallest_size_are_padded() {
    let mut geometry = geometry();
    geometry.restorer.min = 24;
    geometry.encoder.multiple = 4;
    geometry.decoder.multiple = 6;
    let fake = Fake::new(geometry);
    let mut stream = fake.stream();
    for (at, (width, height)) in [(16, 16), (49, 40)].into_iter().enumerate() {
        let frame = Picture::new(width, height, 1);
        let (output, _) = restore(&mut stream, &frame).unwrap();
        assert_close(&output, &expected(&frame, &frame), 0);
        // 24 is the least that all three take, 12 the step.
        let size = [[24, 24], [24, 36]][at];
        assert!(fake.calls.lock().unwrap()[3 * at..].iter().all(|call| call.1 == size));
    }
}

#[test]
fn reset_and_a_new_size_pair_the_frame_with_itself() {
    let mut stream = Fake::new(geometry()).stream();
    let [first, second, third] = [0, 1, 2].map(|number| Picture::new(32, 24, number));
    restore(&mut stream, &first).unwrap();
    stream.reset();
    let (output, report) = restore(&mut stream, &second).unwrap();
    assert!(report.paired_with_itself);
    assert_close(&output, &expected(&second, &second), 0);

    // 31 and 32 pixels are as many latent samples: the size of the frames counts.
    let other = Picture::new(31, 24, 3);
    let (output, report) = restore(&mut stream, &other).unwrap();
    assert!(report.paired_with_itself && !report.scene_cut);
    assert_close(&output, &expected(&other, &other), 0);

    let (output, report) = restore(&mut stream, &third).unwrap();
    assert!(report.paired_with_itself);
    assert_close(&output, &expected(&third, &third), 0);
}

#[test]
fn a_scene_cut_pairs_the_frame_with_itself() {
    let dark = Picture {
        data: vec![10; 64 * 48 * 3],
        ..Picture::new(64, 48, 0)
    };
    let bright = Picture::new(64, 48, 2);
    for (threshold, is_cut) in [(Settings::default().scene_threshold, true), (0.0, false), (1.0, false)] {
        let mut stream = Fake::new(geometry()).stream_with(Settings {
            scene_threshold: threshold,
            ..Settings::default()
        });
        restore(&mut stream, &dark).unwrap();
        let (output, report) = restore(&mut stream, &bright).unwrap();
        assert_eq!(
            (report.scene_cut, report.paired_with_itself),
            (is_cut, is_cut),
            "threshold {threshold}"
        );
        assert_close(&output, &expected(&bright, if is_cut { &bright } else { &dark }), 0);
        // The frame after is no cut, and has the one before.
        let (output, report) = restore(&mut stream, &bright).unwrap();
        assert!(!report.scene_cut && !report.paired_with_itself);
        assert_close(&output, &expected(&bright, &bright), 0);
    }
}

#[test]
fn the_same_input_twice_gives_the_same_output() {
    let frames = [0, 1, 2, 3].map(|number| Picture::new(45, 37, number));
    let mut geometry = geometry();
    geometry.restorer = crate::fake::rule(10, 4);
    geometry.decoder = crate::fake::rule(12, 4);
    geometry.color_fix = ColorFix::Wavelet;
    let mut stream = Fake::new(geometry).stream();
    let run = |stream: &mut _| frames.each_ref().map(|frame| restore(stream, frame).unwrap().0.data);
    let first = run(&mut stream);
    stream.reset();
    assert!(run(&mut stream) == first);
}

#[test]
fn half_a_video_with_one_frame_of_warm_up_equals_the_whole() {
    let frames = [0, 1, 2, 3].map(|number| Picture::new(40, 32, number));
    let fake = Fake::new(geometry());
    let (mut whole, mut half) = (fake.stream(), fake.stream());
    for frame in &frames[..3] {
        restore(&mut whole, frame).unwrap();
    }
    restore(&mut half, &frames[2]).unwrap();
    assert!(restore(&mut whole, &frames[3]).unwrap().0 == restore(&mut half, &frames[3]).unwrap().0);
}

#[test]
fn the_colour_fix_is_the_settings_or_the_packs() {
    // An odd size: padding must not get into the statistics.
    let frame = Picture::new(37, 29, 1);
    let plain = expected(&frame, &frame);
    let mut reference = vec![0; plain.data.len()];
    let mut upscaler = upscale::Upscaler::new();
    upscaler
        .upscale(&frame.data, 37, 29, upscale::Samples::Rgb, &mut reference)
        .unwrap();
    let (mut adain, mut wavelet) = (plain.clone(), plain.clone());
    color::adain(&mut adain.data, &reference);
    color::Wavelet::default().apply(&mut wavelet.data, &reference, plain.width);
    assert!(adain != plain && wavelet != plain && adain != wavelet);

    let by_pack = |pack, setting| {
        let mut geometry = geometry();
        geometry.color_fix = pack;
        let settings = Settings {
            color_fix: setting,
            scene_threshold: 0.0,
            ..Settings::default()
        };
        restore(&mut Fake::new(geometry).stream_with(settings), &frame)
            .unwrap()
            .0
    };
    assert_close(&by_pack(ColorFix::AdaIn, ColorFix::Pack), &adain, 0);
    assert_close(&by_pack(ColorFix::Wavelet, ColorFix::Pack), &wavelet, 0);
    assert_close(&by_pack(ColorFix::Wavelet, ColorFix::None), &plain, 0);
    assert_close(&by_pack(ColorFix::None, ColorFix::AdaIn), &adain, 0);
}

#[test]
fn settings_change_between_frames_and_the_window_stays() {
    let frames = [0, 1].map(|number| Picture::new(48, 40, number));
    let fake = Fake::new(geometry());
    let mut stream = fake.stream();
    restore(&mut stream, &frames[0]).unwrap();
    stream.set_settings(Settings {
        tile_size: 96,
        scene_threshold: 0.0,
        ..Settings::default()
    });
    let (output, report) = restore(&mut stream, &frames[1]).unwrap();
    assert!(!report.paired_with_itself);
    assert_close(&output, &expected(&frames[1], &frames[0]), 1);
    assert!(
        fake.calls.lock().unwrap().len() > 6,
        "tiles of 96 output pixels on 192x160"
    );
}
