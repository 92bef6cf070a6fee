//! What can be wrong with a pack.

use std::io;
use std::path::PathBuf;

/// Why a pack cannot be used. Every message names the file and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// No folder there, or no `pack.toml` in it.
    #[error(
        "{} is not a model pack: {reason}; give the folder that holds pack.toml, encoder.onnx, restorer.onnx and \
         decoder.onnx", folder.display()
    )]
    NotAPack {
        /// As asked for.
        folder: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// No pack of this name in any of the folders.
    #[error(
        "there is no model `{name}`: there are {}; give one of these, or the folder of a pack (with a slash, ./{name}). \
         Looked for in {}",
        known.join(", "),
        searched.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NoSuchName {
        /// As asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
        /// Where they are.
        searched: Vec<PathBuf>,
    },
    /// A file that cannot be read.
    #[error("{} cannot be read: {source}; check that it is there and readable", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Of the system.
        source: io::Error,
    },
    /// `pack.toml` is no TOML, or lacks a key, or has one too many, or of another type.
    #[error("{} is not a valid pack manifest: {message}\nmend it or export the pack again", path.display())]
    Malformed {
        /// Which manifest.
        path: PathBuf,
        /// Of the parser, with line and column.
        message: String,
    },
    /// A pack of a format that this program does not know.
    #[error(
        "{} has format {found}, and this program reads format {supported}; export the pack again, or use a version of \
         the program that reads it", path.display()
    )]
    Format {
        /// Which manifest.
        path: PathBuf,
        /// What it says.
        found: i64,
        /// What this program reads.
        supported: i64,
    },
    /// A value of `pack.toml` outside what the format allows.
    #[error("{}: `{key}` {reason}; mend it or export the pack again", path.display())]
    Value {
        /// Which manifest.
        path: PathBuf,
        /// Dotted key.
        key: String,
        /// What is allowed, and what was found.
        reason: String,
    },
    /// A path in the pack that is not safely inside its folder.
    #[error("{} names the file {name:?}, which {reason}; a pack only uses files inside its own folder", path.display())]
    UnsafePath {
        /// The manifest or graph that names it.
        path: PathBuf,
        /// The name.
        name: String,
        /// Which rule it breaks.
        reason: String,
    },
    /// A file listed in the manifest that is not there.
    #[error("{} is missing, though pack.toml lists it; copy or export the pack again", path.display())]
    MissingFile {
        /// Which file.
        path: PathBuf,
    },
    /// A file larger than the format allows.
    #[error("{} has {size} bytes, more than the {limit} that the pack format allows", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size, bytes.
        size: u64,
        /// Bytes.
        limit: u64,
    },
    /// A file that is not the one that the manifest was written for.
    #[error(
        "{} differs from the file that pack.toml was written for (SHA-256 {actual}, expected {expected}): it is damaged \
         or from another pack; copy or export the pack again", path.display()
    )]
    Hash {
        /// Which file.
        path: PathBuf,
        /// Of the manifest.
        expected: String,
        /// Of the file.
        actual: String,
    },
    /// A graph that is not an ONNX model, or only a part of one, or one that the format does not allow.
    #[error("{} is not a usable ONNX graph: {reason}; copy or export the pack again", path.display())]
    Graph {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
