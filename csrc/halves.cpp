// Rows of numbers of 16 bits to and from float, for one instruction set.
#include "halves.hpp"

#include "half_lanes.hpp"

namespace ranvier {
namespace {

template <class Kind>
void widen(const char* from, char* target, ptrdiff_t n) {
    ptrdiff_t k = 0;
    for (; k + WORDS <= n; k += WORDS) {
        *reinterpret_cast<WordsInMemory*>(target + k * 4) = Kind::widen(load_halves(from + k * HALF));
    }
    if (k < n) {
        char rest[BYTES / 2] = {};
        __builtin_memcpy(rest, from + k * HALF, static_cast<size_t>((n - k) * HALF));
        const Words wide = Kind::widen(load_halves(rest));
        __builtin_memcpy(target + k * 4, &wide, static_cast<size_t>((n - k) * 4));
    }
}

template <class Kind>
RANVIER_INLINE Shorts narrowed(const char* from, ptrdiff_t k) {
    return shorten(Kind::narrow(*reinterpret_cast<const WordsInMemory*>(from + k * 4)));
}

template <class Kind>
void narrow(const char* from, char* target, ptrdiff_t n, bool streamed) {
    ptrdiff_t k = 0;
    if (streamed && reinterpret_cast<uintptr_t>(target) % BYTES == 0) {
        for (; k + 2 * WORDS <= n; k += 2 * WORDS) {
            stream_two(target + k * HALF, narrowed<Kind>(from, k), narrowed<Kind>(from, k + WORDS));
        }
    }
    for (; k + WORDS <= n; k += WORDS) {
        *reinterpret_cast<ShortsInMemory*>(target + k * HALF) = narrowed<Kind>(from, k);
    }
    if (k < n) {
        Words x{};
        __builtin_memcpy(&x, from + k * 4, static_cast<size_t>((n - k) * 4));
        const Shorts shorts = shorten(Kind::narrow(x));
        __builtin_memcpy(target + k * HALF, &shorts, static_cast<size_t>((n - k) * HALF));
    }
}

}  // namespace

extern const Halves RANVIER_HALVES(RANVIER_VARIANT);
const Halves RANVIER_HALVES(RANVIER_VARIANT) = {widen<BFloat16>, widen<Float16>, narrow<BFloat16>, narrow<Float16>};

}  // namespace ranvier
