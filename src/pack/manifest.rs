//! `pack.toml`, format 1: its schema and the rules that its values keep.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use serde::Deserialize;

use super::sizes::{GraphSizes, TileBatch, TileShape, padded_side};
use super::{Form, Graph, PackError};

/// The pack format that this program reads.
const FORMAT: i64 = 1;
/// Length of a SHA-256 in hexadecimal digits.
pub const SHA256_HEX_LENGTH: usize = 64;
/// Bounds that keep arithmetic on sizes far from overflow; no model comes near them.
const MAX_CHANNELS: u32 = 1024;
const MAX_FACTOR: u32 = 64;
/// Bounds on what a small frame can be made to allocate: the side that it is padded to, in input pixels, and the numbers
/// of a latent per output pixel.
const MAX_PADDED_SIDE: usize = 4096;
const MAX_LATENT_SHARE: u32 = 4;

/// What a pack says about itself. All sizes are in latent samples unless said otherwise.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Manifest {
    /// Always 1.
    pub format: i64,
    /// Name for people.
    pub name: String,
    /// Output pixels per input pixel in each direction; always 4.
    pub scale: u32,
    /// Licence of the weights, as an SPDX expression.
    pub licence: String,
    /// Arithmetic inside the graphs; their inputs and outputs are f32 and u8 either way.
    pub precision: Precision,
    /// The colour fix that the pack asks for.
    pub color_fix: PackColorFix,
    /// Frames that one output frame needs.
    pub window: Window,
    /// The latent space.
    pub latent: Latent,
    /// The encoder's input and sizes.
    pub encoder: Encoder,
    /// The restorer's sizes.
    pub restorer: GraphSizes,
    /// The decoder's inputs and sizes.
    pub decoder: Decoder,
    /// SHA-256 (lower-case hex) of every file but `pack.toml`, by its path inside the folder.
    pub files: BTreeMap<String, String>,
    /// The graphs' forms in 8 bits, of a pack that has both.
    #[serde(default)]
    pub int8: Int8,
    /// Graphs that leave pictures within two levels where their products are rounded to bf16.
    #[serde(default)]
    pub bf16: Vec<Graph>,
    /// Where the model comes from: data, commit, command, hardware, date.
    #[serde(default)]
    pub provenance: BTreeMap<String, String>,
    /// Measured quality, free keys.
    #[serde(default)]
    pub quality: BTreeMap<String, f64>,
}

/// Arithmetic inside the graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floating point.
    Fp32,
    /// 16-bit floating point.
    Fp16,
    /// 8-bit integers for most products, 32-bit floating point for the rest: made for CPUs.
    Int8,
}

/// Files of graphs made for CPUs, in place of those of the same name: 8-bit integers for most products. The encoder has
/// too few to gain by it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Int8 {
    /// Of the restorer.
    pub restorer: Option<String>,
    /// Of the decoder.
    pub decoder: Option<String>,
}

impl Int8 {
    /// The file of a graph in this form; none where it has no other.
    pub fn file(&self, graph: Graph) -> Option<&str> {
        match graph {
            Graph::Encoder => None,
            Graph::Restorer => self.restorer.as_deref(),
            Graph::Decoder => self.decoder.as_deref(),
        }
    }
}

/// How the pack wants the restored picture's colours brought back to the input's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackColorFix {
    /// Not at all.
    None,
    /// Mean and deviation of each channel.
    AdaIn,
    /// Lowest wavelet band.
    Wavelet,
}

/// Frames that one output frame needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Frames, the current one included; always 2.
    pub frames: u32,
    /// How many of them come after the current one; always 0.
    pub look_ahead: u32,
}

/// The latent space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latent {
    /// Channels of a latent.
    pub channels: u32,
    /// Output pixels per latent sample in each direction, a multiple of the scale.
    pub factor: u32,
}

/// Which picture the encoder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncoderInput {
    /// The input frame, `[1, H, W, 3]`.
    Frame,
    /// The input frame, bicubically upscaled by the host, `[1, 4H, 4W, 3]`.
    Upscaled,
}

/// The encoder's section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoder {
    /// Which picture it takes.
    pub input: EncoderInput,
    /// See [`GraphSizes::tile`].
    pub tile: usize,
    /// See [`GraphSizes::overlap`].
    pub overlap: usize,
    /// See [`GraphSizes::min`].
    pub min: usize,
    /// See [`GraphSizes::multiple`].
    pub multiple: usize,
    /// See [`GraphSizes::shape`].
    #[serde(default)]
    pub shape: TileShape,
}

/// The decoder's section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoder {
    /// Whether it takes the input frame beside the restored latent.
    pub conditioned: bool,
    /// See [`GraphSizes::tile`].
    pub tile: usize,
    /// See [`GraphSizes::overlap`].
    pub overlap: usize,
    /// See [`GraphSizes::min`].
    pub min: usize,
    /// See [`GraphSizes::multiple`].
    pub multiple: usize,
    /// See [`GraphSizes::shape`].
    #[serde(default)]
    pub shape: TileShape,
}

impl Manifest {
    /// Reads a manifest; `path` is for messages.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Manifest, PackError> {
        let malformed = |error: toml::de::Error| PackError::Malformed {
            path: path.to_owned(),
            message: error.to_string(),
        };
        // The format comes first: what the rest means depends on it.
        let table: toml::Table = toml::from_str(text).map_err(malformed)?;
        if let Some(found) = table.get("format").and_then(toml::Value::as_integer)
            && found != FORMAT
        {
            return Err(PackError::Format {
                path: path.to_owned(),
                found,
                supported: FORMAT,
            });
        }
        let manifest: Manifest = toml::from_str(text).map_err(malformed)?;
        manifest.validate().map_err(|(key, reason)| PackError::Value {
            path: path.to_owned(),
            key,
            reason,
        })?;
        Ok(manifest)
    }

    /// The sizes that `graph` takes.
    pub fn sizes(&self, graph: Graph) -> GraphSizes {
        match graph {
            Graph::Encoder => {
                let Encoder {
                    tile,
                    overlap,
                    min,
                    multiple,
                    shape,
                    ..
                } = self.encoder;
                GraphSizes {
                    tile,
                    overlap,
                    min,
                    multiple,
                    shape,
                    batch: TileBatch::One,
                }
            }
            Graph::Restorer => self.restorer,
            Graph::Decoder => {
                let Decoder {
                    tile,
                    overlap,
                    min,
                    multiple,
                    shape,
                    ..
                } = self.decoder;
                GraphSizes {
                    tile,
                    overlap,
                    min,
                    multiple,
                    shape,
                    batch: TileBatch::One,
                }
            }
        }
    }

    /// The file of a graph in that form, or in the only one that it has.
    pub fn file(&self, graph: Graph, form: Form) -> &str {
        let int8 = (form == Form::Int8).then(|| self.int8.file(graph)).flatten();
        int8.unwrap_or(graph.file_name())
    }

    /// Whether the pack has a form in 8 bits beside the plain one.
    pub fn has_int8(&self) -> bool {
        Graph::ALL.iter().any(|graph| self.int8.file(*graph).is_some())
    }

    /// Input pixels per latent sample in each direction.
    pub fn input_factor(&self) -> u32 {
        self.latent.factor / self.scale
    }

    /// The first rule broken: key and reason.
    fn validate(&self) -> Result<(), (String, String)> {
        let text_keys = [("name", &self.name), ("licence", &self.licence)];
        for (key, text) in text_keys {
            check(key, !text.trim().is_empty(), || "is empty".to_owned())?;
        }
        check("scale", self.scale == 4, || {
            format!("is {}; format 1 knows only 4", self.scale)
        })?;
        check("window.frames", self.window.frames == 2, || {
            format!("is {}; format 1 knows only 2", self.window.frames)
        })?;
        check("window.look_ahead", self.window.look_ahead == 0, || {
            format!("is {}; format 1 knows only 0", self.window.look_ahead)
        })?;
        check_range("latent.channels", self.latent.channels, 1, MAX_CHANNELS)?;
        check_range("latent.factor", self.latent.factor, self.scale, MAX_FACTOR)?;
        check("latent.factor", self.latent.factor.is_multiple_of(self.scale), || {
            format!("is {}, not a multiple of the scale {}", self.latent.factor, self.scale)
        })?;
        let most_channels = MAX_LATENT_SHARE * self.latent.factor * self.latent.factor;
        check("latent.channels", self.latent.channels <= most_channels, || {
            format!(
                "is {}; with latent.factor {} it is at most {most_channels}",
                self.latent.channels, self.latent.factor
            )
        })?;
        for graph in Graph::ALL {
            self.sizes(graph)
                .validate()
                .map_err(|(key, reason)| (format!("{graph}.{key}"), reason))?;
        }
        let side = self.smallest_side();
        check("min", side <= MAX_PADDED_SIDE, || {
            format!(
                "and multiple of the graphs pad every frame to {side} pixels or more; {MAX_PADDED_SIDE} are the most"
            )
        })?;
        self.validate_files()
    }

    /// What the smallest frame is padded to, input pixels.
    fn smallest_side(&self) -> usize {
        let sizes = Graph::ALL.map(|graph| self.sizes(graph));
        padded_side(1, &sizes) * self.input_factor() as usize
    }

    fn validate_files(&self) -> Result<(), (String, String)> {
        for (graph, form) in Graph::ALL
            .into_iter()
            .flat_map(|graph| Form::ALL.map(|form| (graph, form)))
        {
            let name = self.file(graph, form);
            check("files", self.files.contains_key(name), || {
                format!("does not list {name}")
            })?;
        }
        for (name, hash) in &self.files {
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            check(
                "files",
                hash.len() == SHA256_HEX_LENGTH && hash.bytes().all(hex),
                || {
                    format!(
                        "gives {name:?} the hash {hash:?}, not a SHA-256 in {SHA256_HEX_LENGTH} lower-case hex digits"
                    )
                },
            )?;
        }
        Ok(())
    }
}

pub(super) fn check(key: &str, holds: bool, reason: impl FnOnce() -> String) -> Result<(), (String, String)> {
    if holds { Ok(()) } else { Err((key.to_owned(), reason())) }
}

pub(super) fn check_range<T: PartialOrd + Display>(
    key: &str,
    value: T,
    low: T,
    high: T,
) -> Result<(), (String, String)> {
    check(key, (&low..=&high).contains(&&value), || {
        format!("is {value}; it has to be from {low} to {high}")
    })
}
