// What the instruction-set variants of the recurrent loop's arithmetic share with the rest.
//
// Rows are padded to PAD numbers, so that no kernel needs a scalar tail.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ranvier::recurrent {

constexpr ptrdiff_t PAD = 32;  // numbers: the widest tile of any kernel is a multiple of the widest SIMD register

constexpr ptrdiff_t padded(ptrdiff_t n) { return (n + PAD - 1) / PAD * PAD; }

// Which numbers of a row are not zero, in ascending order.
struct Events {
    const int32_t* index;
    ptrdiff_t count;
    bool ones;  // all of them are exactly 1
};

template <class T>
struct Gather {
    // List the numbers that are not zero; `index` has room for padded(n).
    Events (*list)(const T* row, ptrdiff_t n, int32_t* index);
    // Bit j tells whether row[j] is not zero, j < n <= 64; clears `ones` if one of them is not 1.
    uint64_t (*mask)(const T* row, ptrdiff_t n, bool* ones);
    // out = x + (start + sum over events, in their order, of values[index * stride] * rows[index * pitch + ...]), for
    // `columns` columns, a multiple of PAD. Without x, the bracket alone. No rounding is skipped.
    void (*sum)(T* out, const T* x, const T* start, const Events& events, const T* values, ptrdiff_t stride,
                const T* rows, ptrdiff_t pitch, ptrdiff_t columns);
};

template <class T>
struct Product {
    // Lay out (K, N) numbers for `run`: tiles of columns; `to` has room for K * padded(N).
    void (*pack)(const T* from, ptrdiff_t K, ptrdiff_t N, T* to);
    // out (M, padded(N), row pitch `out_pitch`) = a (M, K, row pitch `a_pitch`) times the packed (K, N). Each sum goes
    // over K in ascending order, so that a row's result does not depend on the other rows.
    void (*run)(const T* a, ptrdiff_t a_pitch, ptrdiff_t M, const T* packed, ptrdiff_t K, ptrdiff_t N, T* out,
                ptrdiff_t out_pitch);
};

struct GatherVariant {
    Gather<float> on_float;
    Gather<double> on_double;
};
struct ProductVariant {
    Product<float> on_float;
    Product<double> on_double;
};

extern const GatherVariant GATHER_BASELINE;
extern const ProductVariant PRODUCT_BASELINE;
#ifdef RANVIER_X86
extern const GatherVariant GATHER_AVX2, GATHER_AVX512;
extern const ProductVariant PRODUCT_AVX2, PRODUCT_AVX512;
#endif

}  // namespace ranvier::recurrent
