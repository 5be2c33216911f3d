//! Places on Earth as Redis keeps them: the cell of a grid of 2^26 by 2^26, its bits interleaved, as the score of a member.
//!
//! Pure: points, distances, and the cells around a point. See the geohash system (Niemeyer, 2008) and the haversine formula;
//! sizes and limits are Redis's, because scores and distances are seen by clients.

use std::f64::consts::PI;

/// Mean radius of Earth, in metres.
const EARTH_RADIUS: f64 = 6_372_797.560_856;

/// Half the length of the equator as Web Mercator has it, in metres.
const MERCATOR_MAX: f64 = 20_037_726.37;

/// The grid ends where Web Mercator does: EPSG:900913.
const LATITUDE: f64 = 85.051_128_78;
const LONGITUDE: f64 = 180.0;

/// Bits of a coordinate in a score.
const STEPS: u32 = 26;

/// A point, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// From -180 to 180.
    pub longitude: f64,
    /// From -85.05112878 to 85.05112878.
    pub latitude: f64,
}

/// A rectangle of coordinates, in degrees.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

/// What is looked for around a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// All within this distance, in metres.
    Circle(f64),
    /// All within half of this width and height, in metres.
    Box {
        /// From west to east.
        width: f64,
        /// From south to north.
        height: f64,
    },
}

impl Point {
    /// `None` outside of the grid.
    #[must_use]
    pub fn new(longitude: f64, latitude: f64) -> Option<Self> {
        let inside =
            (-LONGITUDE..=LONGITUDE).contains(&longitude) && (-LATITUDE..=LATITUDE).contains(&latitude);
        inside.then_some(Self { longitude, latitude })
    }

    /// The point in the middle of a score's cell.
    #[must_use]
    pub fn of_score(score: f64) -> Self {
        let bounds = Cell::of_bits(bits(score), STEPS).bounds();
        Self {
            longitude: f64::midpoint(bounds.west, bounds.east).clamp(-LONGITUDE, LONGITUDE),
            latitude: f64::midpoint(bounds.south, bounds.north).clamp(-LATITUDE, LATITUDE),
        }
    }

    /// The score of its cell.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "52 bits fit")]
    pub fn score(self) -> f64 {
        Cell::of(self, STEPS, LATITUDE).bits() as f64
    }

    /// Its geohash, as others write it: on a grid from pole to pole, 11 characters, the last of which tells nothing.
    #[must_use]
    pub fn geohash(self) -> [u8; 11] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = Cell::of(self, STEPS, 90.0).bits();
        let mut text = [b'0'; 11];
        for (at, letter) in text.iter_mut().take(10).enumerate() {
            *letter = ALPHABET[(bits >> (2 * STEPS as usize - 5 * (at + 1)) & 31) as usize];
        }
        text
    }

    /// Metres to another point, on a sphere.
    #[must_use]
    pub fn distance(self, other: Self) -> f64 {
        let half_width = ((radians(other.longitude) - radians(self.longitude)) / 2.0).sin();
        // Exactly: the formula would lose digits, and Redis takes this way too.
        if half_width == 0.0 {
            return self.distance_of_latitudes(other);
        }
        let (one, two) = (radians(self.latitude), radians(other.latitude));
        let half_height = ((two - one) / 2.0).sin();
        let square = half_height * half_height + one.cos() * two.cos() * half_width * half_width;
        2.0 * EARTH_RADIUS * square.sqrt().asin()
    }

    fn distance_of_latitudes(self, other: Self) -> f64 {
        EARTH_RADIUS * (radians(other.latitude) - radians(self.latitude)).abs()
    }
}

impl Shape {
    /// Metres from `center` to a point, if the shape around `center` holds it.
    #[must_use]
    pub fn distance(self, center: Point, point: Point) -> Option<f64> {
        let inside = match self {
            Self::Circle(radius) => {
                let distance = center.distance(point);
                return (distance <= radius).then_some(distance);
            }
            Self::Box { width, height } => {
                center.distance_of_latitudes(point) <= height / 2.0
                    && point.distance(Point { longitude: center.longitude, ..point }) <= width / 2.0
            }
        };
        inside.then(|| center.distance(point))
    }

    /// Ranges of scores, the second excluded, that hold all points of the shape around `center`. They are asked in this order.
    #[must_use]
    pub fn score_ranges(self, center: Point) -> Vec<(f64, f64)> {
        let bounds = self.bounds(center);
        let mut steps = self.steps(center);
        let mut cell = Cell::of(center, steps, LATITUDE);
        if steps > 1 && !cell.reaches(bounds) {
            steps -= 1;
            cell = Cell::of(center, steps, LATITUDE);
        }
        // East, north: of the cell itself first.
        const AROUND: [(i32, i32); 9] =
            [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let own = cell.bounds();
        let needed = |(east, north): (i32, i32)| {
            // A side that the cell itself sticks out of the shape on has nothing of it.
            steps < 2
                || !(north < 0 && own.south < bounds.south
                    || north > 0 && own.north > bounds.north
                    || east < 0 && own.west < bounds.west
                    || east > 0 && own.east > bounds.east)
        };
        let mut ranges: Vec<(f64, f64)> = Vec::new();
        for direction in AROUND.into_iter().filter(|&direction| needed(direction)) {
            let range = cell.moved(direction).scores();
            // Few cells around the globe: the next one may be the same.
            if ranges.last() != Some(&range) {
                ranges.push(range);
            }
        }
        ranges
    }

    fn bounds(self, center: Point) -> Bounds {
        let (width, height) = match self {
            Self::Circle(radius) => (radius, radius),
            Self::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let up = degrees(height / EARTH_RADIUS);
        // The same distance is most degrees at the end that is next to a pole.
        let end = if center.latitude < 0.0 { center.latitude - up } else { center.latitude + up };
        let aside = degrees(width / EARTH_RADIUS / radians(end).cos());
        Bounds {
            west: center.longitude - aside,
            east: center.longitude + aside,
            south: center.latitude - up,
            north: center.latitude + up,
        }
    }

    /// How fine a grid to look at, so that a cell and those around it hold the shape.
    fn steps(self, center: Point) -> u32 {
        let mut reach = match self {
            Self::Circle(radius) => radius,
            Self::Box { width, height } => ((width / 2.0).powi(2) + (height / 2.0).powi(2)).sqrt(),
        };
        if reach == 0.0 {
            return STEPS;
        }
        let mut steps = 1_i32;
        while reach < MERCATOR_MAX {
            reach *= 2.0;
            steps += 1;
        }
        steps -= 2;
        // Cells get narrow there.
        steps -= i32::from(center.latitude.abs() > 66.0) + i32::from(center.latitude.abs() > 80.0);
        steps.clamp(1, STEPS.cast_signed()).cast_unsigned()
    }
}

/// A cell of a grid of 2^steps by 2^steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    /// From west to east.
    column: u32,
    /// From south to north.
    row: u32,
    steps: u32,
}

impl Cell {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of the grid times its size, cut"
    )]
    fn of(point: Point, steps: u32, latitude: f64) -> Self {
        let size = (1_u64 << steps) as f64;
        let index = |value: f64, limit: f64| ((value + limit) / (limit + limit) * size) as u64 as u32;
        Self { column: index(point.longitude, LONGITUDE), row: index(point.latitude, latitude), steps }
    }

    fn of_bits(bits: u64, steps: u32) -> Self {
        Self { column: every_other(bits >> 1), row: every_other(bits), steps }
    }

    fn bits(self) -> u64 {
        spread(self.row) | spread(self.column) << 1
    }

    fn bounds(self) -> Bounds {
        let size = (1_u64 << self.steps) as f64;
        let edge =
            |index: u32, step: f64, limit: f64| -limit + (f64::from(index) + step) / size * (limit + limit);
        Bounds {
            west: edge(self.column, 0.0, LONGITUDE),
            east: edge(self.column, 1.0, LONGITUDE),
            south: edge(self.row, 0.0, LATITUDE),
            north: edge(self.row, 1.0, LATITUDE),
        }
    }

    /// Around the globe where the grid ends.
    fn moved(self, (east, north): (i32, i32)) -> Self {
        let mask = u32::MAX >> (32 - self.steps);
        let add = |index: u32, by: i32| if by == 0 { index } else { index.wrapping_add_signed(by) & mask };
        Self { column: add(self.column, east), row: add(self.row, north), steps: self.steps }
    }

    /// Whether the cells around this one hold all of the bounds.
    fn reaches(self, bounds: Bounds) -> bool {
        self.moved((0, 1)).bounds().north >= bounds.north
            && self.moved((0, -1)).bounds().south <= bounds.south
            && self.moved((1, 0)).bounds().east >= bounds.east
            && self.moved((-1, 0)).bounds().west <= bounds.west
    }

    #[expect(clippy::cast_precision_loss, reason = "52 bits fit, and one more")]
    fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEPS - self.steps);
        ((self.bits() << shift) as f64, ((self.bits() + 1) << shift) as f64)
    }
}

/// What C makes of a score that need not be of a place, where Redis mostly runs (x86-64): negative ones wrap, and of one that 64 bits
/// cannot hold nothing is left.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as said")]
fn bits(score: f64) -> u64 {
    const TOO_LARGE: f64 = 18_446_744_073_709_551_616.0;
    match score {
        ..0.0 => (score as i64).cast_unsigned(),
        TOO_LARGE.. => 0,
        _ => score as u64,
    }
}

/// A zero before each bit.
fn spread(value: u32) -> u64 {
    let mut bits = u64::from(value);
    for (shift, mask) in [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Every second bit, from the lowest on.
#[expect(clippy::cast_possible_truncation, reason = "only the lower half has bits left")]
fn every_other(bits: u64) -> u32 {
    let mut bits = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0F0F_0F0F_0F0F_0F0F),
        (4, 0x00FF_00FF_00FF_00FF),
        (8, 0x0000_FFFF_0000_FFFF),
        (16, 0x0000_0000_FFFF_FFFF),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

fn radians(degrees: f64) -> f64 {
    // Multiplied in this order, as Redis does: distances are compared digit by digit.
    degrees * (PI / 180.0)
}

fn degrees(radians: f64) -> f64 {
    radians / (PI / 180.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(longitude: f64, latitude: f64) -> Point {
        Point::new(longitude, latitude).expect("on the grid")
    }

    #[test]
    fn bits_are_interleaved_and_come_back() {
        for value in [0, 1, 2, 0x5555_5555, 0xAAAA_AAAA, u32::MAX, 0x0123_4567] {
            assert_eq!(every_other(spread(value)), value);
            assert_eq!(every_other(spread(value) << 1), 0);
        }
    }

    #[test]
    fn scores_that_are_no_places() {
        for (score, expected) in
            [(0.1, 0), (-2.25, u64::MAX - 1), (1e300, 0), (f64::INFINITY, 0), (-1e300, 1 << 63), (2e19, 0)]
        {
            assert_eq!(bits(score), expected, "{score}");
        }
    }

    #[test]
    fn places_of_the_command_reference() {
        let (palermo, catania) = (point(13.361_389, 38.115_556), point(15.087_269, 37.502_669));
        assert_eq!(palermo.score(), 3_479_099_956_230_698.0);
        assert_eq!(catania.score(), 3_479_447_370_796_909.0);
        let kept = (Point::of_score(palermo.score()), Point::of_score(catania.score()));
        assert_eq!(format!("{:.4}", kept.0.distance(kept.1)), "166274.1516");
        assert_eq!(&kept.0.geohash(), b"sqc8b49rny0");
        assert_eq!(&kept.1.geohash(), b"sqdtr74hyu0");
    }

    /// The oracle asks every point.
    #[test]
    fn ranges_hold_all_points_of_a_shape() {
        let mut seed = 7_u64;
        let mut chance = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 11) as f64 / (1_u64 << 53) as f64
        };
        for round in 0..300 {
            let center = point(chance() * 340.0 - 170.0, chance() * 150.0 - 75.0);
            let reach = 10_f64.powf(1.0 + chance() * 5.0);
            let shape = if round % 2 == 0 {
                Shape::Circle(reach)
            } else {
                Shape::Box { width: reach, height: reach * chance() }
            };
            let ranges = shape.score_ranges(center);
            for _ in 0..100 {
                let near = |value: f64, chance: f64| value + (chance - 0.5) * reach / 30_000.0;
                let Some(point) =
                    Point::new(near(center.longitude, chance()), near(center.latitude, chance()))
                else {
                    continue;
                };
                let score = point.score();
                if shape.distance(center, Point::of_score(score)).is_some() {
                    let holds = |&(from, to): &(f64, f64)| from <= score && score < to;
                    assert!(ranges.iter().any(holds), "{shape:?} around {center:?}: {point:?}");
                }
            }
        }
    }
}
