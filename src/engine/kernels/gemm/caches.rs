//! Sizes of the caches, from the CPU itself (`cpuid`).

use std::arch::x86_64::{__cpuid, __cpuid_count};

/// The leaves that list caches in the format of Intel's: one for Intel, one for AMD, and the leaf that says up to where
/// leaves of this kind go.
const LEAVES: [(u32, u32); 2] = [(0x4, 0x0), (0x8000_001d, 0x8000_0000)];

/// The size of the L2 cache of a core, where the CPU says it.
pub(super) fn l2_bytes() -> Option<usize> {
    LEAVES.iter().filter(|(leaf, first)| __cpuid(*first).eax >= *leaf).find_map(|(leaf, _)| {
        // no CPU has so many caches: an end for one that lists them badly
        let caches = (0..16).map(|index| __cpuid_count(*leaf, index));
        // bits 0 to 4: the kind of cache, 0 after the last one, 2 for instructions; bits 5 to 7: its level
        let l2 = caches.take_while(|c| c.eax & 0x1f != 0).find(|c| c.eax & 0x1f != 2 && (c.eax >> 5) & 7 == 2)?;
        let factors = [l2.ebx >> 22, (l2.ebx >> 12) & 0x3ff, l2.ebx & 0xfff, l2.ecx];
        // ways, partitions, bytes of a line, sets: each less one
        Some(factors.iter().map(|factor| *factor as usize + 1).product())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux lists it.
    #[test]
    fn the_size_is_the_one_that_the_system_says() {
        let place = "/sys/devices/system/cpu/cpu0/cache/index2";
        let read = |name: &str| std::fs::read_to_string(format!("{place}/{name}")).unwrap_or_default();
        if read("level").trim() == "2" {
            let kib: usize = read("size").trim().trim_end_matches('K').parse().expect("a size in KiB");
            assert_eq!(l2_bytes(), Some(kib << 10));
        }
    }
}
