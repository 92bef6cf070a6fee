//! How players are asked to turn the picture.

/// The method of `videoflip` for a display matrix as `ffprobe` prints it, nine numbers in three rows. `None`: upright, or
/// no turn by quarters, which no player shows either.
pub fn direction(matrix: &str) -> Option<&'static str> {
    let numbers: Vec<i64> = matrix
        .lines()
        .filter_map(|row| row.split_once(':'))
        .flat_map(|(_, row)| row.split_whitespace().filter_map(|number| number.parse().ok()))
        .collect();
    let [a, b, _, c, d, ..] = numbers[..] else {
        return None;
    };
    // A point (x, y) is shown at (ax + cy, bx + dy), y downwards (ISO 14496-12, 6.2.2).
    match [a, b, c, d].map(i64::signum) {
        [0, 1, -1, 0] => Some("90r"),
        [-1, 0, 0, -1] => Some("180"),
        [0, -1, 1, 0] => Some("90l"),
        [-1, 0, 0, 1] => Some("horiz"),
        [1, 0, 0, -1] => Some("vert"),
        [0, 1, 1, 0] => Some("ul-lr"),
        [0, -1, -1, 0] => Some("ur-ll"),
        _ => None,
    }
}

/// Whether width and height change places.
pub fn is_quarter(direction: &str) -> bool {
    matches!(direction, "90r" | "90l" | "ul-lr" | "ur-ll")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_as_ffprobe_prints_them() {
        let quarter = "\n00000000:            0       65536           0\n00000001:       -65536           0           0\n\
                       00000002:            0           0  1073741824\n";
        assert_eq!(direction(quarter), Some("90r"));
        let upright = "\n00000000:        65536           0           0\n00000001:            0       65536           0\n\
                       00000002:            0           0  1073741824\n";
        assert_eq!(direction(upright), None);
        assert_eq!(direction("nothing"), None);
    }
}
