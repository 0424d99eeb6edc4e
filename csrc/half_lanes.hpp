// Numbers of 16 bits in SIMD registers, for one instruction set. In integers: every set gives the same bits, and denormal
// numbers survive whatever mode the processor is in.
#pragma once

#include "halves.hpp"
#include "lanes.hpp"

namespace ranvier {
namespace {

constexpr ptrdiff_t WORDS = BYTES / 4;  // in a register
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

// To and from memory, a register at a time. By name where the compiler makes several instructions of the conversion.
RANVIER_INLINE Words load_halves(const char* from) {
#if defined(RANVIER_X86) && RANVIER_VARIANT_BYTES == 64
    return (Words)_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(RANVIER_X86) && RANVIER_VARIANT_BYTES == 32
    return (Words)_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#else
    return __builtin_convertvector(*reinterpret_cast<const ShortsInMemory*>(from), Words);
#endif
}
RANVIER_INLINE Shorts shorten(Words x) {
#if defined(RANVIER_X86) && RANVIER_VARIANT_BYTES == 64
    return (Shorts)_mm512_cvtepi32_epi16((__m512i)x);
#elif defined(RANVIER_X86) && RANVIER_VARIANT_BYTES == 32
    const __m256i pairs = _mm256_packus_epi32((__m256i)x, (__m256i)x);  // within each half of the register
    return (Shorts)_mm256_castsi256_si128(_mm256_permute4x64_epi64(pairs, 0b1000));
#else
    return __builtin_convertvector(x, Shorts);
#endif
}
// Around the caches, a whole register; the target is aligned to its width.
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
RANVIER_INLINE void store_halves(char* target, Words x) { *reinterpret_cast<ShortsInMemory*>(target) = shorten(x); }

}  // namespace
}  // namespace ranvier
