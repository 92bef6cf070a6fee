//! Frames for the threads that restore.

use std::sync::Arc;

use gstdloralvsr::restore::{Frame, Job, Settings};

use crate::fake::Picture;

/// Without scene detection.
pub fn settings() -> Settings {
    Settings {
        scene_threshold: 0.0,
        ..Settings::default()
    }
}

pub fn picture(number: usize) -> Picture {
    Picture::new(24, 18, number)
}

pub fn job(number: usize, follows: bool) -> Job {
    Job {
        frame: Arc::new(Frame::read(&picture(number).view()).unwrap()),
        follows,
        settings: settings(),
        picture: Vec::new(),
    }
}
