//! Graphs with something done before each call: how slow and failing models are tested.

use std::sync::Arc;

use ndarray::{Array4, ArrayView4, ArrayViewMut4};

use super::graphs::{Encoded, EncodedView, GraphError, Graphs};
use crate::pack::Graph;

/// Called before a graph is run. It may take its time; an error is the graph's.
pub type Hook = Arc<dyn Fn(Graph) -> Result<(), GraphError> + Send + Sync>;

/// [`Graphs`] that call a hook before each of theirs.
pub struct Hooked {
    graphs: Arc<dyn Graphs>,
    hook: Hook,
}

impl Hooked {
    /// `graphs` with `hook` before each call.
    pub fn new(graphs: Arc<dyn Graphs>, hook: Hook) -> Hooked {
        Hooked { graphs, hook }
    }
}

impl Graphs for Hooked {
    fn prepare(&self, tiles: [[usize; 2]; 3]) {
        self.graphs.prepare(tiles);
    }

    fn encode(&self, frame: ArrayView4<'_, u8>) -> Result<Encoded, GraphError> {
        (self.hook)(Graph::Encoder)?;
        self.graphs.encode(frame)
    }

    fn cancel(&self) {
        self.graphs.cancel();
    }

    fn restorer_batch(&self) -> usize {
        self.graphs.restorer_batch()
    }

    fn restore(&self, current: EncodedView<'_>, previous: EncodedView<'_>) -> Result<Array4<f32>, GraphError> {
        (self.hook)(Graph::Restorer)?;
        self.graphs.restore(current, previous)
    }

    fn decode(
        &self,
        restored: ArrayView4<'_, f32>,
        frame: Option<ArrayView4<'_, u8>>,
        output: ArrayViewMut4<'_, u8>,
    ) -> Result<(), GraphError> {
        (self.hook)(Graph::Decoder)?;
        self.graphs.decode(restored, frame, output)
    }
}
