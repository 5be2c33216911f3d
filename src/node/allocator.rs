//! The allocator: how much it gave out and holds, and giving back to the system what nothing is in.
//!
//! Its figures are of the whole process, and mean something only in a program whose global allocator is jemalloc.

/// Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Given out, by size class.
    pub(crate) allocated: u64,
    /// In pages that something is in.
    pub(crate) active: u64,
    /// In pages that the system counts for it.
    pub(crate) resident: u64,
}

pub(crate) use of_program::{figures, purge, report, size_class, usable};

#[cfg(feature = "jemalloc")]
mod of_program {
    use tikv_jemalloc_ctl::{epoch, stats, stats_print};

    use super::Figures;

    /// What it is now; zeros if it does not say. Takes some ten microseconds.
    #[must_use]
    pub(crate) fn figures() -> Figures {
        let read = || -> Result<Figures, tikv_jemalloc_ctl::Error> {
            // Figures are those of the last epoch.
            epoch::advance()?;
            Ok(Figures {
                allocated: stats::allocated::read()? as u64,
                active: stats::active::read()? as u64,
                resident: stats::resident::read()? as u64,
            })
        };
        read().unwrap_or_default()
    }

    /// Bytes that it takes to hold so many: their size class. Small ones are sixteen apart, then there are four between a power of two
    /// and the next. By arithmetic, because each record asks.
    #[must_use]
    #[inline]
    pub(crate) const fn size_class(bytes: usize) -> usize {
        const FINE: usize = 16;
        let apart = match bytes {
            0..=8 => return 8,
            9..=128 => FINE,
            _ => 1 << (usize::BITS - (bytes - 1).leading_zeros() - 3),
        };
        match bytes.checked_next_multiple_of(apart) {
            Some(class) => class,
            None => bytes,
        }
    }

    /// Bytes that can be used of a block of so many.
    #[must_use]
    #[inline]
    pub(crate) const fn usable(bytes: usize) -> usize {
        size_class(bytes)
    }

    /// All of its figures as text.
    #[must_use]
    pub(crate) fn report() -> Vec<u8> {
        let mut text = Vec::new();
        match stats_print::stats_print(&mut text, stats_print::Options::default()) {
            Ok(()) => text,
            Err(error) => format!("The allocator does not say: {error}").into_bytes(),
        }
    }

    /// Gives all pages back to the system that nothing is in.
    #[expect(unsafe_code, reason = "a call without arguments to pass")]
    pub(crate) fn purge() {
        /// `MALLCTL_ARENAS_ALL` is 4096.
        const ALL_ARENAS: &std::ffi::CStr = c"arena.4096.purge";
        // SAFETY: the name ends with a zero, and this control neither reads nor writes values: all pointers may be null and the
        // length 0 (jemalloc(3), "arena.<i>.purge"). Nothing that is in use is touched.
        let status = unsafe {
            tikv_jemalloc_sys::mallctl(
                ALL_ARENAS.as_ptr(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                0,
            )
        };
        if status != 0 {
            tracing::warn!(status, "the allocator gives nothing back");
        }
    }
}

/// As Redis without jemalloc.
#[cfg(not(feature = "jemalloc"))]
mod of_program {
    use super::Figures;

    pub(crate) const fn figures() -> Figures {
        Figures { allocated: 0, active: 0, resident: 0 }
    }

    /// A chunk has eight bytes of malloc's own, and is a multiple of sixteen.
    pub(crate) const fn size_class(bytes: usize) -> usize {
        match bytes.saturating_add(8).checked_next_multiple_of(16) {
            Some(chunk) => chunk,
            None => bytes,
        }
    }

    /// All of the chunk but those eight.
    pub(crate) const fn usable(bytes: usize) -> usize {
        let chunk = size_class(bytes);
        if chunk > bytes { chunk - 8 } else { bytes }
    }

    pub(crate) fn report() -> Vec<u8> {
        b"Stats not supported for the current allocator".to_vec()
    }

    pub(crate) const fn purge() {}
}

#[cfg(all(test, feature = "jemalloc"))]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "a function of a number")]
    fn size_classes_are_those_of_the_allocator() {
        let asked = |bytes| {
            // SAFETY: nothing is allocated; the size is not 0 and the flags are none (jemalloc(3), "nallocx").
            unsafe { tikv_jemalloc_sys::nallocx(bytes, 0) }
        };
        for bytes in
            (1..70_000).chain((16..40).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1]))
        {
            assert_eq!(size_class(bytes), asked(bytes), "{bytes}");
        }
        assert_eq!((size_class(0), size_class(usize::MAX)), (8, usize::MAX));
    }

    #[test]
    fn figures_are_in_their_order() {
        let figures = figures();
        assert!(figures.allocated <= figures.active && figures.active <= figures.resident, "{figures:?}");
        purge();
        assert!(report().windows(8).any(|part| part == b"jemalloc"));
    }
}
