//! What the threads do, each until the stages are closed.

use super::Delivery;
use super::places::{Half, Shared, Step};
use crate::restore::RestoreError;
use crate::restore::back::Back;
use crate::restore::front::{Front, Midway};
use crate::restore::job::{Job, Restored, caught};
use crate::restore::source::Source;

/// The first half: frames to their restored latents.
pub fn restore<T>(shared: &Shared<T>, mut front: Front) {
    // At most one frame is before the second half: each has the memory of a whole picture with it.
    while let Some((step, mut places)) = shared.next(|places| places.given.take_if(|_| places.midway.is_none())) {
        places.in_front = true;
        // A frame that is late only is the next one's frame before.
        let recalled = step.generation != places.generation;
        if let Some(source) = places.spare.take() {
            front.recycle(source);
        }
        drop(places);
        let Step {
            serial,
            generation,
            what: job,
        } = step;
        let what = Half {
            result: (!recalled).then(|| restore_frame(&mut front, &job)),
            picture: job.picture,
        };
        let mut places = shared.lock();
        places.midway = Some(Step {
            serial,
            generation,
            what,
        });
        places.in_front = false;
        shared.changed.notify_all();
    }
}

fn restore_frame(front: &mut Front, job: &Job) -> Result<Midway, RestoreError> {
    front.set_settings(job.settings.clone());
    if !job.follows {
        front.reset();
    }
    caught(|| front.restore(&job.frame))
}

/// The second half: restored latents to pictures.
pub fn decode<T>(shared: &Shared<T>, mut back: Back) {
    while let Some((step, places)) = shared.next(|places| places.midway.take()) {
        let wanted = places.wants(&step);
        shared.changed.notify_all();
        drop(places);
        let Step {
            serial,
            generation,
            what,
        } = step;
        let step = Step {
            serial,
            generation,
            what: (),
        };
        let finished = what
            .result
            .filter(|_| wanted)
            .map(|result| finish(&mut back, result, what.picture));
        let (outcome, spare) = match finished {
            Some(Ok((restored, source))) => (Some(Ok(restored)), Some(source)),
            Some(Err(error)) => (Some(Err(error)), None),
            None => (None, None),
        };
        let mut places = shared.lock();
        places.conclude(&step, outcome);
        places.spare = spare.or(places.spare.take());
        shared.changed.notify_all();
    }
}

fn finish(
    back: &mut Back,
    half: Result<Midway, RestoreError>,
    mut picture: Vec<u8>,
) -> Result<(Restored, Source), RestoreError> {
    let midway = half?;
    let (report, source) = caught(|| back.finish(midway, &mut picture))?;
    Ok((Restored { picture, report }, source))
}

/// Frames out, in order, each as soon as it is restored or late.
pub fn hand_out<T>(shared: &Shared<T>, mut deliver: impl FnMut(Delivery<T>)) {
    while let Some((entry, ending)) = shared.next_to_leave() {
        deliver(Delivery {
            cargo: entry.cargo,
            frame: entry.frame,
            ending,
        });
        shared.lock().delivering = None;
        shared.changed.notify_all();
    }
}
