//! Luma of a frame, at its size and at halves of it.

/// A plane of luma, in levels of 0 to 255.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    pub width: usize,
    pub height: usize,
    pub values: Vec<f32>,
}

impl Plane {
    /// Of a packed u8 RGB picture.
    pub fn of_rgb(rgb: &[u8], width: usize, height: usize) -> Plane {
        let luma = |[red, green, blue]: &[u8; 3]| {
            0.299 * f32::from(*red) + 0.587 * f32::from(*green) + 0.114 * f32::from(*blue)
        };
        Plane {
            width,
            height,
            values: rgb.as_chunks::<3>().0.iter().map(luma).collect(),
        }
    }

    /// Half as wide and high; the last column or row of an odd size is left out.
    fn halved(&self) -> Plane {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut values = Vec::with_capacity(width * height);
        for y in 0..height {
            let (upper, lower) = (self.row(2 * y), self.row(2 * y + 1));
            let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
            values.extend(pairs.take(width).map(|(a, b)| (a[0] + a[1] + b[0] + b[1]) / 4.0));
        }
        Plane { width, height, values }
    }

    pub fn row(&self, y: usize) -> &[f32] {
        &self.values[y * self.width..(y + 1) * self.width]
    }

    /// The value at a place between samples; beyond the border that of the border.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (
            x.clamp(0.0, (self.width - 1) as f32),
            y.clamp(0.0, (self.height - 1) as f32),
        );
        let (left, top) = (x as usize, y as usize);
        let (right, bottom) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (across, down) = (x - left as f32, y - top as f32);
        let (upper, lower) = (self.row(top), self.row(bottom));
        let mix = |row: &[f32]| row[left] + (row[right] - row[left]) * across;
        let upper = mix(upper);
        upper + (mix(lower) - upper) * down
    }
}

/// A plane at its size, then at half of it, and so on.
#[derive(Debug, Clone)]
pub struct Pyramid(pub Vec<Plane>);

impl Pyramid {
    /// With levels down to a shorter side of at least `smallest`.
    pub fn new(plane: Plane, smallest: usize) -> Pyramid {
        let mut levels = vec![plane];
        while let Some(last) = levels.last()
            && last.width.min(last.height) / 2 >= smallest
        {
            let half = last.halved();
            levels.push(half);
        }
        Pyramid(levels)
    }
}
