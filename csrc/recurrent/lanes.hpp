// SIMD registers of the instruction set that a file is compiled for.
//
// Nothing of the standard library may be used in files compiled for one instruction set: its inline functions would be
// compiled for it and the linker might keep that copy for everyone.
#pragma once

#include <cstddef>
#include <cstdint>

#ifndef RANVIER_VARIANT
#define RANVIER_VARIANT BASELINE
#define RANVIER_VARIANT_NAME "baseline"
#define RANVIER_VARIANT_BYTES 16
#endif

#if defined(__AVX512F__)
#include <immintrin.h>
#elif defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

#define RANVIER_INLINE static inline __attribute__((always_inline))

namespace ranvier::recurrent {
namespace {

constexpr ptrdiff_t BYTES = RANVIER_VARIANT_BYTES;

template <class T>
struct Lanes;
template <>
struct Lanes<float> {
    typedef float Vector __attribute__((vector_size(BYTES)));
    typedef float Memory __attribute__((vector_size(BYTES), aligned(4), may_alias));
};
template <>
struct Lanes<double> {
    typedef double Vector __attribute__((vector_size(BYTES)));
    typedef double Memory __attribute__((vector_size(BYTES), aligned(8), may_alias));
};

template <class T>
constexpr ptrdiff_t WIDTH = BYTES / static_cast<ptrdiff_t>(sizeof(T));

template <class T>
RANVIER_INLINE typename Lanes<T>::Vector load(const T* from) {
    return *reinterpret_cast<const typename Lanes<T>::Memory*>(from);
}
template <class T>
RANVIER_INLINE void store(T* to, typename Lanes<T>::Vector value) {
    *reinterpret_cast<typename Lanes<T>::Memory*>(to) = value;
}

}  // namespace
}  // namespace ranvier::recurrent
