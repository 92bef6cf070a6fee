//! Two ways to restore a clip in tight RGB: one frame after the other, or two at a time.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use gstdloralvsr::restore::{
    Delivery, Ending, Finisher, Frame, Job, Outcome, PixelLayout, PixelView, PixelViewMut, Report, RestoreError,
    Restored, SCALE, Settings, Stages, Stream,
};
use gstdloralvsr::runtime::Model;

/// Restores a clip, and writes each picture where the one before was.
pub struct Way {
    width: usize,
    height: usize,
    kind: Kind,
}

enum Kind {
    InTurn {
        stream: Box<Stream>,
        output: Vec<u8>,
        reports: Vec<Report>,
    },
    InFlight {
        stages: Stages<()>,
        settings: Settings,
        /// Whether a frame was given before.
        follows: bool,
        landed: Receiver<Result<Report, RestoreError>>,
        /// Memory for pictures.
        spare: Receiver<Vec<u8>>,
    },
}

impl Way {
    /// One frame after the other.
    pub fn in_turn(
        model: &Arc<Model>,
        settings: &Settings,
        width: usize,
        height: usize,
    ) -> Result<Way, Box<dyn Error>> {
        let kind = Kind::InTurn {
            stream: Box::new(Stream::new(model.clone(), model.manifest(), settings.clone())?),
            output: blank(width, height),
            reports: Vec::new(),
        };
        Ok(Way { width, height, kind })
    }

    /// Two frames at a time.
    pub fn in_flight(
        model: &Arc<Model>,
        settings: &Settings,
        width: usize,
        height: usize,
    ) -> Result<Way, Box<dyn Error>> {
        let model = model.side_by_side()?;
        let stream = Stream::new(model.clone(), model.manifest(), settings.clone())?;
        let ((lands, landed), (spares, spare)) = (mpsc::channel(), mpsc::channel());
        let (mut finisher, mut output) = (Finisher::new(), blank(width, height));
        let deliver = move |delivery: Delivery<()>| {
            // Nothing is late or recalled here.
            if let Ending::Done(outcome) = delivery.ending {
                let report = write(&mut finisher, &delivery.frame, outcome, &mut output, &spares);
                let _ = lands.send(report);
            }
        };
        let kind = Kind::InFlight {
            stages: Stages::spawn(stream, deliver)?,
            settings: settings.clone(),
            follows: false,
            landed,
            spare,
        };
        Ok(Way { width, height, kind })
    }

    /// Restores the next frame, or sends it on its way.
    pub fn give(&mut self, frame: &[u8]) -> Result<(), Box<dyn Error>> {
        let input = PixelView::new(frame, self.width, self.height, self.width * 3, PixelLayout::Rgb)?;
        match &mut self.kind {
            Kind::InTurn {
                stream,
                output,
                reports,
            } => {
                let (width, height) = (self.width * SCALE, self.height * SCALE);
                let mut output = PixelViewMut::new(output, width, height, width * 3, PixelLayout::Rgb)?;
                reports.push(stream.restore(&input, &mut output)?);
            }
            Kind::InFlight {
                stages,
                settings,
                follows,
                spare,
                ..
            } => {
                let job = Job {
                    frame: Arc::new(Frame::read(&input)?),
                    follows: std::mem::replace(follows, true),
                    settings: settings.clone(),
                    picture: spare.try_recv().unwrap_or_default(),
                };
                stages.give(job, (), None).map_err(|refusal| format!("{refusal:?}"))?;
            }
        }
        Ok(())
    }

    /// Waits until every frame is done: the reports of those since this was last called.
    pub fn finish(&mut self) -> Result<Vec<Report>, RestoreError> {
        match &mut self.kind {
            Kind::InTurn { reports, .. } => Ok(std::mem::take(reports)),
            Kind::InFlight { stages, landed, .. } => {
                stages.land();
                landed.try_iter().collect()
            }
        }
    }
}

fn blank(width: usize, height: usize) -> Vec<u8> {
    vec![0; width * height * 3 * SCALE * SCALE]
}

fn write(
    finisher: &mut Finisher,
    frame: &Frame,
    outcome: Outcome,
    output: &mut [u8],
    spares: &Sender<Vec<u8>>,
) -> Result<Report, RestoreError> {
    let Restored { picture, report } = outcome?;
    let (width, height) = (frame.width() * SCALE, frame.height() * SCALE);
    let mut output = PixelViewMut::new(output, width, height, width * 3, PixelLayout::Rgb)?;
    finisher.write(frame, &picture, &mut output)?;
    let _ = spares.send(picture);
    Ok(report)
}
