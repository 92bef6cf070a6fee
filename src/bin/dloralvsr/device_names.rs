//! What the devices are called on which execution providers compute, as Linux has it.

use std::fs;
use std::path::Path;

use gstdloralvsr::runtime::Provider;

/// The device that a provider takes unless told otherwise. `None`: it is not known, as with WebGPU, which chooses among
/// the GPUs by itself and does not say what.
pub fn of(provider: Provider) -> Option<String> {
    match provider {
        // OpenVINO's first device is the processor.
        Provider::Cpu | Provider::OpenVino => processor(&fs::read_to_string("/proc/cpuinfo").ok()?),
        Provider::Cuda | Provider::TensorRt | Provider::TensorRtRtx => gpus(Path::new("/proc/driver/nvidia/gpus")),
        Provider::Auto | Provider::WebGpu => None,
    }
}

fn processor(description: &str) -> Option<String> {
    value_of(description, "model name")
}

/// The GPUs of NVIDIA's driver, of which the folder has one folder each. CUDA puts the fastest one first, which it alone
/// knows: of different ones all are named.
fn gpus(folder: &Path) -> Option<String> {
    let descriptions = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("information")).ok());
    let mut names: Vec<String> = descriptions.filter_map(|text| value_of(&text, "Model")).collect();
    names.sort();
    names.dedup();
    (!names.is_empty()).then(|| names.join(" or "))
}

/// Of the first line `key : value`.
fn value_of(text: &str, key: &str) -> Option<String> {
    let mut values = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = values.find(|(own, _)| own.trim() == key)?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_linux_writes_them() {
        let text = "processor\t: 0\nmodel\t\t: 17\nmodel name\t: Some CPU @ 2.0GHz: fast\nprocessor\t: 1\nmodel name\t: Other\n";
        assert_eq!(processor(text).as_deref(), Some("Some CPU @ 2.0GHz: fast"));
        assert_eq!(processor("BogoMIPS : 50.00\n"), None);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(gpus(folder.path()), None);
        for (bus, name) in [
            ("0000:01:00.0", "NVIDIA A"),
            ("0000:02:00.0", "NVIDIA B"),
            ("0000:03:00.0", "NVIDIA A"),
        ] {
            let gpu = folder.path().join(bus);
            fs::create_dir(&gpu).unwrap();
            fs::write(gpu.join("information"), format!("Model: \t\t {name}\nIRQ:   \t\t 17\n")).unwrap();
        }
        assert_eq!(gpus(folder.path()).as_deref(), Some("NVIDIA A or NVIDIA B"));
        assert_eq!(gpus(&folder.path().join("none")), None);
    }
}
