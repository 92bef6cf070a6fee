//! What an HDR stream says of the screen that it was mastered on.

use super::ffprobe::SideData;

/// Mastering display and content light level (SMPTE ST 2086, CTA-861.3), in the units of an H.264 SEI message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mastering {
    pub display: Option<Display>,
    pub light: Option<Light>,
}

/// Chromaticities in units of 0.00002, luminance in units of 0.0001 cd/m².
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Display {
    pub red: [u16; 2],
    pub green: [u16; 2],
    pub blue: [u16; 2],
    pub white: [u16; 2],
    pub max_luminance: u32,
    pub min_luminance: u32,
}

/// Greatest light level of a pixel and greatest mean of a frame, cd/m².
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Light {
    pub max_content: u16,
    pub max_average: u16,
}

impl Mastering {
    /// By the side data of a stream or a frame; `None` where neither is stated.
    pub fn of(side_data: &[SideData]) -> Option<Self> {
        let mastering = Self {
            display: side_data.iter().find_map(display),
            light: side_data.iter().find_map(light),
        };
        (mastering != Self::default()).then_some(mastering)
    }

    /// Options of x264 that write both as SEI messages.
    pub fn x264_options(&self) -> String {
        self.options("mastering-display", "cll")
    }

    /// The same of x265.
    pub fn x265_options(&self) -> String {
        self.options("master-display", "max-cll")
    }

    fn options(&self, display_name: &str, light_name: &str) -> String {
        let display = self.display.map(|display| {
            let point = |[x, y]: [u16; 2]| format!("({x},{y})");
            format!(
                "{display_name}=G{}B{}R{}WP{}L({},{})",
                point(display.green),
                point(display.blue),
                point(display.red),
                point(display.white),
                display.max_luminance,
                display.min_luminance
            )
        });
        let light = self
            .light
            .map(|light| format!("{light_name}={},{}", light.max_content, light.max_average));
        display.into_iter().chain(light).collect::<Vec<_>>().join(":")
    }
}

fn display(data: &SideData) -> Option<Display> {
    let chromaticity = |x: &Option<String>, y: &Option<String>| {
        let unit = |value: &Option<String>| Some((fraction(value)? * 50_000.0).round() as u16);
        Some([unit(x)?, unit(y)?])
    };
    let luminance = |value: &Option<String>| Some((fraction(value)? * 10_000.0).round() as u32);
    Some(Display {
        red: chromaticity(&data.red_x, &data.red_y)?,
        green: chromaticity(&data.green_x, &data.green_y)?,
        blue: chromaticity(&data.blue_x, &data.blue_y)?,
        white: chromaticity(&data.white_point_x, &data.white_point_y)?,
        max_luminance: luminance(&data.max_luminance)?,
        min_luminance: luminance(&data.min_luminance)?,
    })
}

fn light(data: &SideData) -> Option<Light> {
    let level = |value: Option<u32>| Some(u16::try_from(value?).unwrap_or(u16::MAX));
    Some(Light {
        max_content: level(data.max_content)?,
        max_average: level(data.max_average)?,
    })
}

fn fraction(text: &Option<String>) -> Option<f64> {
    let (numerator, denominator) = text.as_deref()?.split_once('/')?;
    let value = numerator.parse::<f64>().ok()? / denominator.parse::<f64>().ok()?;
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_become_options_of_the_encoders() {
        let text = |text: &str| Some(text.to_owned());
        let data = [
            SideData {
                red_x: text("34000/50000"),
                red_y: text("16000/50000"),
                green_x: text("13250/50000"),
                green_y: text("34500/50000"),
                blue_x: text("7500/50000"),
                blue_y: text("3000/50000"),
                white_point_x: text("15635/50000"),
                white_point_y: text("16450/50000"),
                min_luminance: text("1/10000"),
                max_luminance: text("10000000/10000"),
                ..SideData::default()
            },
            SideData {
                max_content: Some(1000),
                max_average: Some(400),
                ..SideData::default()
            },
        ];
        assert_eq!(
            Mastering::of(&data).unwrap().x264_options(),
            "mastering-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):cll=1000,400"
        );
        assert_eq!(
            Mastering::of(&data).unwrap().x265_options(),
            "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
        );
        assert_eq!(Mastering::of(&[SideData::default()]), None);
    }
}
