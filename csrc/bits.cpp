#include "bits.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "pool.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ranvier {
namespace {

constexpr int64_t CHUNK = 1 << 16;  // numbers a task, a multiple of 8

int64_t size_of(Number type) { return type == Number::float64 ? 8 : type == Number::float32 ? 4 : 2; }

uint16_t one(Number type) { return type == Number::float16 ? 0x3c00 : 0x3f80; }  // the pattern of 1

int workers(int64_t n, int threads) { return n < 4 * CHUNK ? 1 : threads; }

// A byte of eight numbers; `odd` is set where one is neither 0 nor 1.
template <class T>
uint8_t byte_of(const T* x, int count, bool& odd) {
    unsigned byte = 0;
    for (int k = 0; k < count; ++k) {
        byte |= static_cast<unsigned>(x[k] == T(1)) << k;
        odd |= !(x[k] == T(0) || x[k] == T(1));
    }
    return static_cast<uint8_t>(byte);
}

// Numbers of 16 bits, float16 or bfloat16, are told apart by their patterns: `one` is that of 1.
uint8_t byte_of(const uint16_t* x, int count, uint16_t one, bool& odd) {
#if defined(__SSE2__)
    if (count == 8) {
        const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x)), none = _mm_setzero_si128();
        const __m128i ones = _mm_cmpeq_epi16(all, _mm_set1_epi16(static_cast<short>(one)));
        const __m128i zeros = _mm_cmpeq_epi16(_mm_slli_epi16(all, 1), none);  // without the sign: -0 is 0
        odd |= _mm_movemask_epi8(_mm_or_si128(ones, zeros)) != 0xffff;
        return static_cast<uint8_t>(_mm_movemask_epi8(_mm_packs_epi16(ones, none)));
    }
#endif
    unsigned byte = 0;
    for (int k = 0; k < count; ++k) {
        byte |= static_cast<unsigned>(x[k] == one) << k;
        odd |= !((x[k] & 0x7fff) == 0 || x[k] == one);
    }
    return static_cast<uint8_t>(byte);
}

#if defined(__SSE2__)
template <>
uint8_t byte_of<float>(const float* x, int count, bool& odd) {
    if (count < 8) {
        float padded[8] = {};
        std::copy(x, x + count, padded);
        return byte_of<float>(padded, 8, odd);
    }
    const __m128 one = _mm_set1_ps(1.0F), zero = _mm_setzero_ps();
    const __m128 a = _mm_loadu_ps(x), b = _mm_loadu_ps(x + 4);
    const int ones = _mm_movemask_ps(_mm_cmpeq_ps(a, one)) | _mm_movemask_ps(_mm_cmpeq_ps(b, one)) << 4;
    const int zeros = _mm_movemask_ps(_mm_cmpeq_ps(a, zero)) | _mm_movemask_ps(_mm_cmpeq_ps(b, zero)) << 4;
    odd |= (ones | zeros) != 0xff;
    return static_cast<uint8_t>(ones);
}
#endif

template <class T>
bool pack(const T* x, int64_t n, uint8_t* bits) {
    bool odd = false;
    for (int64_t k = 0; k < n && !odd; k += 8) *bits++ = byte_of(x + k, static_cast<int>(std::min<int64_t>(8, n - k)), odd);
    return !odd;
}

bool pack(const uint16_t* x, int64_t n, uint16_t one, uint8_t* bits) {
    bool odd = false;
    for (int64_t k = 0; k < n && !odd; k += 8) *bits++ = byte_of(x + k, static_cast<int>(std::min<int64_t>(8, n - k)), one, odd);
    return !odd;
}

void unpack(const uint8_t* bits, int64_t n, uint16_t one, uint16_t* x) {
    int64_t k = 0;
#if defined(__SSE2__)
    const __m128i places = _mm_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128), ones = _mm_set1_epi16(static_cast<short>(one));
    for (; k + 8 <= n; k += 8) {
        const __m128i set = _mm_cmpeq_epi16(_mm_and_si128(_mm_set1_epi16(bits[k / 8]), places), places);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(x + k), _mm_and_si128(set, ones));
    }
#endif
    for (; k < n; ++k) x[k] = (bits[k / 8] >> (k % 8) & 1) != 0 ? one : 0;
}

template <class T>
void unpack(const uint8_t* bits, int64_t n, T* x) {
    for (int64_t k = 0; k < n; ++k) x[k] = static_cast<T>(bits[k / 8] >> (k % 8) & 1);
}

template <>
void unpack<float>(const uint8_t* bits, int64_t n, float* x) {
    int64_t k = 0;
#if defined(__SSE2__)
    const __m128i low = _mm_setr_epi32(1, 2, 4, 8), high = _mm_setr_epi32(16, 32, 64, 128);
    const __m128i one = _mm_castps_si128(_mm_set1_ps(1.0F));
    for (; k + 8 <= n; k += 8) {
        const __m128i byte = _mm_set1_epi32(bits[k / 8]);
        const __m128i a = _mm_cmpeq_epi32(_mm_and_si128(byte, low), low), b = _mm_cmpeq_epi32(_mm_and_si128(byte, high), high);
        _mm_storeu_ps(x + k, _mm_castsi128_ps(_mm_and_si128(a, one)));
        _mm_storeu_ps(x + k + 4, _mm_castsi128_ps(_mm_and_si128(b, one)));
    }
#endif
    for (; k < n; ++k) x[k] = static_cast<float>(bits[k / 8] >> (k % 8) & 1);
}

}  // namespace

bool pack_bits(const char* numbers, int64_t n, Number type, uint8_t* bits, int threads) {
    const int64_t item = size_of(type);
    std::atomic<bool> good{true};
    run_tasks((n + CHUNK - 1) / CHUNK, workers(n, threads), [&](Tasks& tasks) {
        for (int64_t task; good.load(std::memory_order_relaxed) && tasks.take(task);) {
            const int64_t begin = task * CHUNK, count = std::min(CHUNK, n - begin);
            const char* from = numbers + begin * item;
            uint8_t* to = bits + begin / 8;
            const bool binary = type == Number::float32   ? pack(reinterpret_cast<const float*>(from), count, to)
                                : type == Number::float64 ? pack(reinterpret_cast<const double*>(from), count, to)
                                                          : pack(reinterpret_cast<const uint16_t*>(from), count, one(type), to);
            if (!binary) good.store(false, std::memory_order_relaxed);
        }
    });
    return good.load();
}

void unpack_bits(const uint8_t* bits, int64_t n, Number type, char* numbers, int threads) {
    const int64_t item = size_of(type);
    run_tasks((n + CHUNK - 1) / CHUNK, workers(n, threads), [&](Tasks& tasks) {
        for (int64_t task; tasks.take(task);) {
            const int64_t begin = task * CHUNK, count = std::min(CHUNK, n - begin);
            const uint8_t* from = bits + begin / 8;
            char* to = numbers + begin * item;
            if (type == Number::float32) {
                unpack(from, count, reinterpret_cast<float*>(to));
            } else if (type == Number::float64) {
                unpack(from, count, reinterpret_cast<double*>(to));
            } else {
                unpack(from, count, one(type), reinterpret_cast<uint16_t*>(to));
            }
        }
    });
}

}  // namespace ranvier
