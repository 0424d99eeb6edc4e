// Sixteen words of row, event and low time at once: each lane is given the latest row and time before it.

// For each lane, how many bits of `mask` are set up to it: bits spread to bytes, then added up by a product.
inline __m512i ranks(uint32_t mask) {
    constexpr uint64_t ONES = 0x0101010101010101;
    const uint64_t low = _pdep_u64(mask & 0xFF, ONES) * ONES, high = _pdep_u64(mask >> 8, ONES) * ONES;
    return _mm512_cvtepu8_epi32(_mm_set_epi64x(static_cast<int64_t>(high + (low >> 56) * ONES), static_cast<int64_t>(low)));
}

// The latest value whose lane is in `mask`, for each lane; `before` where there is none yet, and the last one after all.
inline __m512i latest(__m512i values, uint32_t mask, int32_t before, int32_t& after) {
    const __m512i found = _mm512_maskz_compress_epi32(static_cast<__mmask16>(mask), values);
    const __m512i all = _mm512_mask_blend_epi32(1, _mm512_alignr_epi32(found, found, 15), _mm512_set1_epi32(before));
    const __m512i given = _mm512_permutexvar_epi32(ranks(mask), all);
    after = _mm512_cvtsi512_si32(_mm512_permutexvar_epi32(_mm512_set1_epi32(15), given));
    // With all 16 in the mask, the last one was turned out by `before`.
    if (mask == 0xFFFF) after = _mm512_cvtsi512_si32(_mm512_permutexvar_epi32(_mm512_set1_epi32(15), values));
    return mask == 0xFFFF ? values : given;
}

// Goes on while there are 16 words that may be read; stops after the last one before a word of another type.
inline int64_t evt3_lanes(const uint8_t* __restrict from, int64_t i, int64_t stop, int64_t high, int32_t& y, int32_t& low,
                          Pen pen, int64_t& n) {
    while (i + 16 <= stop) {
        const __m512i word = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 2 * i)));
        const __m512i kind = _mm512_srli_epi32(word, 12), value = _mm512_and_epi32(word, _mm512_set1_epi32(0xFFF));
        uint32_t rows = _mm512_cmpeq_epi32_mask(kind, _mm512_setzero_si512());
        uint32_t events = _mm512_cmpeq_epi32_mask(kind, _mm512_set1_epi32(2));
        uint32_t lows = _mm512_cmpeq_epi32_mask(kind, _mm512_set1_epi32(6));
        const uint32_t others = ~(rows | events | lows) | 0x10000;
        const int num = __builtin_ctz(others);
        const uint32_t there = (1u << num) - 1;
        rows &= there, events &= there, lows &= there;
        const __m512i pixel = _mm512_and_epi32(word, _mm512_set1_epi32(0x7FF));
        const __m512i ys = latest(pixel, rows, y, y), times = latest(value, lows, low, low);
        const auto chosen = static_cast<__mmask16>(events);
        const __m512i x = _mm512_maskz_compress_epi32(chosen, pixel), py = _mm512_maskz_compress_epi32(chosen, ys);
        const __m512i p = _mm512_srli_epi32(_mm512_maskz_compress_epi32(chosen, value), 11);
        const __m512i t = _mm512_maskz_compress_epi32(chosen, times), base = _mm512_set1_epi64(high);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(pen.x + n), _mm512_cvtepi32_epi16(x));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(pen.y + n), _mm512_cvtepi32_epi16(py));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(pen.polarity + n), _mm512_cvtepi32_epi8(p));
        _mm512_storeu_si512(pen.t + n, _mm512_add_epi64(base, _mm512_cvtepu32_epi64(_mm512_castsi512_si256(t))));
        _mm512_storeu_si512(pen.t + n + 8, _mm512_add_epi64(base, _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(t, 1))));
        n += __builtin_popcount(events);
        i += num;
        if (num < 16) break;
    }
    return i;
}
