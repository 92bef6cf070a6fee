//! Frames that are made, not read.

/// Frames that are made before anything is measured, and given again and again.
const LENGTH: usize = 16;

/// A clip of frames of this size, in packed RGB.
pub fn make(width: usize, height: usize) -> Vec<Vec<u8>> {
    (0..LENGTH).map(|at| frame(width, height, there_and_back(at))).collect()
}

/// A clip that is played forwards and backwards has no cut where it begins again.
fn there_and_back(at: usize) -> usize {
    at.min(LENGTH - at)
}

/// Waves of several lengths that move, with noise on them: packed RGB.
fn frame(width: usize, height: usize, time: usize) -> Vec<u8> {
    let mut noise = 0x9e37_79b9_u32.wrapping_add(time as u32);
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let (x, y) = ((x + 2 * time) as f32, (y + time) as f32);
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = (noise >> 28) as f32;
            let wave = |length: f32| (x / length).sin() * (y / (0.7 * length)).cos();
            let value = |channel: f32| 120.0 + 60.0 * wave(37.0 + channel) + 30.0 * wave(5.0 + channel) + grain;
            // The cast saturates.
            rgb.extend([0.0, 9.0, 21.0].map(|channel| value(channel) as u8));
        }
    }
    rgb
}
