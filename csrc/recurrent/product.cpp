// The dense product of the backward pass. Compiled once for each instruction set, with fused multiply-add where there
// is one: gradients agree between instruction sets to rounding, not to the last bit.
#include "../lanes.hpp"
#include "kernels.hpp"

#define RANVIER_GLUE_(a, b) a##b
#define RANVIER_GLUE(a, b) RANVIER_GLUE_(a, b)

namespace ranvier::recurrent {
namespace {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int MOST_ROWS = 8;  // times two registers of sums each, of 32
#else
constexpr int MOST_ROWS = 6;  // of 16
#endif

template <class T>
constexpr ptrdiff_t TILE = 2 * WIDTH<T>;

template <class T>
void pack(const T* from, ptrdiff_t K, ptrdiff_t N, T* to) {
    for (ptrdiff_t c = 0; c < padded(N); c += TILE<T>) {
        for (ptrdiff_t k = 0; k < K; ++k) {
            for (ptrdiff_t j = 0; j < TILE<T>; ++j) *to++ = c + j < N ? from[k * N + c + j] : T{0};
        }
    }
}

template <int ROWS, class T>
RANVIER_INLINE void block(const T* a, ptrdiff_t a_pitch, const T* packed, ptrdiff_t K, T* out, ptrdiff_t out_pitch) {
    using V = typename Lanes<T>::Vector;
    V sum[ROWS][2] = {};
    for (ptrdiff_t k = 0; k < K; ++k) {
        const V left = load(packed + k * TILE<T>), right = load(packed + k * TILE<T> + WIDTH<T>);
#pragma GCC unroll 8
        for (int m = 0; m < ROWS; ++m) {
            const T value = a[m * a_pitch + k];
            sum[m][0] += value * left;
            sum[m][1] += value * right;
        }
    }
#pragma GCC unroll 8
    for (int m = 0; m < ROWS; ++m) {
        store(out + m * out_pitch, sum[m][0]);
        store(out + m * out_pitch + WIDTH<T>, sum[m][1]);
    }
}

template <class T>
void block_of(ptrdiff_t rows, const T* a, ptrdiff_t a_pitch, const T* packed, ptrdiff_t K, T* out, ptrdiff_t out_pitch) {
    switch (rows) {
        case 1: return block<1>(a, a_pitch, packed, K, out, out_pitch);
        case 2: return block<2>(a, a_pitch, packed, K, out, out_pitch);
        case 3: return block<3>(a, a_pitch, packed, K, out, out_pitch);
        case 4: return block<4>(a, a_pitch, packed, K, out, out_pitch);
        case 5: return block<5>(a, a_pitch, packed, K, out, out_pitch);
        case 6: return block<6>(a, a_pitch, packed, K, out, out_pitch);
#if defined(__AVX512F__) || defined(__aarch64__)
        case 7: return block<7>(a, a_pitch, packed, K, out, out_pitch);
        case 8: return block<8>(a, a_pitch, packed, K, out, out_pitch);
#endif
        default: return;
    }
}

template <class T>
void run(const T* a, ptrdiff_t a_pitch, ptrdiff_t M, const T* packed, ptrdiff_t K, ptrdiff_t N, T* out,
         ptrdiff_t out_pitch) {
    for (ptrdiff_t c = 0; c < padded(N); c += TILE<T>) {
        for (ptrdiff_t m = 0; m < M; m += MOST_ROWS) {
            const ptrdiff_t rows = M - m < MOST_ROWS ? M - m : MOST_ROWS;
            block_of(rows, a + m * a_pitch, a_pitch, packed + c * K, K, out + m * out_pitch + c, out_pitch);
        }
    }
}

static_assert(PAD % TILE<float> == 0 && PAD % TILE<double> == 0, "tiles must fill a padded row");

}  // namespace

const ProductVariant RANVIER_GLUE(PRODUCT_, RANVIER_VARIANT) = {{pack<float>, run<float>}, {pack<double>, run<double>}};

}  // namespace ranvier::recurrent
