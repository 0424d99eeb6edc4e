// The sparse sums, compiled once for each instruction set; see kernels.hpp.
#include "kernels.hpp"

#include "../lanes.hpp"

namespace ranvier::sparse {
namespace {

constexpr int64_t WIDTH = ranvier::WIDTH<float>;

using V = Lanes<float>::Vector;
using M = Lanes<float>::Mask;
using VMemory = Lanes<float>::Memory;
typedef uint16_t HMemory __attribute__((vector_size(BYTES / 2), aligned(2), may_alias));
typedef int8_t BMemory __attribute__((vector_size(BYTES / 4), aligned(1), may_alias));
typedef uint32_t U __attribute__((vector_size(BYTES)));

struct Float32 {
    typedef float Number;
    RANVIER_INLINE V load(const float* p) { return *reinterpret_cast<const VMemory*>(p); }
    RANVIER_INLINE float one(const float* p) { return *p; }
};
struct Bfloat16 {
    typedef uint16_t Number;
    RANVIER_INLINE V load(const uint16_t* p) {
#if defined(__AVX512F__)
        return (V)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16);
#elif defined(__AVX2__)
        return (V)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))), 16);
#else
        return (V)(__builtin_convertvector(*reinterpret_cast<const HMemory*>(p), U) << 16);
#endif
    }
    RANVIER_INLINE float one(const uint16_t* p) {
        const uint32_t bits = static_cast<uint32_t>(*p) << 16;
        float value;
        __builtin_memcpy(&value, &bits, 4);
        return value;
    }
};
struct Int8 {
    typedef int8_t Number;
    RANVIER_INLINE V load(const int8_t* p) {
#if defined(__AVX512F__)
        return (V)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#elif defined(__AVX2__)
        return (V)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
#else
        return __builtin_convertvector(__builtin_convertvector(*reinterpret_cast<const BMemory*>(p), M), V);
#endif
    }
    RANVIER_INLINE float one(const int8_t* p) { return static_cast<float>(*p); }
};

RANVIER_INLINE V splat(float x) { return V{} + x; }

#define FETCH_FOUR(j) \
    __builtin_prefetch(n0 + (j)), __builtin_prefetch(n1 + (j)), __builtin_prefetch(n2 + (j)), __builtin_prefetch(n3 + (j))

// Four rows at a time, one after the other, so that each number of acc is read and written once for four events.
template <class W>
void add_rows(const AddRows& a) {
    const auto* weight = static_cast<const typename W::Number*>(a.weight) + a.first;
    int64_t e = 0;
    for (; e + 4 <= a.count; e += 4) {
        const auto *w0 = weight + a.index[e] * a.row, *w1 = weight + a.index[e + 1] * a.row,
                   *w2 = weight + a.index[e + 2] * a.row, *w3 = weight + a.index[e + 3] * a.row;
        // Those after the next four are fetched meanwhile: rows lie too far apart for the processor to foresee.
        const int64_t ahead = e + 12 <= a.count ? e + 8 : e;
        const auto *n0 = weight + a.index[ahead] * a.row, *n1 = weight + a.index[ahead + 1] * a.row,
                   *n2 = weight + a.index[ahead + 2] * a.row, *n3 = weight + a.index[ahead + 3] * a.row;
        if (a.value != nullptr) {
            const V v0 = splat(a.value[e]), v1 = splat(a.value[e + 1]), v2 = splat(a.value[e + 2]), v3 = splat(a.value[e + 3]);
            for (int64_t j = 0; j < a.n; j += WIDTH) {
                FETCH_FOUR(j);
                V sum = load(a.acc + j);
                sum = sum + v0 * W::load(w0 + j);
                sum = sum + v1 * W::load(w1 + j);
                sum = sum + v2 * W::load(w2 + j);
                sum = sum + v3 * W::load(w3 + j);
                store(a.acc + j, sum);
            }
        } else {
            for (int64_t j = 0; j < a.n; j += WIDTH) {
                FETCH_FOUR(j);
                V sum = load(a.acc + j);
                sum = sum + W::load(w0 + j);
                sum = sum + W::load(w1 + j);
                sum = sum + W::load(w2 + j);
                sum = sum + W::load(w3 + j);
                store(a.acc + j, sum);
            }
        }
    }
    for (; e < a.count; ++e) {
        const auto* w = weight + a.index[e] * a.row;
        const V v = splat(a.value != nullptr ? a.value[e] : 1.0f);
        for (int64_t j = 0; j < a.n; j += WIDTH) store(a.acc + j, load(a.acc + j) + v * W::load(w + j));
    }
}

// One output pixel, N registers of its channels from `channel` on: all its events, nothing in memory meanwhile.
template <class W, int N>
RANVIER_INLINE int64_t gather_pixel(const ConvolveRow& r, int64_t column, int64_t channel) {
    V sum[N];
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) sum[j] = r.bias != nullptr ? load(r.bias + channel + j * WIDTH) : V{};
    int64_t events = 0;
    for (int64_t t = 0; t < r.num_taps; ++t) {
        const int64_t first_pixel = r.taps[t].input * r.width_in;
        for (int32_t s = r.segment_start[column]; s < r.segment_start[column + 1]; ++s) {
            const Segment& segment = r.segments[s];
            const int64_t pixel = first_pixel + segment.first;
            const int32_t begin = r.pixel_start[pixel], end = r.pixel_start[first_pixel + segment.last];
            if (begin == end) continue;
            const auto* weight = static_cast<const typename W::Number*>(r.weight) + channel +
                                 ((r.taps[t].kernel * r.kernel_width + segment.kernel) - pixel) * r.channels_in * r.row;
            events += end - begin;
            if (r.value != nullptr) {
                for (int32_t e = begin; e < end; ++e) {
                    const auto* w = weight + r.index[e] * r.row;
                    const V v = splat(r.value[e]);
#pragma GCC unroll 8
                    for (int j = 0; j < N; ++j) sum[j] = sum[j] + v * W::load(w + j * WIDTH);
                }
            } else {
                for (int32_t e = begin; e < end; ++e) {
                    const auto* w = weight + r.index[e] * r.row;
#pragma GCC unroll 8
                    for (int j = 0; j < N; ++j) sum[j] = sum[j] + W::load(w + j * WIDTH);
                }
            }
        }
    }
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) store(r.acc + column * r.channels_out + channel + j * WIDTH, sum[j]);
    return events;
}

template <class W>
int64_t gather_row(const ConvolveRow& row_of) {
    const ConvolveRow r = row_of;  // a copy, which the compiler knows not to be written by the loop
    int64_t events = 0;
    for (int64_t column = 0; column < r.width_out; ++column) {
        int64_t left = r.row / WIDTH, channel = 0, seen = 0;
        for (; left >= 8; left -= 8, channel += 8 * WIDTH) seen = gather_pixel<W, 8>(r, column, channel);
        for (; left >= 4; left -= 4, channel += 4 * WIDTH) seen = gather_pixel<W, 4>(r, column, channel);
        for (; left >= 2; left -= 2, channel += 2 * WIDTH) seen = gather_pixel<W, 2>(r, column, channel);
        for (; left >= 1; left -= 1, channel += WIDTH) seen = gather_pixel<W, 1>(r, column, channel);
        events += seen;
    }
    return events * r.channels_out;
}

// What stays the same for all columns of a patch, in bytes.
struct Strides {
    int64_t event, below, column;  // from a row of weights to that of the next channel, kernel row, kernel column
};

// Sums of a column of a patch, N registers of its channels: an event is looked at once for all rows that it reaches.
template <class W, int N>
struct Column {
    static constexpr int ROWS = ConvolvePatch::ROWS;
    V sum[ROWS][N];

    template <int FIRST, int END>
    RANVIER_INLINE_MEMBER void add_event(const char* w, const Strides& stride) {
#pragma GCC unroll 4
        for (int o = END - 1; o >= FIRST; --o) {
#pragma GCC unroll 4
            for (int j = 0; j < N; ++j) sum[o][j] = sum[o][j] + W::load(reinterpret_cast<const typename W::Number*>(w) + j * WIDTH);
            w += stride.below;
            asm("" : "+r"(w));  // else an address for each register is kept, more than there is room for
        }
    }

    // Add the input row that meets the kernel's row Q in the first row of outputs, Q - 1 in the second, and so on.
    // Returns how many events there are.
    template <int Q>
    RANVIER_INLINE_MEMBER int64_t add(const ConvolvePatch& p, const Strides& stride, const Segment& segment, const char* weight) {
        constexpr int FIRST = Q < 2 ? 0 : Q - 2, END = Q < ROWS ? Q + 1 : ROWS;
        const int64_t row = p.first_row + Q;
        if (row < 0 || row >= p.height_in) return 0;
        const int32_t* pixel = p.pixel_start + row * p.width_in;
        const int32_t *e = p.index + pixel[segment.first], *const end = p.index + pixel[segment.last];
        const int64_t count = end - e;
        weight += (Q - END + 1) * stride.below - (row * p.width_in + segment.first) * p.channels_in * stride.event;
        for (; e < end; ++e) add_event<FIRST, END>(weight + *e * stride.event, stride);
        return count;
    }
};

template <class W, int N>
RANVIER_INLINE int64_t gather_columns(const ConvolvePatch& patch, int64_t channel) {
    const ConvolvePatch p = patch;  // a copy, which the compiler knows not to be written by the loop
    const int64_t event = p.row * static_cast<int64_t>(sizeof(typename W::Number));
    const Strides stride{event, p.kernel_width * p.channels_in * event, p.channels_in * event};
    const char* weights = reinterpret_cast<const char*>(static_cast<const typename W::Number*>(p.weight) + channel);
    int64_t edges = 0;
    for (int64_t x = 0; x < p.columns; ++x) {
        Column<W, N> at;
#pragma GCC unroll 4
        for (int j = 0; j < N; ++j) {
            const V start = p.bias != nullptr ? load(p.bias + channel + j * WIDTH) : V{};
#pragma GCC unroll 4
            for (int o = 0; o < at.ROWS; ++o) at.sum[o][j] = start;
        }
        const int32_t first = p.segment_start[p.first_column + x], last = p.segment_start[p.first_column + x + 1];
        const int64_t rows = p.rows;
#define RANVIER_ROW(Q)                                                                                        \
    for (int32_t s = first; s < last; ++s) {                                                                  \
        const Segment& segment = p.segments[s];                                                               \
        const int64_t reached = ((Q) + 1 < rows ? (Q) + 1 : rows) - ((Q) < 2 ? 0 : (Q) - 2);                   \
        if (reached > 0) edges += reached * at.template add<Q>(p, stride, segment, weights + segment.kernel * stride.column); \
    }
        RANVIER_ROW(0)
        RANVIER_ROW(1)
        RANVIER_ROW(2)
        RANVIER_ROW(3)
        RANVIER_ROW(4)
        RANVIER_ROW(5)
#undef RANVIER_ROW
#pragma GCC unroll 4
        for (int o = 0; o < at.ROWS; ++o) {
            if (o >= rows) break;
#pragma GCC unroll 4
            for (int j = 0; j < N; ++j) store(p.acc + (o * p.columns + x) * p.channels_out + channel + j * WIDTH, at.sum[o][j]);
        }
    }
    return edges;
}

constexpr int MOST = WIDTH == 16 ? 4 : 2;  // registers of channels for each row: there are 32 registers, or 16

template <class W>
int64_t gather_patch(const ConvolvePatch& p) {
    int64_t left = p.channels_out / WIDTH, channel = 0, edges = 0;
    if (MOST == 4) {
        for (; left >= 4; left -= 4, channel += 4 * WIDTH) edges = gather_columns<W, 4>(p, channel);
    }
    for (; left >= 2; left -= 2, channel += 2 * WIDTH) edges = gather_columns<W, 2>(p, channel);
    for (; left >= 1; left -= 1, channel += WIDTH) edges = gather_columns<W, 1>(p, channel);
    return edges * p.channels_out;
}

// Add one event to every output of the row that it reaches; N registers of channels, 0: any number of them.
template <class W, int N, bool ONES>
RANVIER_INLINE void scatter_event(const ConvolveRow& r, const typename W::Number* weight, float* acc, int32_t x, float value,
                          int64_t group_out) {
    const int64_t column = r.channels_in * r.row;
    const V v = splat(value);
    const int32_t first = r.target_start[x], end = r.target_start[x + 1];
    if (first == end) return;
    float* target = acc + r.targets[first].input * r.channels_out;
    const auto* w = weight + r.targets[first].kernel * column;
    for (int32_t k = first;;) {
        if (N > 0) {
#pragma GCC unroll 8
            for (int j = 0; j < N; ++j) {
                const V product = ONES ? W::load(w + j * WIDTH) : v * W::load(w + j * WIDTH);
                store(target + j * WIDTH, load(target + j * WIDTH) + product);
            }
        } else {
            int64_t j = 0;
            for (; j + WIDTH <= group_out; j += WIDTH) store(target + j, load(target + j) + v * W::load(w + j));
            for (; j < group_out; ++j) target[j] = target[j] + value * W::one(w + j);
        }
        if (++k == end) return;
        if (r.slides) {
            target += r.channels_out, w -= column;
        } else {
            target = acc + r.targets[k].input * r.channels_out, w = weight + r.targets[k].kernel * column;
        }
    }
}

template <class W, int N, bool ONES>
int64_t scatter_events(const ConvolveRow& row_of) {
    const ConvolveRow r = row_of;  // a copy, which the compiler knows not to be written by the loop
    const int64_t group_in = r.channels_in / r.groups, group_out = r.channels_out / r.groups;
    const auto* weight = static_cast<const typename W::Number*>(r.weight);
    const auto size = static_cast<uint32_t>(r.channels_in);
    const Divisor pixel(size);
    int64_t edges = 0;
    for (int64_t t = 0; t < r.num_taps; ++t) {
        const int64_t row = r.taps[t].input;
        const auto first = static_cast<int32_t>(row * r.width_in * r.channels_in);
        const auto* of_row = weight + r.taps[t].kernel * r.kernel_width * r.channels_in * r.row;
        for (int32_t e = r.row_start[row]; e < r.row_start[row + 1]; ++e) {
            const auto place = static_cast<uint32_t>(r.index[e] - first);
            const uint32_t x = pixel(place), c = place - x * size;
            const int64_t group = N > 0 || r.groups == 1 ? 0 : c / group_in;
            scatter_event<W, N, ONES>(r, of_row + c * r.row, r.acc + group * group_out, static_cast<int32_t>(x),
                                      ONES ? 1.0f : r.value != nullptr ? r.value[e] : 1.0f, group_out);
            edges += r.target_start[x + 1] - r.target_start[x];
        }
    }
    return edges * group_out;
}

template <class W>
int64_t scatter_row(const ConvolveRow& r) {
    if (r.groups == 1) {
#define RANVIER_REGISTERS(n) \
    if (r.channels_out == (n) * WIDTH) return r.value == nullptr ? scatter_events<W, n, true>(r) : scatter_events<W, n, false>(r);
        RANVIER_REGISTERS(1)
        RANVIER_REGISTERS(2)
        RANVIER_REGISTERS(4)
        RANVIER_REGISTERS(8)
#undef RANVIER_REGISTERS
    }
    return scatter_events<W, 0, false>(r);
}

Found compact(const float* row, int64_t n, int32_t base, int32_t* index) {
    int64_t count = 0, k = 0;
    bool graded = false, negative = false;
#if defined(__AVX512F__)
    const __m512 zero = _mm512_setzero_ps(), one = _mm512_set1_ps(1.0f);
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    // Four registers at a time: where one fires its neighbours often do, and a branch for each would be guessed wrong.
    for (; k + 64 <= n; k += 64) {
        __m512 x[4];
        __mmask16 found[4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            x[j] = _mm512_loadu_ps(row + k + 16 * j);
            found[j] = _mm512_cmp_ps_mask(x[j], zero, _CMP_NEQ_UQ);
        }
        if ((found[0] | found[1] | found[2] | found[3]) == 0) continue;
        unsigned other = 0, below = 0;
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            other |= _mm512_mask_cmp_ps_mask(found[j], x[j], one, _CMP_NEQ_UQ);
            below |= _mm512_cmp_ps_mask(x[j], zero, _CMP_LT_OQ);
            const __m512i places = _mm512_add_epi32(lanes, _mm512_set1_epi32(base + static_cast<int32_t>(k) + 16 * j));
            // Compressed in a register: compressing straight to memory is microcode on some processors.
            _mm512_storeu_si512(index + count, _mm512_maskz_compress_epi32(found[j], places));
            count += __builtin_popcount(found[j]);
        }
        graded |= other != 0;
        negative |= below != 0;
    }
#elif defined(__AVX2__)
    const __m256 zero = _mm256_setzero_ps(), one = _mm256_set1_ps(1.0f);
    for (; k + 8 <= n; k += 8) {
        const __m256 x = _mm256_loadu_ps(row + k), differs = _mm256_cmp_ps(x, zero, _CMP_NEQ_UQ);
        int found = _mm256_movemask_ps(differs);
        if (found == 0) continue;
        graded |= _mm256_movemask_ps(_mm256_and_ps(differs, _mm256_cmp_ps(x, one, _CMP_NEQ_UQ))) != 0;
        negative |= _mm256_movemask_ps(_mm256_cmp_ps(x, zero, _CMP_LT_OQ)) != 0;
        for (; found != 0; found &= found - 1) index[count++] = base + static_cast<int32_t>(k) + __builtin_ctz(found);
    }
#endif
    for (; k < n; ++k) {
        index[count] = base + static_cast<int32_t>(k);
        count += row[k] != 0.0f;
        graded |= row[k] != 0.0f && row[k] != 1.0f;
        negative |= row[k] < 0.0f;
    }
    return {count, graded, negative};
}

bool pack(const float* row, int64_t n, uint64_t* words) {
    uint64_t others = 0;
    for (int64_t k = 0; k < n; k += 64) {
        uint64_t word = 0;
#if defined(__AVX512F__)
        const __m512 zero = _mm512_setzero_ps(), one = _mm512_set1_ps(1.0f);
#pragma GCC unroll 4
        for (int j = 0; j < 64; j += 16) {
            const __m512 x = _mm512_loadu_ps(row + k + j);
            const __mmask16 found = _mm512_cmp_ps_mask(x, zero, _CMP_NEQ_UQ);
            word |= static_cast<uint64_t>(found) << j;
            others |= _mm512_mask_cmp_ps_mask(found, x, one, _CMP_NEQ_UQ);
        }
#elif defined(__AVX2__)
        const __m256 zero = _mm256_setzero_ps(), one = _mm256_set1_ps(1.0f);
#pragma GCC unroll 8
        for (int j = 0; j < 64; j += 8) {
            const __m256 x = _mm256_loadu_ps(row + k + j), differs = _mm256_cmp_ps(x, zero, _CMP_NEQ_UQ);
            word |= static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_ps(differs))) << j;
            others |= static_cast<uint32_t>(_mm256_movemask_ps(_mm256_and_ps(differs, _mm256_cmp_ps(x, one, _CMP_NEQ_UQ))));
        }
#else
        for (int j = 0; j < 64; ++j) {
            word |= static_cast<uint64_t>(row[k + j] != 0.0f) << j;
            others |= row[k + j] != 0.0f && row[k + j] != 1.0f;
        }
#endif
        words[k / 64] = word;
    }
    return others == 0;
}

int64_t walk(const uint64_t* words, int64_t count, int32_t base, int32_t* index) {
    int32_t* next = index;
    for (int64_t k = 0; k < count; ++k, base += 64) {
        uint64_t word = words[k];
        const int bits = __builtin_popcountll(word);
        if (bits <= 4) {  // no branch for each: they would be guessed wrong
            int32_t* const end = next + bits;
#pragma GCC unroll 4
            for (int j = 0; j < 4; ++j, word &= word - 1) {
                next[j] = base + __builtin_ctzll(word | uint64_t{1} << 63);  // some number for 0
            }
            next = end;
            continue;
        }
#if defined(__AVX512F__)
        const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        __m512i places = _mm512_add_epi32(lanes, _mm512_set1_epi32(base));
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j, word >>= 16) {
            const auto found = static_cast<__mmask16>(word);
            _mm512_storeu_si512(next, _mm512_maskz_compress_epi32(found, places));
            next += __builtin_popcount(found);
            places = _mm512_add_epi32(places, _mm512_set1_epi32(16));
        }
#else
        for (; word != 0; word &= word - 1) *next++ = base + __builtin_ctzll(word);
#endif
    }
    return next - index;
}

template <class Word>
void tally_each(const uint64_t* words, int64_t parts, int64_t each, int32_t* start) {
    const auto* from = reinterpret_cast<const char*>(words);
    int32_t seen = start[0] = 0;
    for (int64_t p = 1; p <= parts; ++p) {
        for (int64_t k = 0; k < each; ++k, from += sizeof(Word)) {
            Word word;
            __builtin_memcpy(&word, from, sizeof(Word));
            seen += __builtin_popcountll(word);
        }
        start[p] = seen;
    }
}

void tally(const uint64_t* words, int64_t parts, int64_t width, int32_t* start) {
    if (width == 8) return tally_each<uint8_t>(words, parts, 1, start);
    if (width == 16) return tally_each<uint16_t>(words, parts, 1, start);
    if (width == 32) return tally_each<uint32_t>(words, parts, 1, start);
    tally_each<uint64_t>(words, parts, width / 64, start);
}

void fill(float* acc, int64_t pixels, int64_t channels, const float* bias) {
    for (int64_t p = 0; p < pixels; ++p, acc += channels) {
        int64_t c = 0;
        for (; c + WIDTH <= channels; c += WIDTH) store(acc + c, bias != nullptr ? load(bias + c) : V{});
        for (; c < channels; ++c) acc[c] = bias != nullptr ? bias[c] : 0.0f;
    }
}

void scale(float* acc, int64_t pixels, int64_t channels, const float* factor, const float* bias) {
    for (int64_t p = 0; p < pixels; ++p, acc += channels) {
        for (int64_t c = 0; c < channels; ++c) acc[c] = acc[c] * factor[c] + bias[c];
    }
}

void add(float* acc, const float* other, int64_t n) {
    for (int64_t k = 0; k < n; ++k) acc[k] += other[k];
}

}  // namespace

extern const Kernels RANVIER_VARIANT;
const Kernels RANVIER_VARIANT = {
    RANVIER_VARIANT_NAME,
    usable,
    {add_rows<Float32>, add_rows<Bfloat16>, add_rows<Int8>},
    {gather_row<Float32>, gather_row<Bfloat16>, gather_row<Int8>},
    {gather_patch<Float32>, gather_patch<Bfloat16>, gather_patch<Int8>},
    MOST * WIDTH,
    {scatter_row<Float32>, scatter_row<Bfloat16>, scatter_row<Int8>},
    compact,
    pack,
    walk,
    tally,
    fill,
    scale,
    add,
};

}  // namespace ranvier::sparse
