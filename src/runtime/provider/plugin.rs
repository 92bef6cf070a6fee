//! Execution providers that are libraries of their own, which ONNX Runtime loads beside it: found, checked, registered
//! once in the process, and joined to sessions by their devices.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use ort::memory::DeviceType;
use ort::session::builder::SessionBuilder;
use parking_lot::Mutex;

use super::{Provider, Setting, engines, no_device, openvino, remedy, unavailable};
use crate::places::{data_folders, own_folder, python_packages};
use crate::runtime::environment::Loaded;
use crate::runtime::library::why;
use crate::runtime::{Library, RuntimeError, log};

/// Folders to look for plugins in before all others, separated as in PATH.
const PATH_VARIABLE: &str = "DLORALVSR_EP_PATH";
/// What ONNX Runtime calls in a plugin.
const ENTRY: &[u8] = b"CreateEpFactories";

/// A provider as a plugin.
pub(super) struct Plugin {
    provider: Provider,
    /// Folder of the Python package that it comes in.
    package: &'static str,
    file: &'static str,
    /// As its devices call it, and its options are prefixed.
    name: &'static str,
    /// The oldest ONNX Runtime that takes it.
    host: [u32; 3],
    /// Beginnings of the names of libraries beside it that are to be loaded first: the dynamic linker does not look there,
    /// and one of them has not the name that it is asked for by.
    needs: &'static [&'static str],
}

pub(super) const OPENVINO: &Plugin = &Plugin {
    provider: Provider::OpenVino,
    package: "onnxruntime_ep_openvino",
    file: "libonnxruntime_providers_openvino_plugin.so",
    name: "OpenVINOExecutionProvider",
    host: [1, 24, 0],
    needs: &[],
};
pub(super) const WEBGPU: &Plugin = &Plugin {
    provider: Provider::WebGpu,
    package: "onnxruntime_ep_webgpu",
    file: "libonnxruntime_providers_webgpu.so",
    name: "WebGpuExecutionProvider",
    host: [1, 24, 4],
    needs: &[],
};
pub(super) const TENSORRT_RTX: &Plugin = &Plugin {
    provider: Provider::TensorRtRtx,
    package: "onnxruntime_ep_nv_tensorrt_rtx",
    file: "libonnxruntime_providers_nv_tensorrt_rtx.so",
    name: "NvTensorRTRTXExecutionProvider",
    host: [1, 24, 0],
    needs: &["libcudart.so", "libtensorrt_rtx.so", "libtensorrt_onnxparser_rtx.so"],
};

/// Names of the plugins that this process has registered.
static REGISTERED: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

/// Adds the device that the setting names to a session.
pub(super) fn attach(
    builder: SessionBuilder,
    plugin: &'static Plugin,
    setting: &Setting<'_>,
) -> Result<SessionBuilder, RuntimeError> {
    register(plugin, setting.loaded)?;
    let (provider, id) = (plugin.provider, setting.options.device_id);
    let devices = setting.loaded.environment.devices();
    let mut devices = devices
        .filter(|device| device.ep().is_ok_and(|name| name == plugin.name))
        .peekable();
    if devices.peek().is_none() {
        let reason = "it finds no device on this machine that it runs on".to_owned();
        return Err(unavailable(provider, reason, remedy(provider)));
    }
    let device = devices.nth(id as usize).ok_or_else(|| no_device(provider, id))?;
    let options: Vec<_> = options(provider, setting, device.hardware_device().ty())?
        .into_iter()
        .map(|(key, value)| (format!("{}.{key}", plugin.name), value))
        .collect();
    builder
        .with_devices([device], Some(&options))
        .map_err(|error| unavailable(provider, error.to_string(), remedy(provider)))
}

/// Names come without the prefix; without it ONNX Runtime would drop them silently.
fn options(
    provider: Provider,
    setting: &Setting<'_>,
    device: DeviceType,
) -> Result<Vec<(&'static str, String)>, RuntimeError> {
    let Setting {
        pack, options, loaded, ..
    } = setting;
    Ok(match provider {
        Provider::OpenVino if device == DeviceType::CPU => vec![
            ("num_of_threads", options.thread_count().to_string()),
            ("load_config", openvino::configuration(setting.arithmetic.bf16)),
        ],
        Provider::TensorRtRtx => {
            let folder = engines::folder("tensorrt-rtx", pack, options, &loaded.library.version)?;
            vec![("nv_runtime_cache_path", folder.display().to_string())]
        }
        _ => Vec::new(),
    })
}

/// Has ONNX Runtime load the plugin, once in the process. A failure leaves nothing behind, so that another attempt may
/// find another file.
fn register(plugin: &'static Plugin, loaded: &Loaded) -> Result<(), RuntimeError> {
    let provider = plugin.provider;
    let mut registered = REGISTERED.lock();
    if registered.contains(&plugin.name) {
        return Ok(());
    }
    let folders = search_folders(plugin);
    let path = folders
        .iter()
        .map(|folder| folder.join(plugin.file))
        .find(|path| path.is_file());
    let Some(path) = path else {
        let places: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let library = &loaded.library;
        let reason = format!(
            "ONNX Runtime {} ({}), of which a process has one, is built without it, and {} was not found in {}",
            library.version,
            library.path.display(),
            plugin.file,
            places.join(", ")
        );
        return Err(unavailable(provider, reason, remedy(provider)));
    };
    check_host(plugin, &loaded.library)?;
    preload(plugin, &path);
    check(provider, &path)?;
    loaded
        .environment
        .register_ep_library(plugin.name, &path)
        .map_err(|error| unavailable(provider, format!("{}: {error}", path.display()), remedy(provider)))?;
    registered.push(plugin.name);
    Ok(())
}

fn check_host(plugin: &Plugin, library: &Library) -> Result<(), RuntimeError> {
    let [major, minor, patch] = plugin.host;
    if library.numbers() >= plugin.host {
        return Ok(());
    }
    let reason = format!(
        "it needs ONNX Runtime {major}.{minor}.{patch}, and {} is {}, of which a process has one",
        library.path.display(),
        library.version
    );
    Err(unavailable(
        plugin.provider,
        reason,
        "set ORT_DYLIB_PATH to a newer one (dloralvsr --install-runtime installs it), or ask for this provider in a \
         process of its own",
    ))
}

/// What ONNX Runtime would say of a file that is no plugin names neither file nor remedy.
fn check(provider: Provider, path: &Path) -> Result<(), RuntimeError> {
    let refuse = |reason: String| Err(unavailable(provider, reason, remedy(provider)));
    // SAFETY: loading runs the initialisers of the library. It is the one that the user, or whoever may write to the
    // machine's package folders, put there to be loaded.
    let library = match unsafe { libloading::Library::new(path) } {
        Ok(library) => library,
        Err(error) => return refuse(format!("{} cannot be loaded ({})", path.display(), why(&error))),
    };
    // SAFETY: only whether it is there is asked; it is not called.
    if unsafe { library.get::<unsafe extern "C" fn()>(ENTRY) }.is_err() {
        return refuse(format!(
            "{} is a library, but no plugin of ONNX Runtime",
            path.display()
        ));
    }
    Ok(())
}

/// Loads what the plugin asks for by name from its own folder. What does not load is left for the dynamic linker, whose
/// error then says which library is missing.
fn preload(plugin: &Plugin, path: &Path) {
    let Some(folder) = path.parent() else { return };
    for beginning in plugin.needs {
        let Some(needed) = beginning_with(folder, beginning) else {
            continue;
        };
        if let Err(error) = ort::util::preload_dylib(needed.as_os_str()) {
            let text = format!("{} could not be loaded: {error}", needed.display());
            log::emit(log::Level::Warning, &text);
        }
    }
}

fn beginning_with(folder: &Path, beginning: &str) -> Option<PathBuf> {
    let mut names: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(beginning))
        })
        .collect();
    names.sort();
    names.into_iter().next()
}

/// As for ONNX Runtime itself, and before that what the user names.
fn search_folders(plugin: &Plugin) -> Vec<PathBuf> {
    let named = env::var_os(PATH_VARIABLE).unwrap_or_default();
    let named: Vec<PathBuf> = env::split_paths(&named).filter(|path| path.is_absolute()).collect();
    let mut folders = named.clone();
    folders.extend(named.iter().map(|folder| folder.join(plugin.package)));
    folders.extend(own_folder());
    folders.extend(data_folders().map(|folder| folder.join("dloralvsr").join(plugin.package)));
    folders.extend(python_packages().iter().map(|packages| packages.join(plugin.package)));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_library_of_a_beginning_is_found() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["libcudart.so.13.4.36", "libcudart.so.13.5.0", "libother.so"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = beginning_with(folder.path(), "libcudart.so").unwrap();
        assert_eq!(found.file_name().unwrap(), "libcudart.so.13.4.36");
        assert_eq!(beginning_with(folder.path(), "libabsent"), None);
    }

    #[test]
    fn an_older_host_is_refused_by_version() {
        let library = |version: &str| Library {
            path: "/lib/libonnxruntime.so".into(),
            version: version.to_owned(),
        };
        assert!(check_host(WEBGPU, &library("1.24.4")).is_ok());
        assert!(check_host(WEBGPU, &library("1.31.1")).is_ok());
        let error = check_host(WEBGPU, &library("1.24.1")).unwrap_err().to_string();
        assert!(error.contains("1.24.4") && error.contains("1.24.1"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_library_and_a_library_that_is_no_plugin_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text.so");
        fs::write(&text, "text").unwrap();
        let error = check(Provider::WebGpu, &text).unwrap_err().to_string();
        assert!(error.contains("cannot be loaded"), "{error}");
        let other = crate::runtime::find_library().unwrap().path;
        let error = check(Provider::WebGpu, &other).unwrap_err().to_string();
        assert!(error.contains("no plugin"), "{error}");
    }
}
