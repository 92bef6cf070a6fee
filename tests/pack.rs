//! Model packs: what opens, and that whatever does not is refused with the reason and the remedy.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use gstdloralvsr::pack::{
    EncoderInput, Form, Graph, GraphSizes, GraphSource, Pack, PackColorFix, PackError, Precision, TileBatch, TileShape,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

fn packs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packs")
}

/// A copy of the pack `nearest` that a test may damage.
struct Copy {
    folder: TempDir,
}

impl Copy {
    fn new() -> Copy {
        let folder = TempDir::new().unwrap();
        for entry in fs::read_dir(packs().join("nearest")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        Copy { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces text in pack.toml that has to be there.
    fn edit(&self, from: &str, to: &str) -> &Copy {
        let path = self.path("pack.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} is not in pack.toml");
        fs::write(path, text.replace(from, to)).unwrap();
        self
    }

    /// Replaces a file and makes the manifest agree with it.
    fn replace(&self, name: &str, bytes: &[u8]) -> &Copy {
        let path = self.path(name);
        let old = sha256(&fs::read(&path).unwrap());
        fs::write(path, bytes).unwrap();
        self.edit(&old, &sha256(bytes))
    }

    fn open(&self) -> Result<Pack, PackError> {
        Pack::open(self.folder.path())
    }

    /// Opens, expecting an error, whose message has to hold all of `parts`.
    #[track_caller]
    fn refused(&self, parts: &[&str]) -> PackError {
        let error = self.open().expect_err("the pack should have been refused");
        assert_message(&error, parts);
        error
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[track_caller]
fn assert_message(error: &PackError, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in the message: {message}");
    }
}

#[test]
fn a_manifest_is_read_as_written() {
    let pack = Pack::open(&packs().join("nearest")).unwrap();
    let manifest = pack.manifest();
    assert_eq!((manifest.format, manifest.scale), (1, 4));
    assert_eq!(manifest.name, "nearest");
    assert_eq!(manifest.licence, "MIT OR Apache-2.0");
    assert_eq!(manifest.precision, Precision::Fp32);
    assert_eq!(manifest.color_fix, PackColorFix::None);
    assert_eq!((manifest.window.frames, manifest.window.look_ahead), (2, 0));
    assert_eq!((manifest.latent.channels, manifest.latent.factor), (4, 8));
    assert_eq!(manifest.input_factor(), 2);
    assert_eq!(manifest.encoder.input, EncoderInput::Frame);
    assert!(manifest.decoder.conditioned);
    let sizes = |tile, overlap, min, multiple| GraphSizes {
        tile,
        overlap,
        min,
        multiple,
        shape: TileShape::Square,
        batch: TileBatch::One,
    };
    assert_eq!(manifest.sizes(Graph::Encoder), sizes(0, 0, 8, 1));
    assert_eq!(manifest.sizes(Graph::Restorer), sizes(24, 8, 8, 1));
    assert_eq!(manifest.sizes(Graph::Decoder), sizes(32, 8, 8, 2));
    let embedded = Pack::embedded().unwrap();
    for graph in Graph::ALL {
        assert_eq!(embedded.manifest().sizes(graph).shape, TileShape::Free, "{graph}");
    }
    assert_eq!(manifest.provenance["command"], "python tests/packs/make_packs.py");

    let upscaled = Pack::open(&packs().join("upscaled")).unwrap();
    assert_eq!(upscaled.manifest().encoder.input, EncoderInput::Upscaled);
    assert_eq!(upscaled.manifest().color_fix, PackColorFix::AdaIn);
    assert!(!upscaled.manifest().decoder.conditioned);
}

#[test]
fn a_form_in_8_bits_is_listed_or_refused() {
    let embedded = Pack::embedded().unwrap();
    assert!(embedded.manifest().has_int8());
    let forms = [Form::Plain, Form::Int8].map(|form| embedded.graph(Graph::Restorer, form));
    assert_ne!(forms[0], forms[1]);
    let [plain, int8] = [Form::Plain, Form::Int8].map(|form| embedded.graph(Graph::Encoder, form));
    assert_eq!(plain, int8, "the encoder has one form");
    let copy = Copy::new();
    copy.edit("[files]", "[int8]\nrestorer = \"restorer.int8.onnx\"\n\n[files]");
    copy.refused(&["files", "restorer.int8.onnx", "does not list"]);
}

#[test]
fn id_is_the_hash_of_the_manifest_and_location_the_folder() {
    let folder = packs().join("nearest");
    let pack = Pack::open(&folder).unwrap();
    assert_eq!(pack.id(), sha256(&fs::read(folder.join("pack.toml")).unwrap()));
    assert_eq!(pack.location(), folder.canonicalize().unwrap().display().to_string());
    let copy = Copy::new();
    assert_eq!(
        copy.open().unwrap().id(),
        pack.id(),
        "the same pack elsewhere is the same pack"
    );
    copy.edit("\"nearest\"", "\"other\"");
    assert_ne!(copy.open().unwrap().id(), pack.id());
}

#[test]
fn graphs_are_found_by_absolute_path() {
    let folder = packs().join("nearest").canonicalize().unwrap();
    let pack = Pack::open(&folder).unwrap();
    for (graph, name) in [
        (Graph::Encoder, "encoder.onnx"),
        (Graph::Restorer, "restorer.onnx"),
        (Graph::Decoder, "decoder.onnx"),
    ] {
        assert_eq!(pack.graph(graph, Form::Plain), GraphSource::File(&folder.join(name)));
    }
}

#[test]
fn the_embedded_pack_is_whole() {
    let pack = Pack::embedded().unwrap();
    assert_eq!(pack.manifest().name, "tiny");
    assert_eq!(pack.location(), "embedded");
    for graph in Graph::ALL {
        let GraphSource::Memory(bytes) = pack.graph(graph, Form::Plain) else {
            panic!("{graph} is not in memory")
        };
        assert_eq!(sha256(bytes), pack.manifest().files[graph.file_name()]);
    }
}

#[test]
fn external_weights_inside_the_folder_are_accepted() {
    let pack = Pack::open(&packs().join("external")).unwrap();
    assert!(pack.manifest().files.contains_key("restorer.weights"));
}

#[test]
fn external_weights_outside_the_folder_are_refused() {
    let error = Pack::open(&packs().join("broken-external-outside")).unwrap_err();
    assert!(
        matches!(&error, PackError::UnsafePath { name, .. } if name == "../nearest/encoder.onnx"),
        "{error:?}"
    );
    assert_message(&error, &["restorer.onnx", "leads out of the folder"]);
}

#[test]
fn external_weights_that_the_manifest_does_not_list_are_refused() {
    let error = Pack::open(&packs().join("broken-external-unlisted")).unwrap_err();
    assert!(
        matches!(&error, PackError::UnsafePath { name, .. } if name == "pack.toml"),
        "{error:?}"
    );

    let copy = Copy::new();
    let graph = fs::read(packs().join("external/restorer.onnx")).unwrap();
    copy.replace("restorer.onnx", &graph);
    copy.refused(&["restorer.onnx", "restorer.weights", "[files]"]);
}

#[test]
fn a_missing_folder_or_manifest_is_named() {
    let error = Pack::open(Path::new("/nonexistent/pack")).unwrap_err();
    assert!(matches!(error, PackError::NotAPack { .. }), "{error:?}");
    assert_message(&error, &["/nonexistent/pack", "no such folder", "encoder.onnx"]);

    let empty = TempDir::new().unwrap();
    assert_message(&Pack::open(empty.path()).unwrap_err(), &["there is no pack.toml in it"]);

    let file = packs().join("nearest/pack.toml");
    assert_message(&Pack::open(&file).unwrap_err(), &["not a folder"]);
}

#[test]
fn a_malformed_manifest_is_refused_with_its_line() {
    let copy = Copy::new();
    copy.edit("channels = 4", "channels = = 4");
    assert!(matches!(
        copy.refused(&["pack.toml", "line 13"]),
        PackError::Malformed { .. }
    ));
    fs::write(copy.path("pack.toml"), b"format = 1\nname = \"\xff\"").unwrap();
    copy.refused(&["not UTF-8"]);
}

#[test]
fn unknown_missing_and_mistyped_keys_are_refused() {
    let case = |from: &str, to: &str, parts: &[&str]| {
        let copy = Copy::new();
        copy.edit(from, to);
        assert!(matches!(copy.refused(parts), PackError::Malformed { .. }));
    };
    case("scale = 4", "scale = 4\ncolour = 1", &["colour"]);
    case("look_ahead = 0", "look_ahead = 0\nlook_behind = 1", &["look_behind"]);
    case("factor = 8\n", "", &["factor"]);
    case("conditioned = true", "conditioned = \"yes\"", &["conditioned"]);
    case("min = 8", "min = -8", &["min"]);
    case("\"fp32\"", "\"fp64\"", &["fp64", "fp32"]);
    case("color_fix = \"none\"", "color_fix = \"warm\"", &["warm", "wavelet"]);
    case("input = \"frame\"", "input = \"picture\"", &["picture", "upscaled"]);
    case(
        "tile = 32",
        "shape = \"round\"\ntile = 32",
        &["round", "square", "free"],
    );
    case("tile = 24", "batch = \"many\"\ntile = 24", &["many", "one", "free"]);
}

#[test]
fn another_format_is_refused_before_its_keys_are_looked_at() {
    let copy = Copy::new();
    copy.edit("format = 1", "format = 2\nnew_key = true");
    assert!(matches!(
        copy.refused(&["format 2", "reads format 1"]),
        PackError::Format { found: 2, .. }
    ));
}

#[test]
fn values_outside_the_format_are_refused_by_key() {
    let case = |from: &str, to: &str, key: &str, reason: &str| {
        let copy = Copy::new();
        copy.edit(from, to);
        let error = copy.refused(&[key, reason]);
        assert!(
            matches!(&error, PackError::Value { key: found, .. } if found == key),
            "{error:?}"
        );
    };
    case("scale = 4", "scale = 2", "scale", "knows only 4");
    case("frames = 2", "frames = 3", "window.frames", "knows only 2");
    case("look_ahead = 0", "look_ahead = 1", "window.look_ahead", "knows only 0");
    case("channels = 4", "channels = 0", "latent.channels", "from 1 to");
    case("channels = 4", "channels = 257", "latent.channels", "at most 256");
    case("factor = 8", "factor = 6", "latent.factor", "not a multiple");
    case("factor = 8", "factor = 0", "latent.factor", "from 4 to");
    case(
        "tile = 0\noverlap = 0",
        "tile = 0\noverlap = 4",
        "encoder.overlap",
        "tile is 0",
    );
    case(
        "tile = 24\noverlap = 8",
        "tile = 24\noverlap = 24",
        "restorer.overlap",
        "less than the tile",
    );
    case("tile = 24", "tile = 7", "restorer.tile", "from 8 to");
    case("tile = 32", "tile = 33", "decoder.tile", "not a multiple of 2");
    case("multiple = 2", "multiple = 0", "decoder.multiple", "from 1 to");
    case(
        "overlap = 0\nmin = 8",
        "overlap = 0\nmin = 0",
        "encoder.min",
        "from 1 to",
    );
    case(
        "overlap = 0\nmin = 8",
        "overlap = 0\nmin = 2049",
        "min",
        "pad every frame to 4100 pixels",
    );
    case("name = \"nearest\"", "name = \" \"", "name", "empty");
    case(
        "\"decoder.onnx\" =",
        "\"decoder.data\" =",
        "files",
        "does not list decoder.onnx",
    );
}

#[test]
fn a_hash_is_64_lower_case_digits() {
    let copy = Copy::new();
    let hash = sha256(&fs::read(copy.path("decoder.onnx")).unwrap());
    copy.edit(&hash, &hash.to_uppercase());
    assert!(matches!(
        copy.refused(&["decoder.onnx", "lower-case"]),
        PackError::Value { .. }
    ));
}

#[test]
fn a_file_that_differs_from_its_hash_is_refused() {
    let copy = Copy::new();
    let path = copy.path("restorer.onnx");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(path, &bytes).unwrap();
    let error = copy.refused(&["restorer.onnx", "damaged"]);
    assert!(
        matches!(&error, PackError::Hash { actual, .. } if *actual == sha256(&bytes)),
        "{error:?}"
    );
}

#[test]
fn a_missing_graph_is_refused() {
    let copy = Copy::new();
    fs::remove_file(copy.path("decoder.onnx")).unwrap();
    assert!(matches!(
        copy.refused(&["decoder.onnx", "is missing"]),
        PackError::MissingFile { .. }
    ));
}

#[test]
fn a_graph_cut_off_anywhere_is_refused() {
    let whole = fs::read(packs().join("nearest/encoder.onnx")).unwrap();
    for length in (0..whole.len()).step_by(3) {
        let copy = Copy::new();
        copy.replace("encoder.onnx", &whole[..length]);
        // Cut between two fields of the outermost message nothing is missing to the eye; the graph is one field, so
        // a file that has it whole, without the operator set versions after it, may pass here. ONNX Runtime sees that.
        match copy.open() {
            Err(error) => assert!(matches!(error, PackError::Graph { .. }), "{length}: {error:?}"),
            Ok(_) => assert!(
                length > whole.len() * 9 / 10,
                "cut to {length} of {} bytes",
                whole.len()
            ),
        }
    }
}

#[test]
fn a_file_that_is_not_onnx_is_refused() {
    let copy = Copy::new();
    copy.replace("encoder.onnx", b"This is not a graph but a sentence.");
    assert!(matches!(copy.refused(&["encoder.onnx"]), PackError::Graph { .. }));
}

#[test]
fn a_graph_with_a_compiled_engine_is_refused() {
    // ModelProto { graph (7): GraphProto { node (1): NodeProto { op_type (4): "EPContext" } } }
    let node = [b"\x22\x09".as_slice(), b"EPContext"].concat();
    let graph = [&[0x0a, node.len() as u8], node.as_slice()].concat();
    let model = [&[0x3a, graph.len() as u8], graph.as_slice()].concat();
    let copy = Copy::new();
    copy.replace("encoder.onnx", &model);
    copy.refused(&["encoder.onnx", "EPContext"]);
}

#[test]
fn external_data_hidden_in_an_attribute_or_an_overlong_tag_is_found() {
    let field = |tag: &[u8], body: &[u8]| [tag, &[body.len() as u8], body].concat();
    let entry = [field(&[0x0a], b"location"), field(&[0x12], b"/etc/passwd")].concat();
    let tensor = field(&[0x6a], &entry); // TensorProto.external_data
    let attribute = field(&[0x2a], &tensor); // AttributeProto.t
    let node = field(&[0x2a], &attribute); // NodeProto.attribute
    let graph = field(&[0x0a], &node); // GraphProto.node
    let copy = Copy::new();
    copy.replace("encoder.onnx", &field(&[0x3a], &graph));
    assert!(matches!(
        copy.refused(&["/etc/passwd", "absolute"]),
        PackError::UnsafePath { .. }
    ));

    // The tag 7 << 3 | 2 with a bit above the 32nd set: protobuf reads the graph all the same.
    let copy = Copy::new();
    copy.replace("encoder.onnx", &field(&[0xba, 0x80, 0x80, 0x80, 0x80, 0x01], &graph));
    assert!(matches!(
        copy.refused(&["encoder.onnx", "32 bits"]),
        PackError::Graph { .. }
    ));
}

#[test]
fn endless_nesting_is_refused() {
    // Graphs in attributes of nodes of graphs …, each message one field.
    let mut message = Vec::new();
    for tag in [0x0a, 0x2a, 0x32].iter().rev().cycle().take(150) {
        let mut outer = vec![*tag];
        let mut length = message.len();
        while length >= 0x80 {
            outer.push(length as u8 | 0x80);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.append(&mut message);
        message = outer;
    }
    let mut model = vec![0x3a, message.len() as u8 | 0x80, (message.len() >> 7) as u8];
    model.append(&mut message);
    let copy = Copy::new();
    copy.replace("encoder.onnx", &model);
    copy.refused(&["encoder.onnx", "nested too deeply"]);
}

#[test]
fn listed_paths_stay_inside_the_folder() {
    let outside = TempDir::new().unwrap();
    let secret = outside.path().join("weights");
    fs::write(&secret, b"secret").unwrap();
    let hash = sha256(b"secret");
    let case = |name: &str, reason: &str| {
        let copy = Copy::new();
        copy.edit("[files]", &format!("[files]\n{name:?} = \"{hash}\""));
        let error = copy.refused(&[reason]);
        assert!(
            matches!(&error, PackError::UnsafePath { name: found, .. } if found == name),
            "{error:?}"
        );
    };
    case(secret.to_str().unwrap(), "absolute");
    case("../weights", "leads out");
    case("a/../../weights", "leads out");
    case("./weights", "plain relative");
    case("a//weights", "plain relative");
    case("*/_ORT_MEM_ADDR_/*", "characters");
    case("a\\weights", "characters");
    case("pack.toml", "manifest itself");

    let copy = Copy::new();
    copy.edit("[files]", &format!("[files]\n\"weights\" = \"{hash}\""));
    symlink(&secret, copy.path("weights")).unwrap();
    copy.refused(&["weights", "symbolic link"]);
    fs::remove_file(copy.path("weights")).unwrap();
    fs::write(copy.path("real"), b"secret").unwrap();
    symlink("real", copy.path("weights")).unwrap();
    copy.open().expect("a link inside the folder is fine");
}

#[test]
fn what_is_not_a_regular_file_or_too_large_is_refused_without_reading_it() {
    let copy = Copy::new();
    fs::remove_file(copy.path("encoder.onnx")).unwrap();
    fs::create_dir(copy.path("encoder.onnx")).unwrap();
    assert!(matches!(
        copy.refused(&["encoder.onnx", "not a regular file"]),
        PackError::Read { .. }
    ));

    // Sparse: takes no space on the disk.
    let copy = Copy::new();
    fs::File::create(copy.path("pack.toml"))
        .unwrap()
        .set_len(2 << 20)
        .unwrap();
    assert!(matches!(
        copy.refused(&["pack.toml", "2097152"]),
        PackError::TooLarge { .. }
    ));
    let copy = Copy::new();
    fs::File::create(copy.path("encoder.onnx"))
        .unwrap()
        .set_len(3 << 30)
        .unwrap();
    assert!(matches!(
        copy.refused(&["encoder.onnx", "3221225472"]),
        PackError::TooLarge { .. }
    ));
}
