//! Frames for the threads that restore.

use std::sync::Arc;

use gstdloralvsr::restore::{Frame, GraphSet, Graphs, Job, Settings};

use crate::fake::{Picture, geometry};

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

pub fn graph_set(graphs: Arc<dyn Graphs>) -> Arc<GraphSet> {
    Arc::new(GraphSet::with_geometry(graphs, geometry()).unwrap())
}

/// For two frames at a time.
pub fn job(graphs: &Arc<GraphSet>, number: usize, follows: bool) -> Job {
    Job {
        frame: Arc::new(Frame::read(&picture(number).view()).unwrap()),
        graphs: graphs.clone(),
        depth: 2,
        follows,
        settings: settings(),
        picture: Vec::new(),
    }
}
