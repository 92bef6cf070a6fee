//! What NVIDIA's providers need of the machine before ONNX Runtime is asked for them.

use std::ffi::{CStr, c_int};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use ort::ep::{self, ExecutionProvider as _};

use super::Provider;
use crate::runtime::library::why;
use crate::runtime::{Library, RuntimeError, log};

/// TensorRT's libraries, dependencies first.
const TENSORRT_LIBRARIES: [&str; 3] = ["libnvinfer.so.10", "libnvinfer_plugin.so.10", "libnvonnxparser.so.10"];
const DRIVER_LIBRARY: &str = "libcuda.so.1";

/// Checks that `provider` may run here, and loads its libraries from Python's packages if they lie beside ONNX
/// Runtime.
pub(super) fn prepare(provider: Provider, library: &Library) -> Result<(), RuntimeError> {
    static PRELOADED: Once = Once::new();
    let unavailable = |reason: String, remedy: &str| {
        Err(RuntimeError::ProviderUnavailable {
            provider,
            reason,
            remedy: remedy.to_owned(),
        })
    };
    if !is_compiled_in(provider) {
        let reason = format!(
            "ONNX Runtime {} at {} is built without it",
            library.version,
            library.path.display()
        );
        return unavailable(
            reason,
            "install the GPU build (dloralvsr --install-runtime does where there is an NVIDIA GPU)",
        );
    }
    // Checked here because loading the provider, hundreds of megabytes, takes a second before it fails.
    check_driver(provider)?;
    PRELOADED.call_once(|| preload(&library.path));
    Ok(())
}

/// Says which provider cannot run where there is no NVIDIA driver.
pub(super) fn check_driver(provider: Provider) -> Result<(), RuntimeError> {
    driver().map(drop).map_err(|error| RuntimeError::ProviderUnavailable {
        provider,
        reason: format!("there is no NVIDIA driver ({})", why(&error)),
        remedy: "install NVIDIA's driver".to_owned(),
    })
}

/// Whether there is an NVIDIA driver on this machine.
pub(super) fn has_driver() -> bool {
    driver().is_ok()
}

fn driver() -> Result<libloading::Library, libloading::Error> {
    // SAFETY: the driver's library initialises nothing until it is called.
    unsafe { libloading::Library::new(DRIVER_LIBRARY) }
}

/// TensorRT, driver and GPU, as far as they can be asked: what engines and timings on disk hold for.
pub(super) fn versions(device: u32) -> String {
    let tensorrt = number(TENSORRT_LIBRARIES[0], c"getInferLibVersion", |function| {
        // SAFETY: TensorRT's own declaration: no arguments, an int that is its version.
        unsafe { std::mem::transmute::<Function, unsafe extern "C" fn() -> c_int>(function)() }
    });
    let driver = number(DRIVER_LIBRARY, c"cuDriverGetVersion", |function| {
        let mut version = 0;
        // SAFETY: the driver's own declaration: it writes one int, and may be called before anything else.
        unsafe { std::mem::transmute::<Function, unsafe extern "C" fn(*mut c_int) -> c_int>(function)(&mut version) };
        version
    });
    let text = |version: Option<c_int>| version.map_or("unknown".to_owned(), |version| version.to_string());
    let gpu = gpu_name(device).unwrap_or("unknown".to_owned());
    format!("trt{}-driver{}-{gpu}", text(tensorrt), text(driver))
}

type Function = unsafe extern "C" fn();

/// The result of `call` with a function of a library; `None` where there is no such function.
fn number(library: &str, name: &CStr, call: impl FnOnce(Function) -> c_int) -> Option<c_int> {
    // SAFETY: both libraries initialise nothing until they are called.
    let library = unsafe { libloading::Library::new(library) }.ok()?;
    // SAFETY: only a pointer, which `call` gives its type.
    let function = unsafe { library.get::<Function>(name.to_bytes_with_nul()) }.ok()?;
    Some(call(*function))
}

/// The name by which the driver lists a GPU, fit for a file's name; none where there is no such GPU.
fn gpu_name(device: u32) -> Option<String> {
    // One folder per GPU, which says its model in a file.
    let mut folders: Vec<PathBuf> = fs::read_dir("/proc/driver/nvidia/gpus")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    folders.sort();
    let information = fs::read_to_string(folders.get(device as usize)?.join("information")).ok()?;
    let model = information.lines().find_map(|line| line.strip_prefix("Model:"))?;
    Some(
        model
            .trim()
            .replace(|character: char| !character.is_ascii_alphanumeric(), "-"),
    )
}

fn is_compiled_in(provider: Provider) -> bool {
    // An error means that ONNX Runtime cannot list its providers: then there is none.
    match provider {
        Provider::Auto | Provider::Cpu | Provider::OpenVino | Provider::WebGpu | Provider::TensorRtRtx => true,
        Provider::Cuda => ep::CUDA::is_available().unwrap_or(false),
        Provider::TensorRt => ep::TensorRT::is_available().unwrap_or(false),
    }
}

/// Loads CUDA, cuDNN and TensorRT from the `nvidia-*` and `tensorrt` packages. What is not there, or does not load, is
/// left for the dynamic linker to find; if it does not either, the provider's own error says which library is missing.
fn preload(library: &Path) {
    let folders = package_folders(library);
    let names = ep::cuda::CUDA_DYLIBS
        .iter()
        .chain(ep::cuda::CUDNN_DYLIBS)
        .chain(&TENSORRT_LIBRARIES);
    for name in names {
        let Some(path) = folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())
        else {
            continue;
        };
        if let Err(error) = ort::util::preload_dylib(path.as_os_str()) {
            log::emit(
                log::Level::Warning,
                &format!("{} could not be loaded: {error}", path.display()),
            );
        }
    }
}

/// `nvidia/*/lib` and `tensorrt_libs` in the folder that `onnxruntime/capi` is in.
fn package_folders(library: &Path) -> Vec<PathBuf> {
    let Some(packages) = library.ancestors().nth(3) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = fs::read_dir(packages.join("nvidia"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("lib")))
        .collect();
    folders.sort();
    folders.push(packages.join("tensorrt_libs"));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_lie_beside_onnxruntime() {
        let folder = tempfile::tempdir().unwrap();
        let packages = folder.path();
        for name in ["cudnn", "cu13"] {
            fs::create_dir_all(packages.join("nvidia").join(name).join("lib")).unwrap();
        }
        let found = package_folders(&packages.join("onnxruntime/capi/libonnxruntime.so.1.32.0"));
        assert_eq!(
            found,
            ["nvidia/cu13/lib", "nvidia/cudnn/lib", "tensorrt_libs"].map(|name| packages.join(name))
        );
    }
}
