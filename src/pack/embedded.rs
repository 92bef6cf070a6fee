//! The default pack, compiled into the library so that the element works without any file.

use std::path::Path;

use once_cell::sync::OnceCell;

use super::{Graph, MANIFEST_FILE, Manifest, Pack, PackError, Storage, files};

pub(super) const LOCATION: &str = "embedded";
const MANIFEST: &str = include_str!("../../models/tiny/pack.toml");
/// In the order of [`Graph::ALL`].
pub(super) const GRAPHS: [&[u8]; 3] = [
    include_bytes!("../../models/tiny/encoder.onnx"),
    include_bytes!("../../models/tiny/restorer.onnx"),
    include_bytes!("../../models/tiny/decoder.onnx"),
];

/// Checked once per process; elements share it.
static PACK: OnceCell<Pack> = OnceCell::new();

pub(super) fn pack() -> Result<Pack, PackError> {
    PACK.get_or_try_init(read).cloned()
}

fn read() -> Result<Pack, PackError> {
    let folder = Path::new(LOCATION);
    let manifest = Manifest::parse(MANIFEST, &folder.join(MANIFEST_FILE))?;
    for (name, expected) in &manifest.files {
        let path = folder.join(name);
        let graph = Graph::ALL.into_iter().find(|graph| graph.file_name() == name.as_str());
        let Some(graph) = graph else {
            return Err(PackError::MissingFile { path });
        };
        let bytes = GRAPHS[graph as usize];
        files::check_hash(&path, expected, files::sha256_hex(bytes))?;
        files::check_graph_bytes(&path, bytes, &manifest)?;
    }
    let size = GRAPHS.iter().map(|graph| graph.len() as u64).sum();
    Ok(Pack::new(manifest, MANIFEST, size, Storage::Embedded))
}
