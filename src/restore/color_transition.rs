//! Mean colours across the border between restored and bypassed frames.
//!
//! A model may shift the mean of a channel against its input's. Where a restored frame is followed by a bicubic
//! one, that shift would show as a jump in brightness or colour. So the bypassed frames keep it at first, and
//! lose it little by little; restored frames that follow take it on again in the same way. Where frames of one kind
//! follow each other for long, nothing is changed.

/// Frames within which a shift is lost or taken on.
const FRAMES: f32 = 24.0;
/// Of a restored picture, one in so many pixels is looked at: an odd number, so that they are of all phases of the
/// enlargement.
const STEP: usize = 7;

/// How much of the model's shift the frames show at present.
#[derive(Debug)]
pub(super) struct ColorTransition {
    /// Restored mean less input mean of each channel, of the last restored frame; none before the first.
    shift: Option<[f32; 3]>,
    /// From 0, the input's colours, to 1, the model's.
    share: f32,
}

impl Default for ColorTransition {
    fn default() -> Self {
        ColorTransition {
            shift: None,
            share: 1.0,
        }
    }
}

impl ColorTransition {
    /// A restored picture, packed RGB, of the frame `input`.
    pub fn restored(&mut self, input: &[u8], picture: &mut [u8]) {
        let (own, given) = (means(picture, STEP), means(input, 1));
        let shift = std::array::from_fn(|channel| own[channel] - given[channel]);
        self.shift = Some(shift);
        if self.share < 1.0 {
            self.share = (self.share + 1.0 / FRAMES).min(1.0);
            add(picture, shift.map(|shift| shift * (self.share - 1.0)));
        }
    }

    /// A bicubic picture, packed RGB.
    pub fn bypassed(&mut self, picture: &mut [u8]) {
        self.share = match self.shift {
            Some(_) => (self.share - 1.0 / FRAMES).max(0.0),
            // No restored frame has been shown: the first ones come over from the input's colours.
            None => 0.0,
        };
        if let Some(shift) = self.shift.filter(|_| self.share > 0.0) {
            add(picture, shift.map(|shift| shift * self.share));
        }
    }
}

/// Mean of each channel, over one in `step` pixels.
fn means(picture: &[u8], step: usize) -> [f32; 3] {
    let mut sums = [0_u64; 3];
    let mut count = 0_u64;
    for pixel in picture.as_chunks::<3>().0.iter().step_by(step) {
        (0..3).for_each(|channel| sums[channel] += u64::from(pixel[channel]));
        count += 1;
    }
    sums.map(|sum| sum as f32 / count.max(1) as f32)
}

/// Adds a value to every channel; the ends of the range saturate. Fractions are spread over four neighbouring pixels:
/// a shift of half a level raises every other pixel by one.
fn add(picture: &mut [u8], shift: [f32; 3]) {
    /// Thresholds of neighbouring pixels.
    const DITHER: [f32; 4] = [0.125, 0.625, 0.375, 0.875];
    /// A multiple of the twelve bytes of the pattern and of the widest vectors.
    const LANES: usize = 192;
    let step = |at: usize| (shift[at % 3] + DITHER[at / 3 % 4]).floor();
    // The casts saturate: one of the two is always 0.
    let up: [u8; LANES] = std::array::from_fn(|at| step(at) as u8);
    let down: [u8; LANES] = std::array::from_fn(|at| -step(at) as u8);
    let (vectors, rest) = picture.as_chunks_mut::<LANES>();
    for vector in vectors {
        for at in 0..LANES {
            vector[at] = vector[at].saturating_add(up[at]).saturating_sub(down[at]);
        }
    }
    for (value, (up, down)) in rest.iter_mut().zip(up.iter().zip(down)) {
        *value = value.saturating_add(*up).saturating_sub(down);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 16×16 input with some structure, its enlargement, and the same by a model that shifts colours.
    fn pictures(shift: [i16; 3]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let input: Vec<u8> = (0..16 * 16 * 3).map(|at| (80 + at % 61) as u8).collect();
        let pixel = |at: usize| (at / 64 / 4) * 16 + at % 64 / 4;
        let enlarged: Vec<u8> = (0..64 * 64)
            .flat_map(|at| input[pixel(at) * 3..pixel(at) * 3 + 3].to_vec())
            .collect();
        let moved = |(at, value): (usize, &u8)| (i16::from(*value) + shift[at % 3]) as u8;
        let restored = enlarged.iter().enumerate().map(moved).collect();
        (input, enlarged, restored)
    }

    #[track_caller]
    fn assert_steps_are_small(shown: &[[f32; 3]], limit: f32) {
        for pair in shown.windows(2) {
            let steps = pair[1]
                .iter()
                .zip(&pair[0])
                .map(|(after, before)| (after - before).abs());
            let worst = steps.fold(0.0, f32::max);
            assert!(worst <= limit, "a step of {worst} levels");
        }
    }

    #[test]
    fn switching_moves_colours_by_small_steps_only() {
        let (input, enlarged, restored) = pictures([12, -6, 3]);
        let mut transition = ColorTransition::default();
        let mut shown = Vec::new();
        for turn in [true, false, true, false] {
            for _ in 0..40 {
                let mut picture = if turn { restored.clone() } else { enlarged.clone() };
                if turn {
                    transition.restored(&input, &mut picture);
                } else {
                    transition.bypassed(&mut picture);
                }
                shown.push(means(&picture, 1));
            }
        }
        // 12 levels within 24 frames; a quarter of a level is what the spreading of fractions leaves.
        assert_steps_are_small(&shown, 12.0 / FRAMES + 0.26);
        for at in [39, 119] {
            assert_eq!(shown[at], means(&restored, 1), "the model's own colours after a while");
        }
        for at in [79, 159] {
            assert_eq!(shown[at], means(&enlarged, 1), "the input's own colours after a while");
        }
    }

    #[test]
    fn frames_of_one_kind_are_not_touched() {
        let (input, enlarged, restored) = pictures([9, 9, 9]);
        let mut transition = ColorTransition::default();
        for _ in 0..5 {
            let mut picture = restored.clone();
            transition.restored(&input, &mut picture);
            assert!(picture == restored);
        }
        let mut transition = ColorTransition::default();
        for _ in 0..5 {
            let mut picture = enlarged.clone();
            transition.bypassed(&mut picture);
            assert!(picture == enlarged);
        }
    }

    #[test]
    fn fractions_of_a_level_are_kept_on_average() {
        let mut picture = vec![100; 64 * 64 * 3];
        add(&mut picture, [0.25, -0.5, 0.75]);
        assert_eq!(means(&picture, 1), [100.25, 99.5, 100.75]);
    }

    #[test]
    fn ends_of_the_range_saturate() {
        let mut picture = [0, 128, 255].repeat(100);
        add(&mut picture, [-40.0, 0.0, 40.0]);
        assert_eq!(picture, [0, 128, 255].repeat(100));
    }
}
