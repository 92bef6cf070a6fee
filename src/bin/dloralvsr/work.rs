//! Where the restored video is kept until the output is whole: in a part, or with `--resume` in segments.

use std::path::Path;
use std::sync::Arc;

use gstdloralvsr::pack::Pack;

use crate::Failure;
use crate::input::Media;
use crate::options::Options;
use crate::output::{Container, Part, VideoCodec};
use crate::resume::{Identity, Parts};
use crate::terminal::say;
use crate::video::Destination;

pub enum Work {
    File(Part),
    Parts(Arc<Parts>),
}

impl Work {
    /// Beside `output`, for the input `media`.
    ///
    /// # Errors
    /// It cannot be written there, or another run is at work, or segments of another run are there; `stopped` says that the
    /// user wants no more.
    pub fn begin(
        options: &Options,
        output: &Path,
        media: &Media,
        kind: (Container, VideoCodec),
        stopped: &dyn Fn() -> bool,
    ) -> Result<Self, Failure> {
        let codec = kind.1;
        // Of a picture there is nothing to go on with.
        if !options.resume || codec == VideoCodec::Png {
            return Part::create(output).map(Work::File);
        }
        let run = Identity::of(options, media, kind, stopped)?;
        Parts::open(output, run, codec).map(|parts| Work::Parts(Arc::new(parts)))
    }

    pub fn parts(&self) -> Option<&Parts> {
        match self {
            Work::File(_) => None,
            Work::Parts(parts) => Some(parts),
        }
    }

    /// The file, or the folder of segments.
    pub fn path(&self) -> &Path {
        match self {
            Work::File(part) => part.path(),
            Work::Parts(parts) => parts.folder(),
        }
    }

    pub fn destination(&self) -> Destination<'_> {
        match self {
            Work::File(part) => Destination::File(part.path()),
            Work::Parts(parts) => Destination::Segments(parts.clone()),
        }
    }

    /// Let the run go on with the model and the provider that the earlier one had, and note them.
    ///
    /// # Errors
    /// The model is not there, or not the same.
    pub fn settle(&self, options: &mut Options) -> Result<(), Failure> {
        let Work::Parts(parts) = self else { return Ok(()) };
        if let Some(provider) = parts.provider() {
            options.set("provider", "execution-provider", &provider);
        }
        let model = options.given("model").unwrap_or("tiny").to_owned();
        let pack = Pack::find(model.as_ref()).map_err(|error| Failure::Usage(format!("--model {model}: {error}")))?;
        parts.settle(&model, pack.id())
    }

    /// Say where the run goes on; the frames until there.
    pub fn announce(&self) -> u64 {
        let done = self.parts().map_or(0, Parts::frames);
        if done > 0 {
            say!("goes on behind the {done} frames in {}", self.path().display());
        }
        done
    }

    /// Nothing comes of it: leave nothing behind but earlier work.
    pub fn give_up(self) {
        match self {
            Work::File(part) => part.remove(),
            Work::Parts(parts) if parts.frames() == 0 => parts.remove(),
            Work::Parts(_) => {}
        }
    }
}
