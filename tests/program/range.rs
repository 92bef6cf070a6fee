//! A part of the input: `--start` and `--end`.

use crate::workshop::{Clip, Workshop};

/// The beep begins at 1.000 s of two.
#[test]
fn a_part_has_its_frames_and_its_audio_in_time() {
    let workshop = Workshop::new();
    for (ending, audio) in [("mp4", &["-c:a", "aac"][..]), ("mkv", &["-c:a", "flac"])] {
        let input = workshop.beep_clip(&format!("in.{ending}"), audio);
        let all = workshop.video_times(&input);
        for output in ["mkv", "mp4", "webm"] {
            let output = workshop.path(&format!("of-{ending}.{output}"));
            let options = ["--start", "0.5", "--end", "0:00:01.5"];
            workshop.restore(&options, &input, &output).succeeds();
            let times = workshop.video_times(&output);
            assert_eq!(times.len(), 10, "{}", output.display());
            assert!(times[0].abs() < 2e-3, "{}: {times:?}", output.display());
            for (ours, theirs) in times.iter().zip(&all[5..]) {
                assert!((ours - (theirs - 0.5)).abs() < 2e-3, "{}: {times:?}", output.display());
            }
            let beep = workshop.beep(&output);
            assert!((beep - 0.5).abs() < 0.03, "{}: {beep}", output.display());
            let audio = workshop.last_packet_end(&output, "a:0");
            assert!((audio - 1.0).abs() < 0.06, "{}: {audio} s of audio", output.display());
        }
    }
}

#[test]
fn a_part_is_what_the_whole_video_has_there() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mkv", &Clip::default());
    let [all, part] = ["all.mkv", "part.mkv"].map(|name| workshop.path(name));
    workshop.restore(&["--codec", "ffv1"], &input, &all).succeeds();
    let options = ["--codec", "ffv1", "--start", "0.5", "--frames", "3"];
    workshop.restore(&options, &input, &part).succeeds();
    let (all, part) = (workshop.frame_hashes(&all), workshop.frame_hashes(&part));
    assert_eq!(part, all[12..15]);
}

#[test]
fn a_part_that_is_empty_is_refused() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mkv", &Clip::default());
    for (options, says) in [
        (&["--start", "2", "--end", "1"][..], "behind --start"),
        (&["--start", "60"], "behind the end of the input, which is 1.0"),
        (&["--end", "soon"], "such as 90, 1:30"),
    ] {
        workshop
            .restore(options, &input, &workshop.path("out.mkv"))
            .fails(2, &[says]);
    }
}
