//! Which execution providers this machine has, and how fast each restores a small picture with a model, on which device.

use std::process::Command;
use std::time::Duration;

use gstdloralvsr::pack::Pack;
use gstdloralvsr::runtime::{Model, ModelOptions, Provider};

use crate::terminal::answer;
use crate::trial::{HEIGHT, WIDTH, frame_time};
use crate::{Failure, device_names};

/// Of which a process is started for each: a process has one ONNX Runtime, and not every provider is in every one.
const PROVIDERS: [Provider; 7] = [
    Provider::Auto,
    Provider::Cpu,
    Provider::OpenVino,
    Provider::Cuda,
    Provider::TensorRt,
    Provider::TensorRtRtx,
    Provider::WebGpu,
];
/// How long a picture is restored again and again.
const TIME: Duration = Duration::from_secs(1);

/// Prints a line for each provider.
///
/// # Errors
/// Where this program cannot start itself.
pub fn list(model: Option<&str>) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| Failure::Failed(format!("the program cannot start itself: {error}"));
    let program = std::env::current_exe().map_err(cannot)?;
    answer!("{:<14} a picture of {WIDTH}x{HEIGHT}", "provider");
    for provider in PROVIDERS {
        let mut command = Command::new(&program);
        command.args(["--time-provider", &provider.to_string()]);
        command.args(model.map(|model| ["--model", model]).into_iter().flatten());
        let output = command.output().map_err(cannot)?;
        let said = String::from_utf8_lossy(&output.stdout);
        let said = match said.trim() {
            "" => "cannot run: its process has ended",
            said => said,
        };
        answer!("{provider:<14} {said}", provider = provider.to_string());
    }
    Ok(())
}

/// Times one provider, and prints what came of it; see [`list`].
pub fn time(provider: &str, model: Option<&str>) {
    match measure(provider, model) {
        Ok(text) => answer!("{text}"),
        Err(error) => answer!("{}", error.replace('\n', " ")),
    }
}

fn measure(provider: &str, model: Option<&str>) -> Result<String, String> {
    let options = ModelOptions {
        provider: provider.parse().map_err(|error| format!("{error}"))?,
        ..ModelOptions::default()
    };
    let pack = match model {
        Some(model) => Pack::find(model.as_ref()),
        None => Pack::embedded(),
    };
    let pack = pack.map_err(|error| error.to_string())?;
    let model = Model::load(&pack, &options, &mut |_| ()).map_err(|error| error.to_string())?;
    let took = frame_time(&model, TIME).map_err(|error| error.to_string())?;
    let device = device_names::of(model.provider()).map(|name| format!(" on {name}"));
    let took = format!(
        "{:.1} ms, {:.1} a second{}",
        took.as_secs_f64() * 1e3,
        1.0 / took.as_secs_f64(),
        device.unwrap_or_default()
    );
    if options.provider != Provider::Auto {
        return Ok(took);
    }
    let note = model.provider_note().map(|note| format!(" ({note})"));
    Ok(format!(
        "{took}: takes {}{}",
        model.provider(),
        note.unwrap_or_default()
    ))
}
