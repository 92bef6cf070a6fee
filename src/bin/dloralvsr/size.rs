//! How large the output's picture is: four times the input's, or reduced from that.

use std::str::FromStr;

use crate::input::Input;

/// How much larger the element makes a picture, in each direction.
pub const SCALE: u32 = gstdloralvsr::restore::SCALE as u32;
/// Of video that nobody wanted in another size, the shorter side has at most so many pixels.
const MOST_LINES: u32 = 2160;

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum OutputSize {
    /// Four times the input's; of video at most 2160 lines.
    #[default]
    Usual,
    /// So many times the input's, at most four.
    Scale(f64),
    /// So many lines, in proportion.
    Height(u32),
    /// Exactly so many pixels; they change their shape where that is another proportion.
    Exact(u32, u32),
    /// As large as fits into so many pixels, in proportion.
    Fit(u32, u32),
}

/// Width and height of a picture, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureSize {
    pub width: u32,
    pub height: u32,
    /// Whether it has another proportion than the input.
    pub reshaped: bool,
}

impl PictureSize {
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

impl OutputSize {
    /// The output's picture for an input's of `width`×`height`, upright. Sides of video are even, as encoders want them.
    ///
    /// # Errors
    /// Which size would be larger than four times the input's; an odd side that was asked for.
    pub fn of(self, width: u32, height: u32, video: bool) -> Result<PictureSize, String> {
        let (full_width, full_height) = (width * SCALE, height * SCALE);
        let lines = f64::from(full_width.min(full_height));
        let scale = match self {
            OutputSize::Usual if video => (f64::from(MOST_LINES) / lines).min(1.0),
            OutputSize::Usual => 1.0,
            OutputSize::Scale(times) => times / f64::from(SCALE),
            OutputSize::Height(height) => f64::from(height) / f64::from(full_height),
            OutputSize::Fit(width, height) => {
                (f64::from(width) / f64::from(full_width)).min(f64::from(height) / f64::from(full_height))
            }
            OutputSize::Exact(width, height) => {
                if video && (width % 2 == 1 || height % 2 == 1) {
                    return Err(format!(
                        "{width}x{height}: sides of a video are even, ask for {}x{}",
                        width & !1,
                        height & !1
                    ));
                }
                let reshaped = u64::from(width) * u64::from(full_height) != u64::from(height) * u64::from(full_width);
                let size = PictureSize {
                    width,
                    height,
                    reshaped,
                };
                return check(size, full_width, full_height);
            }
        };
        let scale = match self {
            // A box is an upper bound, whatever the picture.
            OutputSize::Fit(..) => scale.min(1.0),
            _ => scale,
        };
        let side = |full: u32| {
            let scaled = f64::from(full) * scale;
            let step = if video { 2.0 } else { 1.0 };
            let steps = match self {
                // But for what rounding left: 1920 of 480 × 4 is 1920.
                OutputSize::Fit(..) => (scaled / step + 1e-6).floor(),
                _ => (scaled / step).round(),
            };
            (steps * step).max(step) as u32
        };
        let size = PictureSize {
            width: side(full_width),
            height: side(full_height),
            reshaped: false,
        };
        check(size, full_width, full_height)
    }

    /// The same for the whole input.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_input(self, input: &Input) -> Result<PictureSize, String> {
        let (width, height) = input.video.upright();
        self.of(width, height, !input.is_still())
    }
}

fn check(size: PictureSize, full_width: u32, full_height: u32) -> Result<PictureSize, String> {
    if size.width > full_width || size.height > full_height {
        return Err(format!(
            "{}x{} is more than four times the input: ask for {full_width}x{full_height} at most",
            size.width, size.height
        ));
    }
    Ok(size)
}

/// `1920x1080`.
pub fn box_of(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once('x')?;
    let side = |text: &str| u32::from_str(text).ok().filter(|side| (2..=16384).contains(side));
    side(width).zip(side(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(wanted: OutputSize, width: u32, height: u32) -> Option<(u32, u32)> {
        wanted
            .of(width, height, true)
            .ok()
            .map(|size| (size.width, size.height))
    }

    #[test]
    fn video_has_at_most_2160_lines_unless_it_is_asked_for() {
        assert_eq!(size(OutputSize::Usual, 320, 180), Some((1280, 720)));
        assert_eq!(size(OutputSize::Usual, 1280, 720), Some((3840, 2160)));
        assert_eq!(size(OutputSize::Usual, 720, 1280), Some((2160, 3840)), "upright");
        assert_eq!(size(OutputSize::Scale(4.0), 1280, 720), Some((5120, 2880)));
        let still = OutputSize::Usual.of(1281, 721, false).unwrap();
        assert_eq!((still.width, still.height), (5124, 2884));
    }

    #[test]
    fn proportions_and_even_sides_are_kept() {
        assert_eq!(size(OutputSize::Scale(2.0), 321, 181), Some((642, 362)));
        assert_eq!(size(OutputSize::Scale(1.5), 321, 181), Some((482, 272)));
        assert_eq!(size(OutputSize::Height(1080), 720, 576), Some((1350, 1080)));
        assert_eq!(size(OutputSize::Fit(1920, 1080), 720, 576), Some((1350, 1080)));
        assert_eq!(
            size(OutputSize::Fit(1920, 1080), 320, 180),
            Some((1280, 720)),
            "no enlargement"
        );
    }

    #[test]
    fn a_box_is_not_exceeded() {
        assert_eq!(size(OutputSize::Fit(853, 480), 320, 180), Some((852, 478)));
        assert_eq!(size(OutputSize::Fit(854, 480), 320, 180), Some((852, 480)));
        assert_eq!(size(OutputSize::Fit(1920, 1080), 480, 270), Some((1920, 1080)));
    }

    #[test]
    fn odd_sides_are_refused_of_a_video() {
        for (width, height) in [(641, 360), (640, 361)] {
            assert!(OutputSize::Exact(width, height).of(320, 180, true).is_err());
            assert!(OutputSize::Exact(width, height).of(320, 180, false).is_ok());
        }
    }

    #[test]
    fn an_exact_size_may_reshape_the_pixels() {
        let reshaped = |width, height| OutputSize::Exact(width, height).of(720, 576, true).unwrap().reshaped;
        assert!(reshaped(1920, 1080) && !reshaped(1440, 1152));
    }

    #[test]
    fn more_than_four_times_is_refused() {
        for wanted in [
            OutputSize::Scale(4.5),
            OutputSize::Height(1000),
            OutputSize::Exact(1282, 720),
        ] {
            assert_eq!(size(wanted, 320, 180), None, "{wanted:?}");
        }
    }

    #[test]
    fn a_box_is_two_numbers() {
        assert_eq!(box_of("1920x1080"), Some((1920, 1080)));
        for text in ["1920", "x1080", "0x0", "1920x", "1920x1080x3", "-2x4"] {
            assert_eq!(box_of(text), None, "{text}");
        }
    }
}
