//! The fewest requests that still show a difference.

/// Takes out what is not needed for `fails`, larger parts first; the last item stays. Nothing is taken out if all of them do not fail.
pub(super) fn shrink<T: Clone>(items: &[T], mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut left = items.to_vec();
    if !fails(&left) {
        return left;
    }
    let mut size = left.len() / 2;
    while size > 0 {
        let mut from = 0;
        while from + 1 < left.len() {
            let to = (from + size).min(left.len() - 1);
            let without = [&left[..from], &left[to..]].concat();
            if fails(&without) {
                left = without;
            } else {
                from = to;
            }
        }
        size /= 2;
    }
    left
}

#[test]
fn what_matters_is_left() {
    let all: Vec<u32> = (0..200).collect();
    let needed = [3, 77, 78, 199];
    let mut tries = 0;
    let left = shrink(&all, |some| {
        tries += 1;
        needed.iter().all(|number| some.contains(number))
    });
    assert_eq!(left, needed);
    assert!(tries < 200, "{tries}");
    assert_eq!(shrink(&all, |_| false), all);
    assert_eq!(shrink(&[1], |_| true), [1]);
}
