//! Restores a clip in packed RGB: one frame after the other, or with two in flight.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use gstdloralvsr::restore::{
    Completion, FinishedFrame, Frame, FramePipeline, GraphSet, Job, Outcome, OutputWriter, PixelLayout, PixelView,
    PixelViewMut, Report, RestoreError, Restored, SCALE, Settings, Stream,
};
use gstdloralvsr::runtime::{Model, OpenCancel};

/// Restores a clip, and writes each picture where the one before was.
pub struct Runner {
    width: usize,
    height: usize,
    kind: Kind,
}

enum Kind {
    Sequential {
        stream: Box<Stream>,
        output: Vec<u8>,
        reports: Vec<Report>,
    },
    Pipelined {
        pipeline: FramePipeline<()>,
        graphs: Arc<GraphSet>,
        settings: Settings,
        /// Whether a frame was given before.
        follows: bool,
        finished: Receiver<Result<Report, RestoreError>>,
        /// Memory for pictures.
        spare: Receiver<Vec<u8>>,
    },
}

impl Runner {
    /// One frame after the other.
    pub fn sequential(
        model: &Arc<Model>,
        settings: &Settings,
        width: usize,
        height: usize,
    ) -> Result<Runner, Box<dyn Error>> {
        let kind = Kind::Sequential {
            stream: Box::new(Stream::new(model.clone(), model.manifest(), settings.clone())?),
            output: blank(width, height),
            reports: Vec::new(),
        };
        Ok(Runner { width, height, kind })
    }

    /// Two frames at a time.
    pub fn pipelined(
        model: &Arc<Model>,
        settings: &Settings,
        width: usize,
        height: usize,
    ) -> Result<Runner, Box<dyn Error>> {
        let model = model.with_half_the_threads(&OpenCancel::default())?;
        let graphs = Arc::new(GraphSet::new(model.clone(), model.manifest())?);
        let ((sender, finished), (spares, spare)) = (mpsc::channel(), mpsc::channel());
        let (mut writer, mut picture) = (OutputWriter::new(), blank(width, height));
        let output = move |frame: FinishedFrame<()>| {
            // Nothing is late or flushed here.
            if let Completion::Done(outcome) = frame.completion {
                let report = write(&mut writer, &frame.frame, outcome, &mut picture, &spares);
                let _ = sender.send(report);
            }
        };
        let kind = Kind::Pipelined {
            pipeline: FramePipeline::spawn(output)?,
            graphs,
            settings: settings.clone(),
            follows: false,
            finished,
            spare,
        };
        Ok(Runner { width, height, kind })
    }

    /// Restores the next frame, or submits it.
    pub fn submit(&mut self, frame: &[u8]) -> Result<(), Box<dyn Error>> {
        let input = PixelView::new(frame, self.width, self.height, self.width * 3, PixelLayout::Rgb)?;
        match &mut self.kind {
            Kind::Sequential {
                stream,
                output,
                reports,
            } => {
                let (width, height) = (self.width * SCALE, self.height * SCALE);
                let mut output = PixelViewMut::new(output, width, height, width * 3, PixelLayout::Rgb)?;
                reports.push(stream.restore(&input, &mut output)?);
            }
            Kind::Pipelined {
                pipeline,
                graphs,
                settings,
                follows,
                spare,
                ..
            } => {
                let job = Job {
                    frame: Arc::new(Frame::read(&input)?),
                    graphs: graphs.clone(),
                    depth: 2,
                    follows: std::mem::replace(follows, true),
                    settings: settings.clone(),
                    picture: spare.try_recv().unwrap_or_default(),
                };
                pipeline
                    .submit(job, (), None)
                    .map_err(|refusal| format!("{refusal:?}"))?;
            }
        }
        Ok(())
    }

    /// Waits until every frame is done: the reports of those since this was last called.
    pub fn finish(&mut self) -> Result<Vec<Report>, RestoreError> {
        match &mut self.kind {
            Kind::Sequential { reports, .. } => Ok(std::mem::take(reports)),
            Kind::Pipelined { pipeline, finished, .. } => {
                pipeline.drain();
                finished.try_iter().collect()
            }
        }
    }
}

fn blank(width: usize, height: usize) -> Vec<u8> {
    vec![0; width * height * 3 * SCALE * SCALE]
}

fn write(
    writer: &mut OutputWriter,
    frame: &Frame,
    outcome: Outcome,
    output: &mut [u8],
    spares: &Sender<Vec<u8>>,
) -> Result<Report, RestoreError> {
    let Restored { picture, report } = outcome?;
    let (width, height) = (frame.width() * SCALE, frame.height() * SCALE);
    let mut output = PixelViewMut::new(output, width, height, width * 3, PixelLayout::Rgb)?;
    writer.write(frame, &picture, &mut output)?;
    let _ = spares.send(picture);
    Ok(report)
}
