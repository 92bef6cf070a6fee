//! Just enough of the ONNX file format to know, before ONNX Runtime opens a graph, that the file is complete and which
//! other files it names.
//!
//! An ONNX file is a protobuf message. This reader walks the messages in which tensors can lie and skips everything
//! else by its length, so that it never holds more than one string of the file in memory.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek};

/// Depth of subgraphs inside subgraphs; real graphs have two or three levels, of four messages each.
const MAX_DEPTH: u32 = 64;
/// Longest path or operator name that is read.
const MAX_STRING: u64 = 4096;

/// Why a file is not a complete ONNX model.
#[derive(Debug, thiserror::Error)]
pub(super) enum OnnxError {
    #[error("it ends in the middle, after {0} bytes: it is truncated")]
    Truncated(u64),
    #[error("it is not an ONNX file (at byte {offset}: {reason})")]
    Malformed { offset: u64, reason: &'static str },
    #[error("it holds no graph")]
    NoGraph,
    #[error("its subgraphs are nested too deeply")]
    TooDeep,
    #[error("its operator {0} holds machine code of one provider, which a pack may not")]
    Forbidden(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The messages that are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    TrainingInfo,
    Function,
    Graph,
    Node,
    Attribute,
    SparseTensor,
    Tensor,
    ExternalEntry,
}

impl Message {
    /// The message in this field, if it is one to be walked. Numbers from `onnx.proto`.
    fn child(self, field: u64) -> Option<Message> {
        Some(match (self, field) {
            (Message::Model, 7) | (Message::TrainingInfo, 1 | 2) | (Message::Attribute, 6 | 11) => Message::Graph,
            (Message::Model, 20) => Message::TrainingInfo,
            (Message::Model, 25) => Message::Function,
            (Message::Function, 7) | (Message::Graph, 1) => Message::Node,
            (Message::Function, 11) | (Message::Node, 5) => Message::Attribute,
            (Message::Graph, 5) | (Message::Attribute, 5 | 10) | (Message::SparseTensor, 1 | 2) => Message::Tensor,
            (Message::Graph, 15) | (Message::Attribute, 22 | 23) => Message::SparseTensor,
            (Message::Tensor, 13) => Message::ExternalEntry,
            _ => return None,
        })
    }
}

/// `NodeProto.op_type`.
const NODE_OPERATOR: u64 = 4;
/// `StringStringEntryProto`.
const ENTRY_KEY: u64 = 1;
const ENTRY_VALUE: u64 = 2;

/// The locations of external data that a model names, whether or not it uses them.
pub(super) fn external_locations(source: impl Read + Seek, size: u64) -> Result<BTreeSet<String>, OnnxError> {
    let mut walker = Walker {
        source,
        position: 0,
        size,
        locations: BTreeSet::new(),
        graphs: 0,
    };
    walker.message(Message::Model, size, 0)?;
    if walker.graphs == 0 {
        return Err(OnnxError::NoGraph);
    }
    Ok(walker.locations)
}

struct Walker<R> {
    source: R,
    position: u64,
    size: u64,
    locations: BTreeSet<String>,
    graphs: usize,
}

impl<R: Read + Seek> Walker<R> {
    fn message(&mut self, message: Message, end: u64, depth: u32) -> Result<(), OnnxError> {
        if depth > MAX_DEPTH {
            return Err(OnnxError::TooDeep);
        }
        self.graphs += usize::from(message == Message::Graph);
        let mut key = String::new();
        let mut value = String::new();
        while self.position < end {
            let tag = self.varint(end)?;
            // Protobuf's own parser drops the higher bits: they could hide a field from this one.
            if tag > u64::from(u32::MAX) {
                return Err(self.malformed("field number of more than 32 bits"));
            }
            let field = tag >> 3;
            match tag & 7 {
                0 => {
                    self.varint(end)?;
                }
                1 => self.skip(8, end)?,
                5 => self.skip(4, end)?,
                2 => {
                    let length = self.varint(end)?;
                    match (message, field) {
                        (Message::ExternalEntry, ENTRY_KEY) => key = self.string(length, end)?,
                        (Message::ExternalEntry, ENTRY_VALUE) => value = self.string(length, end)?,
                        (Message::Node, NODE_OPERATOR) => refuse_compiled(self.string(length, end)?)?,
                        _ => match message.child(field) {
                            Some(child) => {
                                let child_end = self.field_end(length, end)?;
                                self.message(child, child_end, depth + 1)?;
                            }
                            None => self.skip(length, end)?,
                        },
                    }
                }
                _ => return Err(self.malformed("unknown field type")),
            }
        }
        if key == "location" {
            self.locations.insert(value);
        }
        Ok(())
    }

    fn varint(&mut self, end: u64) -> Result<u64, OnnxError> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let mut byte = [0];
            self.bytes(&mut byte, end)?;
            value |= u64::from(byte[0] & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(self.malformed("number of more than ten bytes"))
    }

    fn string(&mut self, length: u64, end: u64) -> Result<String, OnnxError> {
        if length > MAX_STRING {
            return Err(self.malformed("name of more than 4096 bytes"));
        }
        let mut bytes = vec![0; length as usize];
        self.bytes(&mut bytes, end)?;
        String::from_utf8(bytes).map_err(|_| self.malformed("name that is not UTF-8"))
    }

    fn bytes(&mut self, into: &mut [u8], end: u64) -> Result<(), OnnxError> {
        let after = self.field_end(into.len() as u64, end)?;
        self.source.read_exact(into).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => OnnxError::Truncated(self.position),
            _ => OnnxError::Io(error),
        })?;
        self.position = after;
        Ok(())
    }

    fn skip(&mut self, length: u64, end: u64) -> Result<(), OnnxError> {
        let after = self.field_end(length, end)?;
        // Both are at most the file's size, which fits. Relative, because an absolute seek empties a `BufReader`.
        self.source.seek_relative((after - self.position) as i64)?;
        self.position = after;
        Ok(())
    }

    /// Where a field of `length` bytes ends. A length that leaves the file is a truncated file; one that only leaves
    /// the message around it is a damaged one.
    fn field_end(&self, length: u64, end: u64) -> Result<u64, OnnxError> {
        match self.position.checked_add(length) {
            Some(after) if after <= end => Ok(after),
            Some(after) if after <= self.size => Err(self.malformed("field longer than its message")),
            _ => Err(OnnxError::Truncated(self.size)),
        }
    }

    fn malformed(&self, reason: &'static str) -> OnnxError {
        OnnxError::Malformed {
            offset: self.position,
            reason,
        }
    }
}

/// `EPContext` nodes hold engines compiled for one provider and device, or the path of one: neither can be checked.
fn refuse_compiled(operator: String) -> Result<(), OnnxError> {
    if operator == "EPContext" {
        Err(OnnxError::Forbidden(operator))
    } else {
        Ok(())
    }
}
