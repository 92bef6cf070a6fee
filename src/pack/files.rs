//! The files of a pack: safely inside its folder, of bounded size, with the hashes that the manifest names.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Form, Graph, MANIFEST_FILE, Manifest, PackError, onnx};

/// A manifest is a few kilobytes.
const MANIFEST_LIMIT: u64 = 1 << 20;
/// Protobuf's own limit: a larger graph keeps its weights in external files.
const GRAPH_LIMIT: u64 = i32::MAX as u64;
/// Far above any model; catches a sparse file that would be hashed for hours.
const WEIGHTS_LIMIT: u64 = 64 << 30;
const BUFFER_SIZE: usize = 1 << 18;

/// The folder without symbolic links in its path, absolute.
pub(super) fn canonical_folder(folder: &Path) -> Result<PathBuf, PackError> {
    let not_a_pack = |reason: String| PackError::NotAPack {
        folder: folder.to_owned(),
        reason,
    };
    let canonical = folder.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => not_a_pack("there is no such folder".to_owned()),
        _ => not_a_pack(format!("it cannot be opened ({error})")),
    })?;
    if !canonical.is_dir() {
        return Err(not_a_pack("it is not a folder".to_owned()));
    }
    if !canonical.join(MANIFEST_FILE).exists() {
        return Err(not_a_pack(format!("there is no {MANIFEST_FILE} in it")));
    }
    Ok(canonical)
}

/// The text of `pack.toml`.
pub(super) fn read_manifest(path: &Path) -> Result<String, PackError> {
    let file = open_regular(path, MANIFEST_LIMIT)?;
    let mut text = String::new();
    // The limit once more while reading: the file may grow meanwhile.
    match file.take(MANIFEST_LIMIT).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(PackError::Malformed {
            path: path.to_owned(),
            message: "it is not UTF-8 text".to_owned(),
        }),
        Err(source) => Err(PackError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Checks every file that the manifest lists. Gives the size of all of them.
pub(super) fn check_files(folder: &Path, manifest: &Manifest) -> Result<u64, PackError> {
    // All names before any byte: a pack that reaches outside is refused without touching what it points to.
    for name in manifest.files.keys() {
        check_name(&folder.join(MANIFEST_FILE), name)?;
    }
    let graphs = Form::ALL.map(|form| Graph::ALL.map(|graph| manifest.file(graph, form)));
    let graphs = graphs.as_flattened();
    let mut total = 0_u64;
    for (name, expected) in &manifest.files {
        let path = folder.join(name);
        check_inside(folder, &path, name)?;
        let is_graph = graphs.contains(&name.as_str());
        let mut file = open_regular(&path, if is_graph { GRAPH_LIMIT } else { WEIGHTS_LIMIT })?;
        let read = |source| PackError::Read {
            path: path.clone(),
            source,
        };
        check_hash(&path, expected, hash_file(&mut file).map_err(read)?)?;
        let size = file.metadata().map_err(read)?.len();
        total = total.saturating_add(size);
        if is_graph {
            file.rewind().map_err(read)?;
            check_graph(&path, BufReader::with_capacity(BUFFER_SIZE, file), size, manifest)?;
        }
    }
    Ok(total)
}

/// As [`check_files`] does for a graph in a file.
pub(super) fn check_graph_bytes(path: &Path, bytes: &[u8], manifest: &Manifest) -> Result<(), PackError> {
    check_graph(path, Cursor::new(bytes), bytes.len() as u64, manifest)
}

pub(super) fn check_hash(path: &Path, expected: &str, actual: String) -> Result<(), PackError> {
    if actual == expected {
        return Ok(());
    }
    Err(PackError::Hash {
        path: path.to_owned(),
        expected: expected.to_owned(),
        actual,
    })
}

/// Lower-case hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn check_graph(path: &Path, source: impl Read + Seek, size: u64, manifest: &Manifest) -> Result<(), PackError> {
    let locations = onnx::external_locations(source, size).map_err(|error| PackError::Graph {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    for name in locations {
        check_name(path, &name)?;
        if !manifest.files.contains_key(&name) {
            let reason = "pack.toml does not list in [files]".to_owned();
            return Err(PackError::UnsafePath {
                path: path.to_owned(),
                name,
                reason,
            });
        }
    }
    Ok(())
}

/// Only relative names of ordinary characters. ONNX Runtime gives some locations with other characters a meaning
/// of its own (addresses in memory, for one), so this is a list of what is allowed.
fn check_name(named_in: &Path, name: &str) -> Result<(), PackError> {
    let refuse = |reason: &str| {
        Err(PackError::UnsafePath {
            path: named_in.to_owned(),
            name: name.to_owned(),
            reason: reason.to_owned(),
        })
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+/".contains(&byte);
    if name.starts_with('/') {
        return refuse("is an absolute path");
    }
    if name.split('/').any(|part| part == "..") {
        return refuse("leads out of the folder");
    }
    if name.split('/').any(|part| part.is_empty() || part == ".") {
        return refuse("is not a plain relative path");
    }
    if !name.bytes().all(allowed) {
        return refuse("has characters other than letters, digits and . _ - + /");
    }
    if name == MANIFEST_FILE {
        return refuse("is the manifest itself");
    }
    Ok(())
}

/// Follows symbolic links and checks where they end.
fn check_inside(folder: &Path, path: &Path, name: &str) -> Result<(), PackError> {
    let canonical = path.canonicalize().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => PackError::MissingFile { path: path.to_owned() },
        _ => PackError::Read {
            path: path.to_owned(),
            source,
        },
    })?;
    if canonical.starts_with(folder) {
        return Ok(());
    }
    Err(PackError::UnsafePath {
        path: folder.join(MANIFEST_FILE),
        name: name.to_owned(),
        reason: format!("is a symbolic link to {}", canonical.display()),
    })
}

/// Opens a regular file of at most `limit` bytes.
fn open_regular(path: &Path, limit: u64) -> Result<File, PackError> {
    let read = |source| PackError::Read {
        path: path.to_owned(),
        source,
    };
    // Looked at before it is opened: opening a named pipe would wait for its writer.
    let metadata = fs::metadata(path).map_err(read)?;
    if !metadata.is_file() {
        return Err(read(io::Error::other("it is not a regular file")));
    }
    if metadata.len() > limit {
        return Err(PackError::TooLarge {
            path: path.to_owned(),
            size: metadata.len(),
            limit,
        });
    }
    File::open(path).map_err(read)
}

fn hash_file(file: &mut File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER_SIZE];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
