//! Colours, aspect and the way up.

use crate::workshop::{Clip, Workshop};

#[test]
fn a_picture_that_players_turn_is_turned() {
    let workshop = Workshop::new();
    let upright = workshop.clip("upright.mp4", &Clip::default());
    let input = workshop.path("in.mp4");
    workshop.rotate(&upright, &input);
    let turn = workshop.stream(&input, "v:0")["side_data_list.side_data.0.rotation"].clone();
    assert_eq!(turn.trim_start_matches('-'), "90");
    let expected = workshop.shown(&input, 48, 64);
    for output in ["out.mp4", "out.mkv"].map(|name| workshop.path(name)) {
        workshop.restore(&[], &input, &output).succeeds();
        let video = workshop.stream(&output, "v:0");
        assert!(!video.keys().any(|key| key.ends_with("rotation")), "{video:?}");
        assert_eq!((video["width"].as_str(), video["height"].as_str()), ("192", "256"));
        let difference = mean_difference(&workshop.shown(&output, 48, 64), &expected);
        assert!(difference < 10.0, "{}: {difference} levels", output.display());
    }
}

pub fn mean_difference(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    let sum: u64 = one.iter().zip(other).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.len() as f64
}

#[test]
fn colour_and_aspect_are_kept() {
    let workshop = Workshop::new();
    let described = [
        ("bt709", "tv", "bt709", "bt709", "bt709"),
        ("smpte170m", "tv", "smpte170m", "smpte170m", "smpte170m"),
        ("bt709", "pc", "bt709", "iec61966-2-1", "bt709"),
    ];
    for (number, (matrix, range, space, transfer, primaries)) in described.into_iter().enumerate() {
        let clip = Clip {
            filters: "setsar=4/3",
            output: vec![
                "-vf",
                if range == "pc" {
                    "scale=out_range=pc:out_color_matrix=bt709"
                } else {
                    "scale=out_range=tv"
                },
                "-colorspace",
                matrix,
                "-color_range",
                range,
                "-color_trc",
                transfer,
                "-color_primaries",
                primaries,
            ],
            ..Clip::default()
        };
        let input = workshop.clip(&format!("in{number}.mp4"), &clip);
        for output in ["mkv", "mp4"].map(|ending| workshop.path(&format!("out{number}.{ending}"))) {
            workshop.restore(&["--frames", "4"], &input, &output).succeeds();
            let video = workshop.stream(&output, "v:0");
            let stated = ["color_space", "color_range", "color_transfer", "color_primaries"];
            let stated = stated.map(|key| video[key].as_str());
            assert_eq!(stated, [space, range, transfer, primaries], "{}", output.display());
            // Matroska keeps the aspect as a size in whole pixels: 341x192 for these 256x192.
            let aspect = workshop.ratio(&video["sample_aspect_ratio"]);
            assert!((aspect - 4.0 / 3.0).abs() < 0.003, "{}: {aspect}", output.display());
            let difference = mean_difference(&workshop.shown(&output, 64, 48), &workshop.shown(&input, 64, 48));
            assert!(difference < 10.0, "{}: {difference} levels", output.display());
        }
    }
}

/// Luma from 0 to 255 in a file that says full range, and nothing of a matrix.
#[test]
fn full_range_without_a_matrix_is_not_squeezed() {
    let workshop = Workshop::new();
    let input = workshop.case("ramp.mp4");
    let before = workshop.luma(&input);
    for output in ["out.mp4", "out.mkv", "out.mov", "out.webm"].map(|name| workshop.path(name)) {
        workshop.restore(&[], &input, &output).succeeds();
        assert_eq!(
            workshop.stream(&output, "v:0")["color_range"],
            "pc",
            "{}",
            output.display()
        );
        let after = workshop.luma(&output);
        for step in 0..=10 {
            let (x, large) = ((step * 159) / 10, (step * 639) / 10);
            let (was, is) = (before[40 * 160 + x], after[160 * 640 + large]);
            assert!(was.abs_diff(is) <= 6, "{}: {is} at {large} for {was}", output.display());
        }
        assert!(
            after[160 * 640] <= 4 && after[160 * 640 + 639] >= 250,
            "{}",
            output.display()
        );
    }
}

/// Each of range and matrix by itself: the samples stay what they are, and the file says what they mean.
#[test]
fn every_range_with_every_matrix_through_files() {
    let workshop = Workshop::new();
    for (range, said_range) in [("tv", "tv"), ("pc", "pc"), ("unknown", "tv")] {
        for (matrix, said_matrix) in [
            ("unknown", "smpte170m"),
            ("smpte170m", "smpte170m"),
            ("bt709", "bt709"),
            ("bt2020nc", "bt2020nc"),
        ] {
            let input = workshop.path(&format!("{range}-{matrix}.mkv"));
            // Three bands of luma as they are: nothing converts them.
            let source = "nullsrc=size=96x48:rate=10:duration=0.3,format=yuv420p,\
                          geq=lum='if(lt(X,32),30,if(lt(X,64),120,225))':cb=110:cr=140";
            workshop.ffmpeg(&[
                "-f",
                "lavfi",
                "-i",
                source,
                "-c:v",
                "libx264",
                "-qp",
                "4",
                "-color_range",
                range,
                "-colorspace",
                matrix,
                input.to_str().unwrap(),
            ]);
            let output = workshop.path(&format!("{range}-{matrix}.mp4"));
            workshop.restore(&["--crf", "4"], &input, &output).succeeds();
            let video = workshop.stream(&output, "v:0");
            assert_eq!(
                (video["color_range"].as_str(), video["color_space"].as_str()),
                (said_range, said_matrix),
                "{range} {matrix}"
            );
            let luma = workshop.luma(&output);
            for (column, expected) in [(64, 30_u8), (192, 120), (320, 225)] {
                let value = luma[96 * 384 + column];
                assert!(
                    value.abs_diff(expected) <= 3,
                    "{range} {matrix}: {value} for {expected}"
                );
            }
        }
    }
}

#[test]
fn hdr_keeps_what_it_says_and_is_warned_of() {
    let workshop = Workshop::new();
    let input = workshop.path("hdr.mkv");
    workshop.ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=64x48:rate=10:duration=0.5",
        "-c:v",
        "libx265",
        "-pix_fmt",
        "yuv420p10le",
        "-x265-params",
        "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:max-cll=1000,400:\
         master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)",
        input.to_str().unwrap(),
    ]);
    for output in ["out.mp4", "out.mov", "out.mkv"].map(|name| workshop.path(name)) {
        let said = workshop.restore(&[], &input, &output).succeeds();
        assert!(
            said.contains("warning: the input is HDR (PQ)") && said.contains("bands"),
            "{said}"
        );
        let video = workshop.stream(&output, "v:0");
        assert_eq!(video["color_transfer"], "smpte2084");
        let side_data = |name: &str| {
            let found = video.iter().find(|(key, _)| key.ends_with(name));
            found.map(|(_, value)| workshop.quotient(value)).unwrap_or_default()
        };
        let stated = ["red_x", "max_luminance", "max_content", "max_average"].map(side_data);
        assert_eq!(stated, [0.68, 1000.0, 1000.0, 400.0], "{}: {video:?}", output.display());
        assert_eq!(workshop.video_times(&output).len(), 5);
    }
}

#[test]
fn alpha_and_depth_that_go_are_named() {
    let workshop = Workshop::new();
    let input = workshop.path("alpha.mov");
    workshop.ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=64x48:rate=10:duration=0.3,format=yuva444p10le",
        "-c:v",
        "prores_ks",
        "-profile:v",
        "4444",
        input.to_str().unwrap(),
    ]);
    let said = workshop.restore(&[], &input, &workshop.path("out.mov")).succeeds();
    assert!(said.contains("transparency (alpha) is left out"), "{said}");
    assert!(said.contains("bits a sample; it is restored at 8"), "{said}");
}

/// RGB in a file, of which the matrix is none: gray stays gray, and the output says by what it was coded.
#[test]
fn rgb_files_keep_their_levels() {
    let workshop = Workshop::new();
    let source = "nullsrc=size=96x48:rate=10:duration=0.3,format=gbrp,\
                  geq=r='if(lt(X,32),30,if(lt(X,64),120,225))':g='if(lt(X,32),30,if(lt(X,64),120,225))':\
                  b='if(lt(X,32),30,if(lt(X,64),120,225))'";
    for (name, codec) in [("x264.mkv", "libx264rgb"), ("ffv1.mkv", "ffv1")] {
        let input = workshop.path(name);
        workshop.ffmpeg(&["-f", "lavfi", "-i", source, "-c:v", codec, input.to_str().unwrap()]);
        let output = workshop.path(&format!("{name}.mp4"));
        workshop.restore(&["--crf", "4"], &input, &output).succeeds();
        let video = workshop.stream(&output, "v:0");
        assert_eq!(
            (video["color_range"].as_str(), video["color_space"].as_str()),
            ("tv", "bt709"),
            "{name}"
        );
        let luma = workshop.luma(&output);
        for (column, level) in [(64, 30.0), (192, 120.0), (320, 225.0)] {
            let (value, expected) = (f64::from(luma[96 * 384 + column]), 16.0 + level * 219.0 / 255.0);
            assert!((value - expected).abs() <= 3.0, "{name}: {value} for {expected}");
        }
    }
}
