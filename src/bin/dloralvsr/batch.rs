//! Several files one after the other, into a folder.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::options::Options;
use crate::output::{file_id, with_suffix};
use crate::terminal::say;
use crate::{Failure, session};

/// Endings of the files of a folder that are taken for videos.
const VIDEOS: [&str; 22] = [
    "3gp", "asf", "avi", "divx", "dv", "flv", "m2ts", "m2v", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf",
    "ogv", "ts", "vob", "webm", "wmv", "y4m",
];

/// Restores every input into `folder`, as files of the input's name and the ending `format`. What is there already is
/// done. A file that fails does not keep the others from being restored.
///
/// # Errors
/// Where nothing can be begun; at the end, how many have failed; an interruption, at once.
pub fn restore(options: &Options, inputs: &[PathBuf], folder: &Path, format: &str) -> Result<(), Failure> {
    let jobs = plan(inputs, folder, format)?;
    if options.preview.is_none() {
        check_apart(&jobs)?;
    }
    fs::create_dir_all(folder)
        .map_err(|error| Failure::Usage(format!("the folder {} cannot be made: {error}", folder.display())))?;
    let (mut failed, count) = (0, jobs.len());
    for (number, (input, output)) in jobs.into_iter().enumerate() {
        if output.exists() && !options.force && options.preview.is_none() {
            say!("{}: is there already", output.display());
            continue;
        }
        say!("[{} of {count}]", number + 1);
        let one = Options {
            input: input.clone(),
            output,
            ..options.clone()
        };
        match session::restore(&one) {
            Ok(()) => (),
            Err(interrupted @ Failure::Interrupted(_)) => return Err(interrupted),
            Err(failure) => {
                failed += 1;
                say!("error: {}: {failure}", input.display());
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Failed(format!(
            "{failed} of {count} files could not be restored"
        ))),
    }
}

/// Inputs with their outputs; of folders their videos, by name.
fn plan(inputs: &[PathBuf], folder: &Path, format: &str) -> Result<Vec<(PathBuf, PathBuf)>, Failure> {
    let mut jobs = Vec::new();
    let mut taken: HashMap<PathBuf, PathBuf> = HashMap::new();
    for input in inputs {
        for file in files(input)? {
            // What follows a dot within the name is no ending: `show.s01e01`.
            let output = with_suffix(
                &folder.join(file.file_stem().unwrap_or_default()),
                &format!(".{format}"),
            );
            if let Some(other) = taken.insert(output.clone(), file.clone()) {
                return Err(Failure::Usage(format!(
                    "{} and {} would both become {}: restore them into two folders",
                    other.display(),
                    file.display(),
                    output.display()
                )));
            }
            jobs.push((file, output));
        }
    }
    match jobs.is_empty() {
        true => Err(Failure::Usage("there is no video among the inputs".to_owned())),
        false => Ok(jobs),
    }
}

/// No output may be an input, by whatever name: it would be taken for a result, or be written over.
fn check_apart(jobs: &[(PathBuf, PathBuf)]) -> Result<(), Failure> {
    let inputs: HashMap<(u64, u64), &PathBuf> = jobs
        .iter()
        .filter_map(|(input, _)| Some((file_id(input)?, input)))
        .collect();
    let same = |output: &PathBuf| file_id(output).and_then(|file| inputs.get(&file).copied());
    match jobs
        .iter()
        .find_map(|(_, output)| same(output).map(|input| (output, input)))
    {
        Some((output, input)) => Err(Failure::Usage(format!(
            "the output {} is the same file as the input {}: choose another folder with --out, or another --format",
            output.display(),
            input.display()
        ))),
        None => Ok(()),
    }
}

fn files(input: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !input.is_dir() {
        return Ok(vec![input.to_owned()]);
    }
    let unreadable = |error| Failure::Usage(format!("the folder {} cannot be read: {error}", input.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(input).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() && is_video(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_video(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| VIDEOS.contains(&ending.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_videos_of_a_folder_are_taken_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.MP4", "a.mkv", "notes.txt", "c.mkv.part"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let jobs = plan(&[folder.path().to_owned()], Path::new("out"), "mp4").unwrap();
        let names: Vec<_> = jobs.iter().map(|(_, output)| output.to_str().unwrap()).collect();
        assert_eq!(names, ["out/a.mp4", "out/b.mp4"]);
    }

    #[test]
    fn names_are_kept_up_to_their_ending() {
        let inputs = ["show.s01e01.mp4", "show.s01e02.mp4", "2024.05.01 12.30.07.avi"].map(PathBuf::from);
        let jobs = plan(&inputs, Path::new("out"), "mkv").unwrap();
        let names: Vec<_> = jobs.iter().map(|(_, output)| output.to_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "out/show.s01e01.mkv",
                "out/show.s01e02.mkv",
                "out/2024.05.01 12.30.07.mkv"
            ]
        );
    }

    #[test]
    fn two_inputs_never_become_one_output() {
        let inputs = ["one/a.mkv", "two/a.mp4"].map(PathBuf::from);
        let error = plan(&inputs, Path::new("out"), "mkv").unwrap_err();
        assert!(error.to_string().contains("two folders"), "{error}");
        assert!(plan(&[], Path::new("out"), "mkv").is_err());
    }
}
