//! A model of a run: being opened, or open, with what is made of it for restoring.

use std::sync::{Arc, OnceLock};

use super::ModelLoader;
use crate::restore::{GraphSet, Graphs, Hook, Hooked, RestoreError};
use crate::runtime::{CancellableModel, Model};

/// One model; another may take its place while the run goes on.
pub(super) struct SessionModel {
    /// It while it is being opened.
    pub loader: ModelLoader,
    /// The same with half of the threads, from when two frames are first wanted at a time; none without a thread for it.
    pub second: OnceLock<Option<ModelLoader>>,
    /// The graphs of both, by depth.
    sets: [OnceLock<Arc<GraphSet>>; 2],
}

impl SessionModel {
    pub fn new(loader: ModelLoader) -> Arc<Self> {
        Arc::new(SessionModel {
            loader,
            second: OnceLock::new(),
            sets: [const { OnceLock::new() }; 2],
        })
    }

    /// What restores `depth` frames at a time: the graphs of `model`, which is this one or its second.
    /// Fails with [`RestoreError`] if its manifest cannot be worked by.
    pub fn graph_set(
        &self,
        depth: usize,
        model: Arc<Model>,
        hook: Option<&Hook>,
    ) -> Result<Arc<GraphSet>, RestoreError> {
        let set = &self.sets[depth - 1];
        if let Some(set) = set.get() {
            return Ok(set.clone());
        }
        let manifest = model.manifest().clone();
        let model = Arc::new(CancellableModel::new(model));
        let graphs: Arc<dyn Graphs> = match hook {
            Some(hook) => Arc::new(Hooked::new(model, hook.clone())),
            None => model,
        };
        let fresh = Arc::new(GraphSet::new(graphs, &manifest)?);
        Ok(set.get_or_init(|| fresh).clone())
    }

    /// Nobody waits for it any more, and what is computed is cancelled. Says whether it is still being opened.
    pub fn cancel(&self) -> bool {
        let opening = self.loader.cancel();
        if let Some(Some(second)) = self.second.get() {
            second.cancel();
        }
        self.sets.iter().filter_map(OnceLock::get).for_each(|set| set.cancel());
        opening
    }
}
