//! In which arithmetic a provider runs a pack.

use std::fmt;
use std::str::FromStr;

use super::Provider;
use crate::pack::{Form, Graph, Manifest, Precision as PackPrecision};
use crate::runtime::RuntimeError;

/// The arithmetic that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// The fastest that is known to leave the picture as it is: with the CPU provider the pack's form in 8 bits if it has
    /// one, else the pack's own; with OpenVINO bf16 in the graphs of which the pack says that pictures stay within two
    /// levels.
    #[default]
    Auto,
    /// 32-bit floating point.
    Fp32,
    /// 16-bit floating point.
    Fp16,
    /// 16-bit floating point of 8 bits of mantissa for products.
    Bf16,
    /// 8-bit integers for most products.
    Int8,
}

impl Precision {
    const ALL: [Precision; 5] = [
        Precision::Auto,
        Precision::Fp32,
        Precision::Fp16,
        Precision::Bf16,
        Precision::Int8,
    ];

    fn name(self) -> &'static str {
        match self {
            Precision::Auto => "auto",
            Precision::Fp32 => "fp32",
            Precision::Fp16 => "fp16",
            Precision::Bf16 => "bf16",
            Precision::Int8 => "int8",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Precision::ALL
            .into_iter()
            .find(|precision| precision.name() == text)
            .ok_or_else(|| UnknownPrecision(text.to_owned()))
    }
}

/// A name that is no precision's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown precision {0:?}; there are auto, fp32, fp16, bf16 and int8")]
pub struct UnknownPrecision(String);

/// What a graph is run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::runtime) struct Arithmetic {
    /// Which of the pack's graphs are taken.
    pub form: Form,
    /// Whether products of floats may be rounded to bf16.
    pub bf16: bool,
}

/// How `provider` runs a graph of a pack that says this of itself.
///
/// # Errors
/// [`RuntimeError::Precision`] where the provider, or the pack, does not have what is asked for.
pub(in crate::runtime) fn arithmetic(
    provider: Provider,
    asked: Precision,
    manifest: &Manifest,
    graph: Graph,
) -> Result<Arithmetic, RuntimeError> {
    choose(provider, asked, manifest, graph, has_bf16())
}

fn choose(
    provider: Provider,
    asked: Precision,
    manifest: &Manifest,
    graph: Graph,
    hardware_bf16: bool,
) -> Result<Arithmetic, RuntimeError> {
    let refuse = |reason: &str| {
        Err(RuntimeError::Precision {
            provider,
            precision: asked,
            reason: reason.to_owned(),
        })
    };
    let plain = |bf16| {
        Ok(Arithmetic {
            form: Form::Plain,
            bf16,
        })
    };
    let own = manifest.precision;
    let on_processor = matches!(provider, Provider::Cpu | Provider::OpenVino);
    let openvino = provider == Provider::OpenVino;
    match asked {
        // OpenVINO is as fast in floats.
        Precision::Auto if provider == Provider::Cpu && manifest.has_int8() => Ok(Arithmetic {
            form: Form::Int8,
            bf16: false,
        }),
        Precision::Auto => plain(openvino && hardware_bf16 && manifest.bf16.contains(&graph)),
        Precision::Fp32 if own == PackPrecision::Fp32 => plain(false),
        Precision::Fp16 if own == PackPrecision::Fp16 => plain(false),
        Precision::Fp32 | Precision::Fp16 => {
            refuse("the pack was exported in another precision; export it in this one")
        }
        Precision::Bf16 if !openvino => refuse("only openvino has it"),
        Precision::Bf16 if !hardware_bf16 => refuse("this processor has none; choose fp32"),
        Precision::Bf16 => plain(true),
        Precision::Int8 if !on_processor => refuse("only cpu and openvino have it"),
        Precision::Int8 if manifest.has_int8() => Ok(Arithmetic {
            form: Form::Int8,
            bf16: false,
        }),
        Precision::Int8 if own == PackPrecision::Int8 => plain(false),
        Precision::Int8 => refuse("the pack has no form in 8 bits; make one with python -m dloral quantise"),
    }
}

/// Whether this processor multiplies bf16 in hardware.
pub(super) fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::Pack;

    fn manifest(int8: bool, bf16: &[Graph]) -> Manifest {
        let mut manifest = Pack::embedded().unwrap().manifest().clone();
        manifest.precision = PackPrecision::Fp32;
        manifest.bf16 = bf16.to_vec();
        manifest.int8.restorer = int8.then(|| "restorer.int8.onnx".to_owned());
        manifest.int8.decoder = None;
        manifest
    }

    #[test]
    fn the_cpu_provider_takes_the_form_in_8_bits() {
        let form = |provider, asked| {
            choose(provider, asked, &manifest(true, &[]), Graph::Restorer, false)
                .unwrap()
                .form
        };
        assert_eq!(form(Provider::Cpu, Precision::Auto), Form::Int8);
        assert_eq!(form(Provider::Cpu, Precision::Fp32), Form::Plain);
        assert_eq!(form(Provider::OpenVino, Precision::Auto), Form::Plain);
        assert_eq!(form(Provider::OpenVino, Precision::Int8), Form::Int8);
        assert_eq!(form(Provider::Cuda, Precision::Auto), Form::Plain);
    }

    #[test]
    fn products_are_rounded_only_where_the_pack_allows_it_or_it_is_asked_for() {
        let rounds = |provider, asked, graph, hardware| {
            choose(provider, asked, &manifest(false, &[Graph::Decoder]), graph, hardware)
                .unwrap()
                .bf16
        };
        let (auto, openvino) = (Precision::Auto, Provider::OpenVino);
        assert!(rounds(openvino, auto, Graph::Decoder, true));
        assert!(!rounds(openvino, auto, Graph::Restorer, true));
        assert!(!rounds(openvino, auto, Graph::Decoder, false));
        assert!(!rounds(Provider::Cpu, auto, Graph::Decoder, true));
        assert!(rounds(openvino, Precision::Bf16, Graph::Restorer, true));
    }

    #[test]
    fn what_is_not_there_is_refused_with_the_reason() {
        let refused = |provider, asked, hardware| {
            choose(provider, asked, &manifest(false, &[]), Graph::Restorer, hardware)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(Provider::Cpu, Precision::Bf16, true).contains("only openvino"));
        assert!(refused(Provider::OpenVino, Precision::Bf16, false).contains("processor"));
        assert!(refused(Provider::Cpu, Precision::Int8, true).contains("quantise"));
        assert!(refused(Provider::Cuda, Precision::Int8, true).contains("only cpu"));
        assert!(refused(Provider::Cpu, Precision::Fp16, true).contains("export"));
    }
}
