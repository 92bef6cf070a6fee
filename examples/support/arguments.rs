//! Values of the command lines.

use gstdloralvsr::restore::ColorFix;

/// Width and height, in pixels.
pub fn frame_size(text: &str) -> Result<(usize, usize), String> {
    let sides = text
        .split_once('x')
        .map(|(width, height)| (width.parse(), height.parse()));
    match sides {
        Some((Ok(width), Ok(height))) if width > 0 && height > 0 => Ok((width, height)),
        _ => Err(format!("{text:?} is not a size such as 320x180")),
    }
}

pub fn color_fix(text: &str) -> Result<ColorFix, String> {
    match text {
        "pack" => Ok(ColorFix::Pack),
        "none" => Ok(ColorFix::None),
        "adain" => Ok(ColorFix::AdaIn),
        "wavelet" => Ok(ColorFix::Wavelet),
        _ => Err("there are pack, none, adain and wavelet".to_owned()),
    }
}
