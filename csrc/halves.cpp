// Numbers of 16 bits to and from float, for one instruction set. In integers: every set gives the same bits.
#include "halves.hpp"

#include "lanes.hpp"

namespace ranvier {
namespace {

constexpr ptrdiff_t WIDTH = BYTES / 4;
typedef float Floats __attribute__((vector_size(BYTES)));
typedef uint32_t Words __attribute__((vector_size(BYTES)));
typedef int32_t Integers __attribute__((vector_size(BYTES)));
typedef uint16_t Shorts __attribute__((vector_size(BYTES / 2)));
typedef Words WordsInMemory __attribute__((aligned(4), may_alias));
typedef Shorts ShortsInMemory __attribute__((aligned(2), may_alias));

constexpr uint32_t SIGN = 0x80000000, MAGNITUDE = 0x7fffffff, INFINITE = 0x7f800000;

// Of numbers below 2^31: as if signed, which every instruction set can compare.
RANVIER_INLINE Words pick_greater(Words x, uint32_t bound, Words a, Words b) {
    return (Integers)x > static_cast<int32_t>(bound) ? a : b;
}

struct BFloat16 {
    RANVIER_INLINE Words widen(Words x) { return x << 16; }
    RANVIER_INLINE Words narrow(Words x) {
        const Words rounded = (x + 0x7fff + ((x >> 16) & 1)) >> 16;
        return pick_greater(x & MAGNITUDE, INFINITE, Words{} + 0x7fc0, rounded);
    }
};

struct Float16 {
    static constexpr uint32_t REBIAS = (127 - 15) << 23;

    RANVIER_INLINE Words widen(Words x) {
        const Words sign = (x & 0x8000) << 16, magnitude = x & 0x7fff;
        const Words normal = (magnitude << 13) + REBIAS;
        const Words special = (magnitude << 13) | INFINITE;
        // A denormal is its digits times 2^-24, which float holds as an ordinary number.
        const Floats small = __builtin_convertvector((Integers)magnitude, Floats) * 0x1p-24f;
        const Words finite = pick_greater(magnitude, 0x03ff, normal, (Words)small);
        return sign | pick_greater(magnitude, 0x7bff, special, finite);
    }
    RANVIER_INLINE Words narrow(Words x) {
        const Words sign = (x & SIGN) >> 16, magnitude = x & MAGNITUDE;
        const Words normal = (magnitude - REBIAS + 0xfff + ((magnitude >> 13) & 1)) >> 13;
        // Beside 0.5 the last digit of a float is 2^-24, that of the smallest halves: the addition rounds.
        const Words small = (Words)((Floats)magnitude + 0.5f) - (Words)(Floats{} + 0.5f);
        const Words finite = pick_greater(magnitude, (113u << 23) - 1, normal, small);
        const Words large = pick_greater(magnitude, INFINITE, Words{} + 0x7e00, Words{} + 0x7c00);
        return sign | pick_greater(magnitude, 0x477fefff, large, finite);
    }
};

template <class Kind>
void widen(const char* from, char* target, ptrdiff_t n) {
    ptrdiff_t k = 0;
    for (; k + WIDTH <= n; k += WIDTH) {
        const Shorts x = *reinterpret_cast<const ShortsInMemory*>(from + k * HALF);
        *reinterpret_cast<WordsInMemory*>(target + k * 4) = Kind::widen(__builtin_convertvector(x, Words));
    }
    if (k < n) {
        Shorts x{};
        __builtin_memcpy(&x, from + k * HALF, static_cast<size_t>((n - k) * HALF));
        const Words wide = Kind::widen(__builtin_convertvector(x, Words));
        __builtin_memcpy(target + k * 4, &wide, static_cast<size_t>((n - k) * 4));
    }
}

template <class Kind>
RANVIER_INLINE Shorts narrowed(const char* from, ptrdiff_t k) {
    return __builtin_convertvector(Kind::narrow(*reinterpret_cast<const WordsInMemory*>(from + k * 4)), Shorts);
}

RANVIER_INLINE void stream_two(char* target, Shorts low, Shorts high) {
#if defined(RANVIER_X86)
    typedef uint16_t Line __attribute__((vector_size(BYTES)));
    Line line;
    __builtin_memcpy(&line, &low, sizeof low);
    __builtin_memcpy(reinterpret_cast<char*>(&line) + sizeof low, &high, sizeof high);
    Registers<float>::stream(target, 0, (Floats)line);
#else
    __builtin_memcpy(target, &low, sizeof low);
    __builtin_memcpy(target + sizeof low, &high, sizeof high);
#endif
}

template <class Kind>
void narrow(const char* from, char* target, ptrdiff_t n, bool streamed) {
    ptrdiff_t k = 0;
    if (streamed && reinterpret_cast<uintptr_t>(target) % BYTES == 0) {
        for (; k + 2 * WIDTH <= n; k += 2 * WIDTH) {
            stream_two(target + k * HALF, narrowed<Kind>(from, k), narrowed<Kind>(from, k + WIDTH));
        }
    }
    for (; k + WIDTH <= n; k += WIDTH) {
        *reinterpret_cast<ShortsInMemory*>(target + k * HALF) = narrowed<Kind>(from, k);
    }
    if (k < n) {
        Words x{};
        __builtin_memcpy(&x, from + k * 4, static_cast<size_t>((n - k) * 4));
        const Shorts shorts = __builtin_convertvector(Kind::narrow(x), Shorts);
        __builtin_memcpy(target + k * HALF, &shorts, static_cast<size_t>((n - k) * HALF));
    }
}

}  // namespace

extern const Halves RANVIER_HALVES(RANVIER_VARIANT);
const Halves RANVIER_HALVES(RANVIER_VARIANT) = {widen<BFloat16>, widen<Float16>, narrow<BFloat16>, narrow<Float16>};

}  // namespace ranvier
