//! What the threads do, each until the pipeline is closed.

use super::FinishedFrame;
use super::state::{EncodedFrame, Shared};
use crate::restore::RestoreError;
use crate::restore::decode_stage::DecodeStage;
use crate::restore::encode_stage::{EncodeStage, RestoredLatent};
use crate::restore::job::{Job, Restored, caught};
use crate::restore::padded_input::PaddedInput;

/// Frames to their restored latents.
pub fn encode_and_restore<T>(shared: &Shared<T>) {
    let mut stage = None;
    while let Some(((frame, job), mut state)) = shared.next(|state| state.start_encoding()) {
        // A frame that is late only is the next one's previous frame.
        let flushed = frame.generation != state.generation;
        let spare = state.spare.take();
        drop(state);
        let result = (!flushed).then(|| restore(&mut stage, &job, spare));
        let encoded = EncodedFrame {
            result,
            picture: job.picture,
        };
        shared.update(|state| state.end_encoding((frame, encoded)));
    }
}

fn restore(
    stage: &mut Option<EncodeStage>,
    job: &Job,
    spare: Option<PaddedInput>,
) -> Result<RestoredLatent, RestoreError> {
    let stage = stage.get_or_insert_with(|| EncodeStage::new(job.graphs.clone(), job.settings.clone()));
    stage.set_graphs(&job.graphs);
    stage.set_settings(job.settings.clone());
    if let Some(spare) = spare {
        stage.recycle(spare);
    }
    if !job.follows {
        stage.reset();
    }
    let mut latent = caught(|| stage.restore(&job.frame))?;
    latent.report.pipelined = job.depth > 1;
    Ok(latent)
}

/// Restored latents to pictures.
pub fn decode<T>(shared: &Shared<T>) {
    let mut stage = DecodeStage::default();
    while let Some(((frame, encoded), state)) = shared.next(|state| state.start_decoding()) {
        let wanted = state.is_wanted(frame);
        drop(state);
        shared.changed.notify_all();
        let EncodedFrame { result, mut picture } = encoded;
        let mut spare = None;
        let outcome = result.filter(|_| wanted).map(|latent| {
            let latent = latent?;
            let (report, input) = caught(|| stage.decode(latent, &mut picture))?;
            spare = Some(input);
            Ok(Restored { picture, report })
        });
        shared.update(|state| {
            state.end_decoding(frame, outcome);
            state.spare = spare.or(state.spare.take());
        });
    }
}

/// Finished frames out, in order, each as soon as it is restored or late.
pub fn output<T>(shared: &Shared<T>, mut output: impl FnMut(FinishedFrame<T>)) {
    while let Some(finished) = shared.next_finished() {
        output(finished);
        shared.update(|state| state.in_output = None);
    }
}
