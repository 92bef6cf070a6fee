//! One run from the command line to the finished file.

use std::sync::atomic::Ordering;
use std::time::Duration;

use gst::prelude::*;

use crate::finish::Finish;
use crate::input::{Input, Media, Scan, ffprobe};
use crate::introduce::introduce;
use crate::options::Options;
use crate::output::{Container, Streams, Target, VideoCodec, space};
use crate::progress::Progress;
use crate::terminal::say;
use crate::video::{self, Transcoder, Upscaling};
use crate::watch::Watch;
use crate::work::Work;
use crate::{Failure, choice, preview, signals};

/// How long the pipeline may take to shut down.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// Restore `options.input` into `options.output`.
///
/// # Errors
/// Says what is missing or went wrong, and where what was restored is.
pub fn restore(options: &Options) -> Result<(), Failure> {
    if let Some(count) = options.preview {
        return preview::write(options, count);
    }
    let container = Container::of(&options.output)?;
    let media = Media::open(&options.input, options.rate)?;
    let original = media.clone();
    let target = Target::claim(&options.output, &media.files(), options.force)?;
    check_replaced(&target)?;
    let input = Input::probe(media, options.stream)?;
    if container == Container::Png && !input.is_still() {
        return Err(Failure::Usage(
            "a .png holds one picture: choose an output that ends in .mkv, .mp4, .mov or .webm".to_owned(),
        ));
    }
    let codec = VideoCodec::of(container, options.codec)?;
    let range = options.range.of_input(&input)?;
    let expected = expected_frames(options, &input);
    let size = options.size.of_input(&input).map_err(Failure::Usage)?;
    let mut streams = Streams::plan(&input, container, range.start.is_some());
    streams.try_copying(&input, container)?;
    if options.strict && !streams.left_out.is_empty() {
        return Err(Failure::Usage(format!(
            "{} cannot hold everything of the input, and --strict asks for that. It would lack: {}",
            container.ending(),
            streams.left_out.join(", ")
        )));
    }
    let warning = space::check(
        space::estimate(&input, size, expected, codec.bits_per_pixel(options.crf)),
        target.path(),
    )?;
    let scan = Scan::start(&input)?;
    let signals = signals::count()?;
    let stopped = || signals.load(Ordering::Relaxed) > 0;
    let work = Work::begin(options, target.path(), &original, (container, codec), &stopped)?;
    let mut chosen = options.clone();
    let choice = match work.parts().and_then(|parts| parts.model()) {
        Some(model) => {
            chosen.set("model", "model", &model);
            None
        }
        None if choice::is_wanted(options) => Some(choice::choose(options, &input, expected)),
        None => None,
    };
    if let Some(choice) = &choice {
        chosen = choice.applied_to(&chosen);
    }
    let transcoder = work.settle(&mut chosen).and_then(|()| {
        video::build(
            &chosen,
            &input,
            (range, size),
            (codec, Upscaling::Model),
            work.destination(),
        )
    });
    let transcoder = match transcoder {
        Ok(transcoder) => transcoder,
        Err(failure) => {
            work.give_up();
            return Err(failure);
        }
    };
    introduce(options, &input, size, &streams, &transcoder, warning);
    if let Some(choice) = &choice {
        say!("{}", choice.note);
    }
    let done = work.announce();
    let mut watch = Watch::new(
        &transcoder,
        (&scan, input.video.stream.index, chosen.deinterlace.frames(&input.video)),
        work.path().to_owned(),
        Progress::new(expected, done, options.json),
        signals.clone(),
    );
    let end = watch.run();
    stop(&transcoder);
    watch.finish(&end);
    let is_one_each = options.deinterlace.frames(&input.video) == 1;
    let finish = Finish {
        is_one_each,
        input: &input,
        streams: &streams,
        container,
        codec,
        target: &target,
        gate: &transcoder.gate,
        colours: transcoder.colours.get().copied(),
    };
    match work {
        Work::File(part) => finish.conclude(part, end, scan, &stopped),
        Work::Parts(parts) => {
            let last = transcoder.segments.as_ref().and_then(|segments| segments.last());
            finish.conclude_parts(&parts, last, end, scan, &stopped)
        }
    }
}

/// `--force *.mp4` in a folder with two videos is a slip: what is replaced is a result of this program, or nothing that
/// plays.
///
/// # Errors
/// It is another video or picture, or cannot be read.
pub fn check_replaced(target: &Target) -> Result<(), Failure> {
    if target.replaces_unknown()
        && let Err(error) = std::fs::File::open(target.path())
    {
        return Err(Failure::Usage(format!(
            "{} cannot be read ({error}), so nobody can tell what --force would replace: choose another name",
            target.path().display()
        )));
    }
    let plays = || {
        Media::open(target.path(), None)
            .and_then(|media| ffprobe::report(&media))
            .is_ok()
    };
    if !target.replaces_unknown() || !plays() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{} is no result of dloralvsr, or was changed since, and --force replaces no other video: delete it first, or \
         choose another name (many inputs go into a folder: --out FOLDER)",
        target.path().display()
    )))
}

/// About how many frames will be restored.
pub fn expected_frames(options: &Options, input: &Input) -> Option<u64> {
    let times = u64::from(options.deinterlace.frames(&input.video));
    match (options.frames, options.range.frames(input).map(|frames| frames * times)) {
        (Some(limit), Some(frames)) => Some(limit.min(frames)),
        (limit, frames) => limit.or(frames),
    }
}

/// Shut the pipeline down, but wait for that only so long: an element that hangs must not keep what was restored.
pub fn stop(transcoder: &Transcoder) {
    if let Some(segments) = &transcoder.segments {
        segments.abandon();
    }
    let pipeline = transcoder.pipeline.clone();
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Nothing to do about a failure here: the file is as finished as it gets.
        let _ = pipeline.set_state(gst::State::Null);
        // Nobody listens where the waiting has ended.
        let _ = done.send(());
    });
    let _ = wait.recv_timeout(SHUTDOWN);
}
