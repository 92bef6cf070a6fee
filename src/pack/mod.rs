//! Model packs: `pack.toml` and the ONNX graphs beside it, read, checked and found. `docs/pack-format.md` specifies them.
//!
//! A [`Pack`] that could be opened has been checked whole: its manifest is valid, every file is there with the hash
//! the manifest names, and no graph reaches outside the folder. Nothing here runs a graph.

mod embedded;
mod error;
mod files;
mod find;
mod manifest;
mod onnx;
mod sizes;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

pub use error::PackError;
pub(crate) use files::sha256_hex;
pub use manifest::{
    Decoder, Encoder, EncoderInput, Int8, Latent, Manifest, PackColorFix, Precision, SHA256_HEX_LENGTH, Window,
};
pub use sizes::{GraphSizes, TileBatch, TileShape, padded_side};

/// File name of the manifest inside a pack's folder.
pub const MANIFEST_FILE: &str = "pack.toml";

/// One of the three graphs of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Graph {
    /// Picture to latent and guide.
    Encoder,
    /// Two latents and their guides to the restored latent.
    Restorer,
    /// Restored latent to picture.
    Decoder,
}

impl Graph {
    /// All three, in the order in which a frame passes them.
    pub const ALL: [Graph; 3] = [Graph::Encoder, Graph::Restorer, Graph::Decoder];

    /// The graph's file inside the pack's folder.
    pub fn file_name(self) -> &'static str {
        match self {
            Graph::Encoder => "encoder.onnx",
            Graph::Restorer => "restorer.onnx",
            Graph::Decoder => "decoder.onnx",
        }
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Graph::Encoder => "encoder",
            Graph::Restorer => "restorer",
            Graph::Decoder => "decoder",
        })
    }
}

/// In which form a pack's graphs are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// As every provider takes them, in the pack's precision.
    Plain,
    /// In 8 bits, those that have such a form: made for CPUs.
    Int8,
}

impl Form {
    /// Both.
    pub const ALL: [Form; 2] = [Form::Plain, Form::Int8];
}

/// Where the bytes of a graph are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphSource<'a> {
    /// In this file; external weights lie in files beside it.
    File(&'a Path),
    /// In memory, without external weights.
    Memory(&'static [u8]),
}

/// A checked model pack. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Pack(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    manifest: Manifest,
    id: String,
    size: u64,
    storage: Storage,
}

#[derive(Debug)]
enum Storage {
    /// Absolute paths of graphs, by form and graph in the order of their `ALL`.
    Folder {
        folder: PathBuf,
        graphs: [[PathBuf; 3]; 2],
    },
    Embedded,
}

impl Pack {
    /// Opens the pack in `folder`: reads and validates `pack.toml`, hashes every file it lists and checks where the
    /// graphs keep their weights. Reads every byte of the pack once.
    ///
    /// # Errors
    /// A [`PackError`] that names the file and what to do: folder or file missing, manifest malformed or of another
    /// format, a hash that differs, a truncated graph, or a path that leaves the folder.
    pub fn open(folder: &Path) -> Result<Pack, PackError> {
        let folder = files::canonical_folder(folder)?;
        let manifest_path = folder.join(MANIFEST_FILE);
        let text = files::read_manifest(&manifest_path)?;
        let manifest = Manifest::parse(&text, &manifest_path)?;
        let size = files::check_files(&folder, &manifest)?;
        let graphs = Form::ALL.map(|form| Graph::ALL.map(|graph| folder.join(manifest.file(graph, form))));
        Ok(Pack::new(manifest, &text, size, Storage::Folder { folder, graphs }))
    }

    /// Opens the pack of this name, or in this folder: what has a slash in it is a folder, and so is what is one in the
    /// current folder. A name is looked for in the folders of `DLORALVSR_MODEL_PATH`, in `models` in the current folder,
    /// beside this library and in the folders above it, and in the data folders (`dloralvsr/models`). `tiny` is the
    /// default pack where none of these has one.
    ///
    /// # Errors
    /// As those of [`Pack::open`]; and [`PackError::NoSuchName`], with the names that there are.
    pub fn find(model: &Path) -> Result<Pack, PackError> {
        match find::folder_of(model, &find::search_folders())? {
            Some(folder) => Pack::open(&folder),
            None => Pack::embedded(),
        }
    }

    /// The default pack, compiled into this library.
    ///
    /// # Errors
    /// A [`PackError`] if the library was built with a pack whose parts do not belong together.
    pub fn embedded() -> Result<Pack, PackError> {
        embedded::pack()
    }

    fn new(manifest: Manifest, manifest_text: &str, size: u64, storage: Storage) -> Pack {
        Pack(Arc::new(Inner {
            manifest,
            id: files::sha256_hex(manifest_text.as_bytes()),
            size,
            storage,
        }))
    }

    /// What `pack.toml` says.
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// SHA-256 of `pack.toml`, lower-case hex. It holds the hashes of all other files, so packs with equal ids are
    /// equal.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Bytes of the graphs and their weights.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// Where `graph` is in that form, or in the only one that it has.
    pub fn graph(&self, graph: Graph, form: Form) -> GraphSource<'_> {
        match &self.0.storage {
            Storage::Folder { graphs, .. } => GraphSource::File(&graphs[form as usize][graph as usize]),
            Storage::Embedded => GraphSource::Memory(embedded::bytes(self.manifest().file(graph, form))),
        }
    }

    /// The folder, or `embedded`; for messages.
    pub fn location(&self) -> String {
        match &self.0.storage {
            Storage::Folder { folder, .. } => folder.display().to_string(),
            Storage::Embedded => embedded::LOCATION.to_owned(),
        }
    }
}
