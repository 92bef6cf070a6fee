//! `--preview N`: pictures of N spread frames, each enlarged without the model and restored, in place of the work.
//!
//! Two files of one size, so that a viewer's arrow key shows the difference at the same place: side by side they would
//! be reduced to fit on a screen, below the input's own resolution.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use gst::prelude::*;

use crate::input::{Input, Media};
use crate::options::Options;
use crate::output::{Container, Part, Target, VideoCodec};
use crate::progress::clock;
use crate::range::Range;
use crate::session::{self, expected_frames};
use crate::size::PictureSize;
use crate::terminal::say;
use crate::video::{self, Destination, Transcoder, Upscaling};
use crate::{Failure, choice, introduce, messages, signals};

/// How often Ctrl-C is looked at.
const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// The two pictures of a frame: how they are made, and what their names say.
const PICTURES: [(Upscaling, &str); 2] = [(Upscaling::Bicubic, "before"), (Upscaling::Model, "restored")];

/// Write the pictures of `count` frames beside the output, or into the folder that is named in its place.
///
/// # Errors
/// What cannot be read, restored or written; an interruption.
pub fn write(options: &Options, count: u32) -> Result<(), Failure> {
    let media = Media::open(&options.input, options.rate)?;
    let input = Input::probe(media, options.stream)?;
    let size = options.size.of_input(&input).map_err(Failure::Usage)?;
    options.range.of_input(&input)?;
    let times = times(options, &input, count)?;
    let targets = targets(options, &input, times.len())?;
    say!("{}", introduce::source_of(options, &input));
    let choice = choice::is_wanted(options).then(|| choice::choose(options, &input, expected_frames(options, &input)));
    let chosen = choice.as_ref().map(|choice| choice.applied_to(options));
    if let Some(choice) = &choice {
        say!("{}", choice.note);
    }
    let options = Options {
        frames: Some(1),
        ..chosen.as_ref().unwrap_or(options).clone()
    };
    let signals = signals::count()?;
    for (time, targets) in times.into_iter().zip(targets) {
        let start = Range { start: time, end: None };
        let [before, restored] = PICTURES.map(|(upscaling, _)| upscaling);
        if !picture(&options, &input, (start, size), before, &targets[0], &signals)? {
            say!("at {}: no frame begins there or later", place(time.unwrap_or(0)));
            continue;
        }
        picture(&options, &input, (start, size), restored, &targets[1], &signals)?;
        let [before, restored] = targets.map(|target| target.path().display().to_string());
        say!("at {}: {before}, {restored}", place(time.unwrap_or(0)));
    }
    Ok(())
}

/// One picture of the first frame of a range; whether there is such a frame.
fn picture(
    options: &Options,
    input: &Input,
    (range, size): (Range, PictureSize),
    upscaling: Upscaling,
    target: &Target,
    signals: &AtomicU32,
) -> Result<bool, Failure> {
    let part = Part::create(target.path())?;
    let range = range.of_input(input)?;
    let written = video::build(
        options,
        input,
        (range, size),
        (VideoCodec::Png, upscaling),
        Destination::File(part.path()),
    )
    .and_then(|transcoder| run(&transcoder, signals));
    let published = written.and_then(|is_there| match is_there {
        true => target.publish(part.path()).map_err(Failure::Failed).map(|()| true),
        false => Ok(false),
    });
    if !matches!(published, Ok(true)) {
        part.remove();
    }
    published
}

/// Until the picture is written; whether there was a frame for it.
fn run(transcoder: &Transcoder, signals: &AtomicU32) -> Result<bool, Failure> {
    let ended = play(transcoder, signals);
    session::stop(transcoder);
    ended?;
    Ok(transcoder.gate.restored() > 0)
}

fn play(transcoder: &Transcoder, signals: &AtomicU32) -> Result<(), Failure> {
    let failed = |text: String| Err(Failure::Failed(text));
    let Some(bus) = transcoder.pipeline.bus() else {
        return failed("the pipeline has no bus".to_owned());
    };
    // A failure to start has its reason on the bus.
    let started = transcoder.pipeline.set_state(gst::State::Playing).is_ok();
    let mut is_enough = false;
    loop {
        let message = bus.timed_pop(if started { TICK } else { gst::ClockTime::ZERO });
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Eos(_)) => return Ok(()),
            Some(gst::MessageView::Error(error)) => {
                return failed(messages::describe(error.src(), &error.error(), error.debug()));
            }
            Some(gst::MessageView::Warning(warning)) => {
                let text = messages::describe(warning.src(), &warning.error(), warning.debug());
                say!("warning: {text}");
            }
            None if !started => return failed("the pipeline does not start".to_owned()),
            _ => {}
        }
        if let Some(text) = message.and_then(|message| messages::failure_in(&message)) {
            return failed(text);
        }
        if signals.swap(0, Ordering::Relaxed) > 0 {
            return Err(Failure::Interrupted(
                "the pictures that were named are whole".to_owned(),
            ));
        }
        // The end of the input need not be waited for.
        if transcoder.gate.restored() > 0 && !is_enough {
            is_enough = true;
            transcoder.gate.end_now();
        }
    }
}

/// Where the frames are, from the input's beginning, ns: in the middle of as many equal parts; `None`: the first frame.
fn times(options: &Options, input: &Input, count: u32) -> Result<Vec<Option<i64>>, Failure> {
    if input.is_still() {
        return Ok(vec![None]);
    }
    let (range, Some(duration)) = (options.range, input.duration) else {
        return Err(Failure::Usage(
            "--preview: how long the input is, is not known; --start TIME --frames 1 restores the frame of a place"
                .to_owned(),
        ));
    };
    let frames = range
        .frames(input)
        .map(|frames| frames.min(options.frames.unwrap_or(u64::MAX)));
    let start = range.start.unwrap_or(0);
    let end = range.end.unwrap_or(duration).min(duration);
    let end = match options.frames {
        Some(frames) => end.min(
            start
                + input
                    .video
                    .mean_frame()
                    .saturating_mul(frames.try_into().unwrap_or(i64::MAX)),
        ),
        None => end,
    };
    // No frame twice.
    let count = frames.map_or(count, |frames| u32::try_from(frames).unwrap_or(count).clamp(1, count));
    let part = (end - start) / i64::from(count);
    // The frame that stands there began up to a frame's length before.
    let before = part / 2 - input.video.mean_frame() * 3 / 4;
    Ok((0..count)
        .map(|number| Some(start + (part * i64::from(number) + before).max(0)))
        .collect())
}

/// The places of the pictures: none of them taken, or all free to be replaced.
fn targets(options: &Options, input: &Input, count: usize) -> Result<Vec<[Target; 2]>, Failure> {
    let (folder, stem) = if options.output.is_dir() {
        (options.output.clone(), options.input.with_extension(""))
    } else {
        // A wrong ending is told now, not by the work itself.
        Container::of(&options.output)?;
        let folder = options.output.parent().unwrap_or(Path::new("")).to_owned();
        (folder, options.output.with_extension(""))
    };
    let stem = stem.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let inputs = input.media.files();
    let claim = |number: usize, kind: &str| {
        let path = folder.join(name(&stem, number, count, kind));
        let target = Target::claim(&path, &inputs, options.force)?;
        session::check_replaced(&target).map(|()| target)
    };
    (1..=count)
        .map(|number| Ok([claim(number, PICTURES[0].1)?, claim(number, PICTURES[1].1)?]))
        .collect()
}

/// Names that stand in the order of the frames, the two of a frame side by side.
fn name(stem: &str, number: usize, count: usize, kind: &str) -> PathBuf {
    let digits = count.to_string().len();
    format!("{stem}.preview-{number:0digits$}-{kind}.png").into()
}

/// `0:12.50`.
fn place(time: i64) -> String {
    let hundredths = time.unsigned_abs() / 10_000_000;
    format!("{}.{:02}", clock(hundredths / 100), hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_stand_in_the_order_of_their_frames() {
        assert_eq!(name("out", 3, 12, "before").to_str(), Some("out.preview-03-before.png"));
        assert!(name("out", 3, 12, "before") < name("out", 3, 12, "restored"));
        assert!(name("out", 3, 12, "restored") < name("out", 10, 12, "before"));
        assert_eq!(place(3_725_120_000_000), "1:02:05.12");
    }
}
