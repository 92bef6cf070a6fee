//! One call of a graph, from borrowed memory into borrowed memory.

use std::ffi::CStr;

use ort::session::{RunOptions, Session};
use ort::value::{DynValueRef, DynValueRefMut};
use ort::{AsPointer, ortsys};

/// A tensor that a graph reads, under its name.
pub(super) type Input<'v> = (&'static CStr, DynValueRef<'v>);

/// A tensor that a graph writes, under its name.
pub(super) type Output<'v> = (&'static CStr, DynValueRefMut<'v>);

/// Runs a graph that writes its outputs where the caller wants them: the picture into the caller's buffer, for example,
/// without a copy of it in between. ort's own calls either allocate outputs or take tensors that own their memory.
///
/// # Errors
/// What ONNX Runtime says; also if the graph's outputs have other shapes than the given ones, whose content is then
/// undefined.
pub(super) fn run_into(
    session: &Session,
    options: Option<&RunOptions>,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> ort::Result<()> {
    let input_names: Vec<_> = inputs.iter().map(|(name, _)| name.as_ptr()).collect();
    let input_values: Vec<_> = inputs.iter().map(|(_, value)| value.ptr()).collect();
    let output_names: Vec<_> = outputs.iter().map(|(name, _)| name.as_ptr()).collect();
    let mut output_values: Vec<_> = outputs.iter_mut().map(|(_, value)| value.ptr().cast_mut()).collect();
    // SAFETY: a session may be run by several threads at once, as ONNX Runtime's documentation of Run says, and `options`
    // may be ended from another thread meanwhile. Names and values live, with the lengths given, until the call returns;
    // values that go in as outputs are not null, so ONNX Runtime writes into them (after it has compared their types and
    // shapes with what the graph gives) and replaces none of them; their memory is borrowed mutably.
    ortsys![unsafe Run(
        session.ptr().cast_mut(),
        options.map_or(std::ptr::null(), AsPointer::ptr),
        input_names.as_ptr(),
        input_values.as_ptr(),
        input_values.len(),
        output_names.as_ptr(),
        output_names.len(),
        output_values.as_mut_ptr()
    )?];
    Ok(())
}
