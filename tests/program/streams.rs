//! What a file holds beside its video: kept where the output can hold it, named where it cannot.

use gst::prelude::*;

use crate::workshop::{Workshop, ffprobe};

#[test]
fn tracks_of_cameras_do_not_stop_the_work() {
    let workshop = Workshop::new();
    let whole = std::fs::read(workshop.case("gpmd.mp4")).unwrap();
    // Position and movement by other makers: the same file under another name of the kind.
    for kind in ["gpmd", "mebx", "rtmd", "camm"] {
        let bytes = replaced(&whole, b"gpmd", kind.as_bytes());
        let input = workshop.file(&format!("{kind}.mp4"), &bytes);
        let output = workshop.path(&format!("{kind}.mkv"));
        let said = workshop.restore(&[], &input, &output).succeeds();
        assert!(
            said.contains(&format!("({kind}")) && said.contains("not in the output"),
            "{said}"
        );
        assert_eq!(workshop.streams(&output), ["video h264 default", "audio aac default"]);
        assert_eq!(workshop.video_times(&output).len(), 20);
        workshop
            .restore(&["--strict", "--force"], &input, &output)
            .fails(2, &["--strict", kind]);
    }
    let output = workshop.path("kept.mp4");
    let said = workshop
        .restore(&["--strict"], &workshop.path("gpmd.mp4"), &output)
        .succeeds();
    assert!(!said.contains("not in the output"), "{said}");
    assert_eq!(workshop.stream(&output, "d:0")["codec_tag_string"], "gpmd");
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    while let Some(at) = bytes
        .windows(from.len())
        .position(|window| window == from)
        .filter(|_| from != to)
    {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

#[test]
fn audio_that_nobody_knows_is_left_out_by_name() {
    let workshop = Workshop::new();
    let input = workshop.case("unk_audio.mkv");
    for output in ["out.mkv", "out.mp4"].map(|name| workshop.path(name)) {
        let said = workshop.restore(&[], &input, &output).succeeds();
        assert!(said.contains("not in the output: audio track 1 (unknown)"), "{said}");
        assert_eq!(workshop.streams(&output).len(), 1);
        assert_eq!(workshop.video_times(&output).len(), 20);
    }
    workshop
        .restore(&["--strict"], &input, &workshop.path("strict.mkv"))
        .fails(2, &["audio track 1"]);
    assert!(!workshop.path("strict.mkv").exists());
}

/// GStreamer and FFmpeg count streams otherwise, and a picture is none that is restored.
#[test]
fn a_picture_stream_is_not_taken_for_the_video() {
    let workshop = Workshop::new();
    let input = workshop.case("pic_tff.mkv");
    let output = workshop.path("out.mkv");
    let said = workshop.restore(&[], &input, &output).succeeds();
    assert!(
        said.contains("pic_tff.mkv: 160x96") && said.contains("video track 0"),
        "{said}"
    );
    assert_eq!(workshop.video_times(&output).len(), 25);
    let video = workshop.stream(&output, "v:0");
    assert_eq!(
        (video["width"].as_str(), video["field_order"].as_str()),
        ("640", "progressive")
    );
}

#[test]
fn a_stream_is_chosen_by_its_number() {
    let workshop = Workshop::new();
    let input = workshop.path("two.mkv");
    let sources = [
        "color=red:size=64x48:rate=10:duration=1",
        "color=blue:size=48x64:rate=10:duration=1",
    ];
    workshop.ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        sources[0],
        "-f",
        "lavfi",
        "-i",
        sources[1],
        "-map",
        "0",
        "-map",
        "1",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        input.to_str().unwrap(),
    ]);
    for (stream, size) in [("0", ("256", "192")), ("1", ("192", "256"))] {
        let output = workshop.path(&format!("{stream}.mkv"));
        workshop.restore(&["--stream", stream], &input, &output).succeeds();
        let video = workshop.stream(&output, "v:0");
        assert_eq!((video["width"].as_str(), video["height"].as_str()), size);
    }
    workshop
        .restore(&["--stream", "5"], &input, &workshop.path("5.mkv"))
        .fails(2, &["--stream 5", "0, 1"]);
}

#[test]
fn everything_of_a_film_is_kept_where_the_container_holds_it() {
    let workshop = Workshop::new();
    let input = workshop.case("tracks_cover_font.mkv");
    let output = workshop.path("out.mkv");
    let said = workshop.restore(&["--strict"], &input, &output).succeeds();
    assert!(!said.contains("note:"), "{said}");
    assert_eq!(
        workshop.streams(&output),
        [
            "video h264 default",
            "audio aac eng Main",
            "audio flac fre Commentaire default",
            "subtitle subrip eng",
            "subtitle ass ger",
            "attachment ttf",
            "video mjpeg attached_pic",
        ]
    );
    assert_eq!(workshop.chapters(&output), ["0.000000,One", "1.000000,Two"]);
    let (before, after) = (workshop.video_times(&input), workshop.video_times(&output));
    assert_eq!(before, after, "the first frame is at 21 ms and stays there");
    let output = workshop.path("out.mp4");
    let said = workshop.restore(&[], &input, &output).succeeds();
    assert!(
        said.contains("not in the output: attached file 6") && said.contains("FLAC"),
        "{said}"
    );
    let kept = workshop.streams(&output);
    assert_eq!(
        kept[..3],
        ["video h264 und default", "audio aac eng", "audio aac fre default"]
    );
    assert!(
        kept[3].contains("mov_text eng") && kept[4].contains("mov_text ger"),
        "{kept:?}"
    );
    assert_eq!(kept.last().unwrap(), "video mjpeg attached_pic");
    assert_eq!(workshop.chapters(&output), ["0.000000,One", "1.000000,Two"]);
}

#[test]
fn an_mp4s_tracks_chapters_cover_and_languages_are_kept() {
    let workshop = Workshop::new();
    let input = workshop.case("multi.mp4");
    for output in ["out.mp4", "out.mkv"].map(|name| workshop.path(name)) {
        workshop.restore(&[], &input, &output).succeeds();
        let kept = workshop.streams(&output);
        assert!(
            kept[1].starts_with("audio aac") && kept[1].ends_with("default"),
            "{kept:?}"
        );
        assert!(!kept[1].contains("eng"), "no language becomes none: {kept:?}");
        assert_eq!(kept[2], "audio aac fra");
        assert!(kept[3].starts_with("subtitle"), "{kept:?}");
        assert_eq!(kept.last().unwrap(), "video mjpeg attached_pic");
        assert_eq!(workshop.chapters(&output), ["0.000000,One", "1.000000,Two"]);
        assert_eq!(workshop.format_tag(&output, "title"), "My film");
    }
}

#[test]
fn a_timecode_is_kept() {
    let workshop = Workshop::new();
    let input = workshop.case("tmcd.mov");
    for (output, tag) in [
        ("out.mov", "timecode"),
        ("out.mp4", "timecode"),
        ("out.mkv", "TIMECODE"),
    ] {
        let output = workshop.path(output);
        workshop.restore(&["--strict"], &input, &output).succeeds();
        assert_eq!(workshop.stream(&output, "v:0")[&format!("tags.{tag}")], "01:02:03:4");
    }
}

/// Captions of broadcasts are within the coded frames.
#[test]
fn closed_captions_are_kept_or_named() {
    let workshop = Workshop::new();
    for interlaced in [false, true] {
        let input = workshop.path(if interlaced { "interlaced.mkv" } else { "captions.mkv" });
        write_captioned(&input, interlaced);
        assert_eq!(captioned(&input), 20);
        for (name, options, kept) in [
            ("out.mkv", &[][..], 20),
            ("out.mp4", &[], 20),
            ("hevc.mkv", &["--codec", "hevc"], 0),
        ] {
            let output = workshop.path(&format!("{interlaced}-{name}"));
            let said = workshop.restore(options, &input, &output).succeeds();
            assert_eq!(captioned(&output), kept, "{}", output.display());
            assert_eq!(said.contains("closed captions"), kept == 0, "{said}");
        }
    }
}

/// Twenty frames with a pair of bytes of CEA-608 in each.
fn write_captioned(file: &std::path::Path, interlaced: bool) {
    const SIZE: usize = 64 * 64 * 3 / 2;
    gst::init().unwrap();
    let mode = if interlaced {
        "interleaved,field-order=top-field-first"
    } else {
        "progressive"
    };
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=source format=time caps=video/x-raw,format=I420,width=64,height=64,framerate=25/1,interlace-mode={mode} ! \
         x264enc interlaced={interlaced} ! h264parse ! matroskamux ! filesink location=\"{}\"",
        file.display()
    ))
    .unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let source = pipeline
        .by_name("source")
        .unwrap()
        .downcast::<gst_app::AppSrc>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    for number in 0..20_u64 {
        let mut buffer = gst::Buffer::from_mut_slice(vec![60 + 8 * number as u8; SIZE]);
        let writable = buffer.make_mut();
        writable.set_pts(number * 40 * gst::ClockTime::MSECOND);
        writable.set_duration(40 * gst::ClockTime::MSECOND);
        if interlaced {
            let fields = gst_video::VideoBufferFlags::INTERLACED | gst_video::VideoBufferFlags::TFF;
            writable.set_flags(gst::BufferFlags::from_bits_truncate(fields.bits()));
        }
        gst_video::VideoCaptionMeta::add(writable, gst_video::VideoCaptionType::Cea708Raw, &[0xfc, 0x94, 0x2c]);
        source.push_buffer(buffer).unwrap();
    }
    source.end_of_stream().unwrap();
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(20),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
}

/// Frames with closed captions.
fn captioned(file: &std::path::Path) -> usize {
    let text = ffprobe(file, &["-select_streams", "v:0", "-show_frames"]);
    text.matches("Closed Captions").count()
}
