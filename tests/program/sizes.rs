//! How large the output's picture is.

use crate::workshop::{Clip, Workshop};

#[test]
fn the_picture_has_the_size_that_is_asked_for() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mkv", &Clip::default());
    let own = workshop.stream(&input, "v:0");
    let side = |name: &str| own[name].parse::<u32>().unwrap();
    let (width, height) = (side("width"), side("height"));
    for (options, expected, ratio) in [
        (&["--scale", "2"][..], (2 * width, 2 * height), 1.0),
        (&["--height", &(3 * height).to_string()], (3 * width, 3 * height), 1.0),
        (
            &["--fit", &format!("{}x{}", 2 * width, 9 * height)],
            (2 * width, 2 * height),
            1.0,
        ),
        // Twice as wide pixels keep the picture's shape.
        (
            &["--size", &format!("{}x{}", 2 * width, 4 * height)],
            (2 * width, 4 * height),
            2.0,
        ),
    ] {
        let output = workshop.path(&format!("{}.mkv", options[0]));
        let said = workshop
            .restore(&[options, &["--frames", "3"]].concat(), &input, &output)
            .succeeds();
        assert!(said.contains(&format!("{}x{}", expected.0, expected.1)), "{said}");
        let video = workshop.stream(&output, "v:0");
        let size = ["width", "height"].map(|name| video[name].parse::<u32>().unwrap());
        assert_eq!(size, [expected.0, expected.1], "{options:?}");
        assert_eq!(workshop.ratio(&video["sample_aspect_ratio"]), ratio, "{options:?}");
        assert_eq!(workshop.video_times(&output).len(), 3);
    }
}

#[test]
fn a_size_that_cannot_be_is_refused() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mkv", &Clip::default());
    for (options, says) in [
        (["--scale", "5"], "from 0.25 to 4"),
        (["--height", "4000"], "more than four times"),
        (["--fit", "1920"], "such as 1920x1080"),
        (["--size", "16000x16000"], "more than four times"),
    ] {
        workshop
            .restore(&options, &input, &workshop.path("out.mkv"))
            .fails(2, &[says]);
    }
}
