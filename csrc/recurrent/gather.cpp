// Sums over what is not zero: the forward product of a layer whose input is mostly silent, and its weight gradient.
// Compiled once for each instruction set, without contraction: every variant gives the same bits.
#include "../lanes.hpp"
#include "kernels.hpp"

#define RANVIER_GLUE_(a, b) a##b
#define RANVIER_GLUE(a, b) RANVIER_GLUE_(a, b)

namespace ranvier::recurrent {
namespace {

// Which of 64 numbers are not zero, and which are neither 0 nor 1.
RANVIER_INLINE uint64_t bits(const float* row, uint64_t* others) {
    uint64_t found = 0;
#if defined(__AVX512F__)
    for (int k = 0; k < 4; ++k) {
        const __m512 x = _mm512_loadu_ps(row + 16 * k);
        const auto m = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NEQ_UQ);
        *others |= _mm512_mask_cmp_ps_mask(m, x, _mm512_set1_ps(1.0f), _CMP_NEQ_UQ);
        found |= static_cast<uint64_t>(m) << (16 * k);
    }
#elif defined(__AVX2__)
    for (int k = 0; k < 8; ++k) {
        const __m256 x = _mm256_loadu_ps(row + 8 * k);
        const auto m = _mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NEQ_UQ));
        *others |= static_cast<uint64_t>(m & _mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_set1_ps(1.0f), _CMP_NEQ_UQ)));
        found |= static_cast<uint64_t>(m) << (8 * k);
    }
#elif defined(__SSE2__)
    for (int k = 0; k < 16; ++k) {
        const __m128 x = _mm_loadu_ps(row + 4 * k);
        const auto m = _mm_movemask_ps(_mm_cmpneq_ps(x, _mm_setzero_ps()));
        *others |= static_cast<uint64_t>(m & _mm_movemask_ps(_mm_cmpneq_ps(x, _mm_set1_ps(1.0f))));
        found |= static_cast<uint64_t>(m) << (4 * k);
    }
#else
    for (int k = 0; k < 64; ++k) {
        found |= static_cast<uint64_t>(row[k] != 0) << k;
        *others |= static_cast<uint64_t>((row[k] != 0) & (row[k] != 1));
    }
#endif
    return found;
}

RANVIER_INLINE uint64_t bits(const double* row, uint64_t* others) {
    uint64_t found = 0;
    for (int k = 0; k < 64; ++k) {
        found |= static_cast<uint64_t>(row[k] != 0) << k;
        *others |= static_cast<uint64_t>((row[k] != 0) & (row[k] != 1));
    }
    return found;
}

template <class T>
uint64_t mask(const T* row, ptrdiff_t n, bool* ones) {
    uint64_t found = 0, others = 0;
    if (n == 64) {
        found = bits(row, &others);
    } else {
        for (ptrdiff_t k = 0; k < n; ++k) {
            found |= static_cast<uint64_t>(row[k] != 0) << k;
            others |= static_cast<uint64_t>((row[k] != 0) & (row[k] != 1));
        }
    }
    if (others != 0) *ones = false;
    return found;
}

template <class T>
Events list(const T* row, ptrdiff_t n, int32_t* index) {
    bool ones = true;
    ptrdiff_t count = 0;
    for (ptrdiff_t start = 0; start < n; start += 64) {
        for (uint64_t left = mask(row + start, n - start < 64 ? n - start : 64, &ones); left != 0; left &= left - 1) {
            index[count++] = static_cast<int32_t>(start + __builtin_ctzll(left));
        }
    }
    return {index, count, ones};
}

#if defined(__AVX512F__)
// Sixteen numbers at a time without a branch; what is stored beyond the count is overwritten or ignored.
template <>
Events list<float>(const float* row, ptrdiff_t n, int32_t* index) {
    const __m512 zero = _mm512_setzero_ps(), one = _mm512_set1_ps(1.0f);
    __m512i numbers = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ptrdiff_t count = 0;
    unsigned others = 0;
    for (ptrdiff_t start = 0; start < n; start += 16) {
        const auto within = static_cast<__mmask16>(n - start < 16 ? (1u << (n - start)) - 1u : 0xffffu);
        const __m512 x = _mm512_maskz_loadu_ps(within, row + start);
        const __mmask16 active = _mm512_cmp_ps_mask(x, zero, _CMP_NEQ_UQ);
        others |= _mm512_mask_cmp_ps_mask(active, x, one, _CMP_NEQ_UQ);
        _mm512_storeu_si512(index + count, _mm512_maskz_compress_epi32(active, numbers));
        count += __builtin_popcount(active);
        numbers = _mm512_add_epi32(numbers, _mm512_set1_epi32(16));
    }
    return {index, count, others == 0};
}
#endif

template <int TILE, bool ONES, class T>
RANVIER_INLINE void tile(T* out, const T* x, const T* start, const Events& events, const T* values, ptrdiff_t stride,
                         const T* rows, ptrdiff_t pitch) {
    using V = typename Lanes<T>::Vector;
    V sum[TILE];
#pragma GCC unroll 16
    for (int j = 0; j < TILE; ++j) sum[j] = start == nullptr ? V{} : load(start + j * WIDTH<T>);
    for (ptrdiff_t e = 0; e < events.count; ++e) {
        const ptrdiff_t i = events.index[e];
        const T* row = rows + i * pitch;
        if constexpr (ONES) {
#pragma GCC unroll 16
            for (int j = 0; j < TILE; ++j) sum[j] += load(row + j * WIDTH<T>);
        } else {
            const T value = values[i * stride];
#pragma GCC unroll 16
            for (int j = 0; j < TILE; ++j) sum[j] += value * load(row + j * WIDTH<T>);
        }
    }
#pragma GCC unroll 16
    for (int j = 0; j < TILE; ++j) store(out + j * WIDTH<T>, x == nullptr ? sum[j] : load(x + j * WIDTH<T>) + sum[j]);
}

template <bool ONES, class T>
void sum_as(T* out, const T* x, const T* start, const Events& events, const T* values, ptrdiff_t stride, const T* rows,
            ptrdiff_t pitch, ptrdiff_t columns) {
    // Of the 32 or 16 registers that there are; AArch64 has 32 of the short ones.
#if defined(__AVX512F__) || defined(__aarch64__)
    constexpr int MOST = 16;
#else
    constexpr int MOST = 8;
#endif
    ptrdiff_t c = 0;
    const auto at = [c = &c](const T* row) { return row == nullptr ? nullptr : row + *c; };
    for (; c + MOST * WIDTH<T> <= columns; c += MOST * WIDTH<T>) {
        tile<MOST, ONES>(out + c, at(x), at(start), events, values, stride, rows + c, pitch);
    }
    for (; c < columns; c += 2 * WIDTH<T>) {  // PAD is a multiple of it
        tile<2, ONES>(out + c, at(x), at(start), events, values, stride, rows + c, pitch);
    }
}

template <class T>
void sum(T* out, const T* x, const T* start, const Events& events, const T* values, ptrdiff_t stride, const T* rows,
         ptrdiff_t pitch, ptrdiff_t columns) {
    const auto as = events.ones ? sum_as<true, T> : sum_as<false, T>;
    as(out, x, start, events, values, stride, rows, pitch, columns);
}

static_assert(PAD % (2 * WIDTH<float>) == 0 && PAD % (2 * WIDTH<double>) == 0, "tiles must fill a padded row");

}  // namespace

const GatherVariant RANVIER_GLUE(GATHER_, RANVIER_VARIANT) = {{list<float>, mask<float>, sum<float>},
                                                             {list<double>, mask<double>, sum<double>}};

}  // namespace ranvier::recurrent
