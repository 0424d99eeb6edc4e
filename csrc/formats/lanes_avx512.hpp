// Sixteen events at once: written to their columns, and their bounds taken while they are still in registers.

struct Sixteen {
    __m512i t0, t1;  // the first eight times and the others
    __m256i x, y;
    __m128i polarity;
};

// The bounds of events, taken while these are still in registers. Writing past the caches was slower: the columns must be
// gathered into whole lines first.
struct Lanes {
    __m512i before = _mm512_set1_epi64(INT64_MIN);  // its last lane is the time of the event before
    __m256i x_low = _mm256_set1_epi16(INT16_MAX), x_high = _mm256_set1_epi16(INT16_MIN);
    __m256i y_low = _mm256_set1_epi16(INT16_MAX), y_high = _mm256_set1_epi16(INT16_MIN);
    __m128i p_high = _mm_setzero_si128();
    uint32_t falls = 0;

    static void put_columns(const Pen& pen, int64_t n, const Sixteen& e) {
        _mm512_storeu_si512(pen.t + n, e.t0);
        _mm512_storeu_si512(pen.t + n + 8, e.t1);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(pen.x + n), e.x);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(pen.y + n), e.y);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(pen.polarity + n), e.polarity);
    }

    static void put_overlapping(int16_t* to, __m256i e) {
        const __m128i low = _mm256_castsi256_si128(e), high = _mm256_extracti128_si256(e, 1);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), low);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 7), _mm_alignr_epi8(high, low, 14));
    }

    void widen_some(const Sixteen& e, __mmask16 there) {
        x_low = _mm256_mask_min_epi16(x_low, there, x_low, e.x), x_high = _mm256_mask_max_epi16(x_high, there, x_high, e.x);
        y_low = _mm256_mask_min_epi16(y_low, there, y_low, e.y), y_high = _mm256_mask_max_epi16(y_high, there, y_high, e.y);
        p_high = _mm_mask_max_epu8(p_high, there, p_high, e.polarity);
    }

    void put(const Pen& pen, int64_t n, const Sixteen& e) {
        put_columns(pen, n, e);
        falls |= _mm512_cmplt_epi64_mask(e.t0, _mm512_alignr_epi64(e.t0, before, 7));
        falls |= _mm512_cmplt_epi64_mask(e.t1, _mm512_alignr_epi64(e.t1, e.t0, 7));
        before = e.t1;
        x_low = _mm256_min_epi16(x_low, e.x), x_high = _mm256_max_epi16(x_high, e.x);
        y_low = _mm256_min_epi16(y_low, e.y), y_high = _mm256_max_epi16(y_high, e.y);
        p_high = _mm_max_epu8(p_high, e.polarity);
    }

    // The first fifteen, by stores that overlap: behind them may lie what another thread writes.
    void put_fifteen(const Pen& pen, int64_t n, const Sixteen& e) {
        constexpr __mmask16 there = 0x7FFF;
        const __m512i last = before;
        _mm512_storeu_si512(pen.t + n, e.t0);
        _mm512_mask_storeu_epi64(pen.t + n + 8, 0x7F, e.t1);
        put_overlapping(pen.x + n, e.x);
        put_overlapping(pen.y + n, e.y);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(pen.polarity + n), e.polarity);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(pen.polarity + n + 7), _mm_srli_si128(e.polarity, 7));
        falls |= _mm512_cmplt_epi64_mask(e.t0, _mm512_alignr_epi64(e.t0, last, 7));
        falls |= 0x7F & _mm512_cmplt_epi64_mask(e.t1, _mm512_alignr_epi64(e.t1, e.t0, 7));
        before = _mm512_alignr_epi64(e.t1, e.t1, 7);  // its last lane is the seventh
        widen_some(e, there);
    }

    // Only the first `num` of them, at least one.
    void put_some(const Pen& pen, int64_t n, const Sixteen& e, int num) {
        const auto there = static_cast<__mmask16>((1u << num) - 1);
        const auto low = static_cast<__mmask8>(there), high = static_cast<__mmask8>(there >> 8);
        _mm512_mask_storeu_epi64(pen.t + n, low, e.t0);
        _mm512_mask_storeu_epi64(pen.t + n + 8, high, e.t1);
        _mm256_mask_storeu_epi16(pen.x + n, there, e.x);
        _mm256_mask_storeu_epi16(pen.y + n, there, e.y);
        _mm_mask_storeu_epi8(pen.polarity + n, there, e.polarity);
        falls |= low & _mm512_cmplt_epi64_mask(e.t0, _mm512_alignr_epi64(e.t0, before, 7));
        falls |= high & _mm512_cmplt_epi64_mask(e.t1, _mm512_alignr_epi64(e.t1, e.t0, 7));
        before = _mm512_permutexvar_epi64(_mm512_set1_epi64((num - 1) & 7), num > 8 ? e.t1 : e.t0);
        widen_some(e, there);
    }

    // Widens bounds by what was put, which are the events from `from` to `to`.
    void rest(Bounds& b, const Columns& c, int64_t from, int64_t to) const {
        if (from == to) return;
        if (falls != 0) {
            widen_times(b, c, from, to);
        } else {
            widen_rising(b, c, from, to);
        }
        alignas(32) int16_t lanes[4][16];
        alignas(16) uint8_t p[16];
        const __m256i all[] = {x_low, x_high, y_low, y_high};
        for (int k = 0; k < 4; ++k) _mm256_store_si256(reinterpret_cast<__m256i*>(lanes[k]), all[k]);
        _mm_store_si128(reinterpret_cast<__m128i*>(p), p_high);
        int64_t low[2], high[2], none;
        range_of(lanes[0], 16, low[0], none), range_of(lanes[1], 16, none, high[0]);
        range_of(lanes[2], 16, low[1], none), range_of(lanes[3], 16, none, high[1]);
        uint8_t most = 0;
        for (const uint8_t each : p) most = each > most ? each : most;
        widen_pixels(b, from == 0, low[0], high[0], low[1], high[1], most);
    }
};

// The low 16 bits of sixteen lanes of 64.
inline __m256i low16(__m512i one, __m512i two) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm512_cvtepi64_epi16(one)), _mm512_cvtepi64_epi16(two), 1);
}

// Sixteen times of 32 bits after a common start.
inline void times_of(__m512i low, int64_t start, Sixteen& e) {
    const __m512i from = _mm512_set1_epi64(start);
    e.t0 = _mm512_add_epi64(from, _mm512_cvtepu32_epi64(_mm512_castsi512_si256(low)));
    e.t1 = _mm512_add_epi64(from, _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(low, 1)));
}
