//! Asking the processor for memory before it is needed.

/// Fetches the cache line of `address` into the nearest cache, without waiting. Any address is allowed.
#[expect(unsafe_code, reason = "the prefetch instruction takes a raw pointer")]
pub(super) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint; it never faults, whatever the address, and reads nothing the program can see.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
