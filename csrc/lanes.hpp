// SIMD registers of the instruction set that a file is compiled for.
//
// Nothing of the standard library may be used in files compiled for one instruction set: its inline functions would be
// compiled for it and the linker might keep that copy for everyone.
#pragma once

#include "execute.hpp"
#include "maths.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#ifndef RANVIER_VARIANT
#define RANVIER_VARIANT BASELINE
#define RANVIER_VARIANT_NAME "baseline"
#define RANVIER_VARIANT_BYTES 16
#endif

namespace ranvier {
namespace {

constexpr ptrdiff_t BYTES = RANVIER_VARIANT_BYTES;

// Whether this processor has the instructions that the file is compiled for.
[[maybe_unused]] bool usable() {
#if defined(RANVIER_NEEDS_AVX512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
#elif defined(RANVIER_NEEDS_AVX2)
    return __builtin_cpu_supports("avx2");
#else
    return true;
#endif
}

template <class T>
struct Lanes;
template <>
struct Lanes<float> {
    typedef float Vector __attribute__((vector_size(BYTES)));
    typedef int32_t Mask __attribute__((vector_size(BYTES)));
    typedef float Memory __attribute__((vector_size(BYTES), aligned(4), may_alias));
    static constexpr int32_t MAGNITUDE = 0x7fffffff;
};
template <>
struct Lanes<double> {
    typedef double Vector __attribute__((vector_size(BYTES)));
    typedef int64_t Mask __attribute__((vector_size(BYTES)));
    typedef double Memory __attribute__((vector_size(BYTES), aligned(8), may_alias));
    static constexpr int64_t MAGNITUDE = 0x7fffffffffffffff;
};

template <class T>
constexpr ptrdiff_t WIDTH = BYTES / static_cast<ptrdiff_t>(sizeof(T));  // numbers in a register

template <class T>
RANVIER_INLINE typename Lanes<T>::Vector load(const T* from) {
    return *reinterpret_cast<const typename Lanes<T>::Memory*>(from);
}
template <class T>
RANVIER_INLINE void store(T* to, typename Lanes<T>::Vector value) {
    *reinterpret_cast<typename Lanes<T>::Memory*>(to) = value;
}

// As the interpreter and the fused programs use them: rows are bytes, and k counts registers.
template <class T>
struct Registers {
    using V = typename Lanes<T>::Vector;
    using M = typename Lanes<T>::Mask;
    using Memory = typename Lanes<T>::Memory;
    static constexpr ptrdiff_t WIDTH = BYTES / static_cast<ptrdiff_t>(sizeof(T));

    RANVIER_INLINE V pick(M m, V a, V b) { return m ? a : b; }
    RANVIER_INLINE V truth(M m) { return m ? V{} + 1 : V{}; }
    RANVIER_INLINE V absolute(V a) { return (V)((M)a & Lanes<T>::MAGNITUDE); }

    struct Operand {
        const char* data;
        ptrdiff_t stride;
        explicit Operand(const Slot& slot) : data(slot.data), stride(slot.step * BYTES) {}
        RANVIER_INLINE_MEMBER V load(ptrdiff_t k) const { return *reinterpret_cast<const Memory*>(data + k * stride); }
        // What load gives where the operand is a row.
        RANVIER_INLINE_MEMBER V load_row(ptrdiff_t k) const { return *reinterpret_cast<const Memory*>(data + k * BYTES); }
    };
    RANVIER_INLINE void store(char* target, ptrdiff_t k, V value) {
        *reinterpret_cast<Memory*>(target + k * BYTES) = value;
    }

    // Around the caches; the target is aligned to 64 bytes.
    RANVIER_INLINE void stream(char* target, ptrdiff_t k, V value) {
#if defined(RANVIER_X86) && RANVIER_VARIANT_BYTES == 64
        _mm512_stream_si512(reinterpret_cast<__m512i*>(target + k * BYTES), __builtin_bit_cast(__m512i, value));
#elif defined(RANVIER_X86) && RANVIER_VARIANT_BYTES == 32
        _mm256_stream_si256(reinterpret_cast<__m256i*>(target + k * BYTES), __builtin_bit_cast(__m256i, value));
#elif defined(RANVIER_X86)
        _mm_stream_si128(reinterpret_cast<__m128i*>(target + k * BYTES), __builtin_bit_cast(__m128i, value));
#else
        store(target, k, value);
#endif
    }
};

}  // namespace
}  // namespace ranvier
