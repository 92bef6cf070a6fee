//! Which nodes of a graph ONNX Runtime has left to the CPU, because the provider asked for does not have them.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::ptr;

use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::{AsPointer, ortsys};
use parking_lot::Mutex;

use crate::pack::Graph;

/// The CPU provider, as ONNX Runtime calls it.
const CPU: &str = "CPUExecutionProvider";
/// Operators that compute sizes. ONNX Runtime leaves those to the CPU on purpose, wherever it can tell.
const SIZES: [&str; 22] = [
    "Add",
    "Cast",
    "Ceil",
    "Concat",
    "ConstantOfShape",
    "Div",
    "Equal",
    "Expand",
    "Floor",
    "Gather",
    "Max",
    "Min",
    "Mod",
    "Mul",
    "Range",
    "Shape",
    "Size",
    "Slice",
    "Squeeze",
    "Sub",
    "Unsqueeze",
    "Where",
];

/// How often each operator is left to the CPU in each graph of a model, as its sessions are opened.
#[derive(Debug, Default)]
pub(super) struct LeftToCpu(Mutex<BTreeMap<Graph, BTreeMap<String, usize>>>);

impl LeftToCpu {
    /// Records what a session of `graph` leaves to the CPU.
    pub fn note(&self, graph: Graph, operators: BTreeMap<String, usize>) {
        if !operators.is_empty() {
            self.0.lock().insert(graph, operators);
        }
    }

    /// The text for people; `None` where everything runs on the provider.
    pub fn text(&self) -> Option<String> {
        let graphs = self.0.lock();
        let texts: Vec<String> = graphs.iter().map(|(graph, nodes)| describe(*graph, nodes)).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

/// `restorer.onnx: 3 nodes (Conv 1, Relu 2)`.
fn describe(graph: Graph, operators: &BTreeMap<String, usize>) -> String {
    let count: usize = operators.values().sum();
    let names: Vec<String> = operators
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let nodes = if count == 1 { "node" } else { "nodes" };
    format!("{}: {count} {nodes} ({})", graph.file_name(), names.join(", "))
}

/// Has ONNX Runtime record which provider computes each node.
pub(super) fn record(builder: SessionBuilder) -> ort::Result<SessionBuilder> {
    Ok(builder.with_config_entry("session.record_ep_graph_assignment_info", "1")?)
}

/// Operators that a [recorded](record) session leaves to the CPU, and how often; without arithmetic on sizes.
pub(super) fn left_to_cpu(session: &Session) -> ort::Result<BTreeMap<String, usize>> {
    let mut left = BTreeMap::new();
    for operator in cpu_operators(session)? {
        if !SIZES.contains(&operator.as_str()) {
            *left.entry(operator).or_default() += 1;
        }
    }
    Ok(left)
}

fn cpu_operators(session: &Session) -> ort::Result<Vec<String>> {
    let mut operators = Vec::new();
    let (mut subgraphs, mut count) = (ptr::null(), 0);
    // SAFETY: both results are written before a success is returned. What they point to belongs to the session, which is
    // borrowed for as long as it is read here.
    ortsys![unsafe Session_GetEpGraphAssignmentInfo(session.ptr(), &mut subgraphs, &mut count)?];
    for at in 0..count {
        // SAFETY: there are `count` of them.
        let subgraph = unsafe { *subgraphs.add(at) };
        let mut name = ptr::null();
        // SAFETY: as above.
        ortsys![unsafe EpAssignedSubgraph_GetEpName(subgraph, &mut name)?];
        // SAFETY: a text of the session.
        if unsafe { text(name) } != CPU {
            continue;
        }
        let (mut nodes, mut count) = (ptr::null(), 0);
        // SAFETY: as above.
        ortsys![unsafe EpAssignedSubgraph_GetNodes(subgraph, &mut nodes, &mut count)?];
        for at in 0..count {
            let mut operator = ptr::null();
            // SAFETY: there are `count` of them, and as above.
            ortsys![unsafe EpAssignedNode_GetOperatorType(*nodes.add(at), &mut operator)?];
            // SAFETY: a text of the session.
            operators.push(unsafe { text(operator) });
        }
    }
    Ok(operators)
}

/// # Safety
/// `pointer` is null or a text that ends with a zero byte.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_by_graph_and_operator() {
        let left = LeftToCpu::default();
        assert_eq!(left.text(), None);
        left.note(Graph::Encoder, BTreeMap::new());
        assert_eq!(left.text(), None);
        left.note(
            Graph::Restorer,
            BTreeMap::from([("Relu".to_owned(), 2), ("Conv".to_owned(), 1)]),
        );
        left.note(Graph::Decoder, BTreeMap::from([("Det".to_owned(), 1)]));
        assert_eq!(
            left.text().unwrap(),
            "restorer.onnx: 3 nodes (Conv 1, Relu 2); decoder.onnx: 1 node (Det 1)"
        );
    }
}
