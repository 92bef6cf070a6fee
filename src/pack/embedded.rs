//! The default pack, compiled into the library so that the element works without any file.

use std::path::Path;

use once_cell::sync::OnceCell;

use super::{MANIFEST_FILE, Manifest, Pack, PackError, Storage, files};

pub(super) const LOCATION: &str = "embedded";
const MANIFEST: &str = include_str!("../../models/tiny/pack.toml");
/// By name, as the manifest lists them.
const FILES: [(&str, &[u8]); 5] = [
    ("encoder.onnx", include_bytes!("../../models/tiny/encoder.onnx")),
    ("restorer.onnx", include_bytes!("../../models/tiny/restorer.onnx")),
    ("decoder.onnx", include_bytes!("../../models/tiny/decoder.onnx")),
    (
        "restorer.int8.onnx",
        include_bytes!("../../models/tiny/restorer.int8.onnx"),
    ),
    (
        "decoder.int8.onnx",
        include_bytes!("../../models/tiny/decoder.int8.onnx"),
    ),
];

/// Checked once per process; elements share it.
static PACK: OnceCell<Pack> = OnceCell::new();

pub(super) fn pack() -> Result<Pack, PackError> {
    PACK.get_or_try_init(read).cloned()
}

/// The content of a file that the manifest lists; nothing of others, which [`read`] refuses.
pub(super) fn bytes(name: &str) -> &'static [u8] {
    find(name).unwrap_or_default()
}

fn find(name: &str) -> Option<&'static [u8]> {
    let (_, bytes) = FILES.iter().find(|(file, _)| *file == name)?;
    Some(bytes)
}

fn read() -> Result<Pack, PackError> {
    let folder = Path::new(LOCATION);
    let manifest = Manifest::parse(MANIFEST, &folder.join(MANIFEST_FILE))?;
    for (name, expected) in &manifest.files {
        let path = folder.join(name);
        let Some(bytes) = find(name) else {
            return Err(PackError::MissingFile { path });
        };
        files::check_hash(&path, expected, files::sha256_hex(bytes))?;
        files::check_graph_bytes(&path, bytes, &manifest)?;
    }
    let size = FILES.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    Ok(Pack::new(manifest, MANIFEST, size, Storage::Embedded))
}
