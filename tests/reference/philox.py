"""The engine's random words (src/rng.rs): Philox 4x32-10, Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"."""

import numpy as np

DROPOUT, CONDITION = 3, 4  # rng::Purpose

WORD = np.uint64(0xFFFF_FFFF)


def philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """The bijection on counters [..., 4]; everything is a uint64 below 2^32."""
    c0, c1, c2, c3 = np.moveaxis(counter.astype(np.uint64), -1, 0)
    k0, k1 = key
    for _ in range(10):
        a, b = c0 * np.uint64(0xD251_1F53), c2 * np.uint64(0xCD9E_8D57)
        c0, c1, c2, c3 = b >> 32 ^ c1 ^ np.uint64(k0), b & WORD, a >> 32 ^ c3 ^ np.uint64(k1), a & WORD
        k0, k1 = (k0 + 0x9E37_79B9) & 0xFFFF_FFFF, (k1 + 0xBB67_AE85) & 0xFFFF_FFFF
    return np.stack([c0, c1, c2, c3], -1)


def words(seed: int, purpose: int, layer: int, step: int, samples: int, elements: int) -> np.ndarray:
    """The words of a [samples, elements] block: element e is word e % 4 of counter [e / 4, sample, step, purpose << 16 | layer]."""
    quads = -(-elements // 4)
    counter = np.empty((samples, quads, 4), np.uint64)
    counter[..., 0] = np.arange(quads)
    counter[..., 1] = np.arange(samples)[:, None]
    counter[..., 2] = step
    counter[..., 3] = purpose << 16 | layer
    return philox(counter, (seed & 0xFFFF_FFFF, seed >> 32)).reshape(samples, -1)[:, :elements]


def keep(p: float, *stream: int) -> np.ndarray:
    """Which elements outlive a dropout of probability p: those whose word is not below floor(p * 2^32)."""
    return words(*stream) >= np.uint64(int(p * 2.0**32))


def check_known_answers() -> None:
    """Random123 1.14, kat_vectors, philox4x32 10."""
    ones = 0xFFFF_FFFF
    for counter, key, wanted in [
        ([0] * 4, (0, 0), [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]),
        ([ones] * 4, (ones, ones), [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]),
        (
            [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344],
            (0xA409_3822, 0x299F_31D0),
            [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1],
        ),
    ]:
        got = philox(np.array(counter, np.uint64), key)
        assert got.tolist() == wanted, [hex(w) for w in got.tolist()]
