//! The graphs of a pack, and what frames are planned by.

use std::fmt;
use std::sync::Arc;

use super::RestoreError;
use super::geometry::Geometry;
use super::graphs::Graphs;
use crate::pack::Manifest;

/// The three graphs of a pack with the pack's sizes.
#[derive(Clone)]
pub struct GraphSet {
    /// What computes them.
    pub(super) graphs: Arc<dyn Graphs>,
    pub(super) geometry: Geometry,
    /// The pack's name; empty without a pack.
    name: String,
}

impl GraphSet {
    /// The graphs of the pack that `manifest` is of.
    ///
    /// # Errors
    /// [`RestoreError::Geometry`] if no frame could be planned with the manifest's sizes.
    pub fn new(graphs: Arc<dyn Graphs>, manifest: &Manifest) -> Result<GraphSet, RestoreError> {
        let set = GraphSet::with_geometry(graphs, Geometry::try_from(manifest)?)?;
        let name = manifest.name.clone();
        Ok(GraphSet { name, ..set })
    }

    /// Graphs of the given sizes, which need not come from a pack.
    ///
    /// # Errors
    /// [`RestoreError::Geometry`] if no frame could be planned with them.
    pub fn with_geometry(graphs: Arc<dyn Graphs>, geometry: Geometry) -> Result<GraphSet, RestoreError> {
        geometry.check()?;
        let name = String::new();
        Ok(GraphSet { graphs, geometry, name })
    }

    /// Whether what was found out about another set's frames holds for those of this one: how much memory they take, and
    /// what their latents are.
    pub(super) fn is_of_same_pack(&self, other: &GraphSet) -> bool {
        self.name == other.name
            && self.geometry == other.geometry
            && self.graphs.restorer_batch() == other.graphs.restorer_batch()
    }

    /// Ends what they compute, where that can be ended, for good.
    pub fn cancel(&self) {
        self.graphs.cancel();
    }
}

impl fmt::Debug for GraphSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphSet")
            .field("geometry", &self.geometry)
            .finish_non_exhaustive()
    }
}
