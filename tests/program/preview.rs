//! `--preview`: pictures of a few frames in place of the work.

use crate::workshop::{Clip, Workshop};

const WIDTH: u32 = 256;
const HEIGHT: u32 = 192;

/// How far two gray pictures are apart, levels in the mean.
fn distance(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    let sum: u64 = one.iter().zip(other).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.len() as f64
}

/// Of each wanted frame there is the picture that the whole video has there, and the one without the model.
#[test]
fn each_frame_has_two_pictures_of_one_size() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mp4", &Clip::default());
    let (all, output) = (workshop.path("all.mkv"), workshop.path("out.mkv"));
    workshop.restore(&["--codec", "ffv1"], &input, &all).succeeds();
    let said = workshop.restore(&["--preview", "2"], &input, &output).succeeds();
    assert!(said.contains("at 0:00.21: ") && said.contains("at 0:00.71: "), "{said}");
    let all = workshop.gray_frames(&all, WIDTH, HEIGHT);
    for (number, frame) in [(1, 6), (2, 18)] {
        let picture = |kind| {
            let path = workshop.path(&format!("out.preview-{number}-{kind}.png"));
            let stream = workshop.stream(&path, "v:0");
            assert_eq!((&*stream["width"], &*stream["height"]), ("256", "192"));
            workshop.gray_frames(&path, WIDTH, HEIGHT).remove(0)
        };
        let (before, restored) = (picture("before"), picture("restored"));
        let distances: Vec<f64> = all.iter().map(|other| distance(&restored, other)).collect();
        let nearest = (0..all.len()).min_by(|a, b| distances[*a].total_cmp(&distances[*b]));
        assert_eq!(nearest, Some(frame), "{distances:?}");
        // Two ways from YUV to gray.
        assert!(distances[frame] < 3.0, "{}", distances[frame]);
        assert!(distance(&before, &all[frame]) > distances[frame] + 1.0);
    }
    assert_eq!(workshop.files().len(), 6, "{:?}", workshop.files());
}

#[test]
fn pictures_go_where_they_are_wanted_and_over_nothing() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mp4", &Clip::default());
    let folder = workshop.path("pictures");
    std::fs::create_dir(&folder).unwrap();
    let options = ["--preview", "1", "--start", "0.5", "--scale", "2"];
    workshop.restore(&options, &input, &folder).succeeds();
    let restored = folder.join("in.preview-1-restored.png");
    assert_eq!(workshop.stream(&restored, "v:0")["width"], "128");
    workshop
        .restore(&options, &input, &folder)
        .fails(2, &["exists", "--force"]);
    let again = [&options[..], &["--force"]].concat();
    workshop.restore(&again, &input, &folder).succeeds();
    // Of a folder of inputs.
    let many = ["--preview", "1", "--out"];
    let outputs = workshop.path("many");
    Workshop::start(&many, &outputs, &input).wait().succeeds();
    assert!(outputs.join("in.preview-1-before.png").exists());
}

#[test]
fn no_frame_comes_twice() {
    let workshop = Workshop::new();
    let clip = Clip {
        frames: 3,
        ..Clip::default()
    };
    let input = workshop.clip("in.mp4", &clip);
    let output = workshop.path("out.mp4");
    workshop.restore(&["--preview", "9"], &input, &output).succeeds();
    workshop.ffmpeg(&[
        "-i",
        input.to_str().unwrap(),
        "-frames:v",
        "1",
        workshop.path("in.png").to_str().unwrap(),
    ]);
    let still = workshop.path("still.png");
    workshop
        .restore(&["--preview", "3"], &workshop.path("in.png"), &still)
        .succeeds();
    let pictures = |stem: &str| workshop.files().iter().filter(|name| name.starts_with(stem)).count();
    assert_eq!((pictures("out.preview-"), pictures("still.preview-")), (6, 2));
}
