//! One run from the command line to the finished file.

use std::sync::atomic::Ordering;
use std::time::Duration;

use gst::prelude::*;

use crate::choice::{self, Choice};
use crate::finish::Finish;
use crate::input::{Input, Media, Scan, ffprobe};
use crate::introduce::introduce;
use crate::options::Options;
use crate::output::{Container, Streams, Target, VideoCodec, space};
use crate::progress::Progress;
use crate::range::Range;
use crate::size::PictureSize;
use crate::terminal::say;
use crate::video::{self, Transcoder, Upscaling};
use crate::watch::Watch;
use crate::work::Work;
use crate::{Failure, preview, signals};

/// How long the pipeline may take to shut down.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// What is decided before anything is written.
struct Plan {
    input: Input,
    /// As it was given.
    media: Media,
    target: Target,
    container: Container,
    codec: VideoCodec,
    range: Range,
    size: PictureSize,
    /// About how many frames will be restored.
    expected: Option<u64>,
    streams: Streams,
    /// Of little space on the disk.
    warning: Option<String>,
}

/// Restore `options.input` into `options.output`.
///
/// # Errors
/// Says what is missing or went wrong, and where what was restored is.
pub fn restore(options: &Options) -> Result<(), Failure> {
    if let Some(count) = options.preview {
        return preview::write(options, count);
    }
    let plan = Plan::make(options)?;
    let scan = Scan::start(&plan.input)?;
    let signals = signals::count()?;
    let stopped = || signals.load(Ordering::Relaxed) > 0;
    let kind = (plan.container, plan.codec);
    let work = Work::begin(options, plan.target.path(), &plan.media, kind, &stopped)?;
    let (mut chosen, choice) = choose_model(options, &plan, &work);
    let transcoder = match plan.build(&mut chosen, &work) {
        Ok(transcoder) => transcoder,
        Err(failure) => {
            work.give_up();
            return Err(failure);
        }
    };
    introduce(
        options,
        &plan.input,
        plan.size,
        &plan.streams,
        &transcoder,
        plan.warning.as_deref(),
    );
    if let Some(choice) = &choice {
        say!("{}", choice.note);
    }
    let done = work.announce();
    let (stream, times) = (
        plan.input.video.stream.index,
        options.deinterlace.frames(&plan.input.video),
    );
    let mut watch = Watch::new(
        &transcoder,
        (&scan, stream, times),
        work.path().to_owned(),
        Progress::new(plan.expected, done, options.json),
        signals.clone(),
    );
    let end = watch.run();
    stop(&transcoder);
    watch.finish(&end);
    let finish = Finish {
        is_one_each: times == 1,
        input: &plan.input,
        streams: &plan.streams,
        container: plan.container,
        codec: plan.codec,
        target: &plan.target,
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

impl Plan {
    /// Looks at input and output.
    ///
    /// # Errors
    /// They cannot work, or not as the options want it.
    fn make(options: &Options) -> Result<Self, Failure> {
        let container = Container::of(&options.output)?;
        let media = Media::open(&options.input, options.rate)?;
        let target = Target::claim(&options.output, &media.files(), options.force)?;
        check_replaced(&target)?;
        let input = Input::probe(media.clone(), options.stream)?;
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
        if input.video.captions && (options.hardware || !codec.holds_captions()) {
            let what = "closed captions within the video, which h264 without --hw keeps";
            streams.left_out.push(what.to_owned());
        }
        if options.strict && !streams.left_out.is_empty() {
            return Err(Failure::Usage(format!(
                "{} cannot hold everything of the input, and --strict asks for that. It would lack: {}",
                container.ending(),
                streams.left_out.join(", ")
            )));
        }
        let needed = space::estimate(&input, size, expected, codec.bits_per_pixel(options.crf));
        let warning = space::check(needed, target.path())?;
        Ok(Self {
            input,
            media,
            target,
            container,
            codec,
            range,
            size,
            expected,
            streams,
            warning,
        })
    }

    /// The pipeline that restores into `work`; options that an earlier run has decided are set in `chosen`.
    ///
    /// # Errors
    /// The model or an element is missing.
    fn build(&self, chosen: &mut Options, work: &Work) -> Result<Transcoder, Failure> {
        work.settle(chosen)?;
        let (picture, coding) = ((self.range, self.size), (self.codec, Upscaling::Model));
        video::build(chosen, &self.input, picture, coding, work.destination())
    }
}

/// The options with the model that is restored with: an earlier run's, or the user's, or one that is chosen here.
fn choose_model(options: &Options, plan: &Plan, work: &Work) -> (Options, Option<Choice>) {
    if let Some(model) = work.parts().and_then(|parts| parts.model()) {
        let mut chosen = options.clone();
        chosen.set("model", "model", &model);
        return (chosen, None);
    }
    if !choice::is_wanted(options) {
        return (options.clone(), None);
    }
    let choice = choice::choose(options, &plan.input, plan.expected);
    (choice.applied_to(options), Some(choice))
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
