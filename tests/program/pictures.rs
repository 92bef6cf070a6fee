//! Animations, stills and picture sequences.

use crate::workshop::Workshop;

#[test]
fn a_gif_ends_and_keeps_its_times() {
    let workshop = Workshop::new();
    for (name, rate) in [("ten.gif", "10"), ("four.apng", "4")] {
        let input = workshop.path(name);
        let source = format!("testsrc2=size=64x48:rate={rate}:duration=1");
        // Both loop for ever in players.
        let endless = if name.ends_with("gif") {
            ["-loop", "0"]
        } else {
            ["-plays", "0"]
        };
        let output = [
            "-f",
            "lavfi",
            "-i",
            &source,
            endless[0],
            endless[1],
            input.to_str().unwrap(),
        ];
        workshop.ffmpeg(&output);
        for output in ["out.mkv", "out.mp4"].map(|ending| workshop.path(&format!("{name}.{ending}"))) {
            workshop.restore(&[], &input, &output).succeeds();
            let times = workshop.video_times(&output);
            assert_eq!(times.len(), rate.parse::<usize>().unwrap());
            for (number, time) in times.iter().enumerate() {
                let expected = number as f64 / rate.parse::<f64>().unwrap();
                assert!((time - expected).abs() < 0.001, "{name}: {times:?}");
            }
        }
    }
}

#[test]
fn a_still_is_one_frame_and_may_stay_a_still() {
    let workshop = Workshop::new();
    for name in ["still.png", "still.jpg"] {
        let input = workshop.path(name);
        workshop.ffmpeg(&[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=64x48",
            "-frames:v",
            "1",
            input.to_str().unwrap(),
        ]);
        for output in ["out.png", "out.mp4", "out.mkv"].map(|ending| workshop.path(&format!("{name}.{ending}"))) {
            workshop.restore(&[], &input, &output).succeeds();
            let video = workshop.stream(&output, "v:0");
            assert_eq!((video["width"].as_str(), video["height"].as_str()), ("256", "192"));
            assert_eq!(workshop.video_times(&output).len(), 1, "{}", output.display());
            let difference =
                crate::colours::mean_difference(&workshop.shown(&output, 64, 48), &workshop.shown(&input, 64, 48));
            assert!(difference < 10.0, "{}: {difference} levels", output.display());
        }
    }
    let clip = workshop.clip("video.mp4", &crate::workshop::Clip::default());
    workshop
        .restore(&[], &clip, &workshop.path("video.png"))
        .fails(2, &["one picture"]);
}

#[test]
fn a_sequence_is_a_video_of_its_rate() {
    let workshop = Workshop::new();
    let pattern = workshop.path("s_%04d.png");
    let pattern_text = pattern.to_str().unwrap();
    workshop.ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=64x48:rate=5:duration=1",
        "-start_number",
        "7",
        pattern_text,
    ]);
    let output = workshop.path("out.mp4");
    workshop.restore(&["--fps", "30000/1001"], &pattern, &output).succeeds();
    let times = workshop.video_times(&output);
    assert_eq!(times.len(), 5);
    assert!((times[4] - 4.0 * 1.001 / 30.0).abs() < 1e-5, "{times:?}");
    workshop
        .restore(&[], &pattern, &workshop.path("none.mp4"))
        .fails(2, &["--fps"]);
    workshop
        .restore(
            &["--fps", "25"],
            &workshop.path("t_%04d.png"),
            &workshop.path("none.mp4"),
        )
        .fails(2, &["no picture"]);
}

#[test]
fn an_animated_webp_is_refused_with_a_remedy() {
    let workshop = Workshop::new();
    let input = workshop.case("a.webp");
    let run = workshop.restore(&[], &input, &workshop.path("out.mkv"));
    run.fails(2, &["animated WebP", "magick"]);
    assert_eq!(workshop.files(), ["a.webp"]);
}
