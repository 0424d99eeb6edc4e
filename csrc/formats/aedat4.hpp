// AEDAT 4: the events of one unpacked packet; the packets around them: packets.cpp. The twin and the layout:
// ranvier/data/formats/aedat4.py.
#if defined(RANVIER_NEEDS_AVX512)
// Sixteen events at a time; gives how many those are.
inline int64_t aedat4_lanes(const uint8_t* __restrict from, int64_t num, const Columns& out, Bounds& bounds) {
    const __m512i evens = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0), odds = _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1);
    const Pen pen(out);
    Lanes lanes;
    int64_t i = 0;
    for (; i + 16 <= num; i += 16) {
        const __m512i a = _mm512_loadu_si512(from + 16 * i), b = _mm512_loadu_si512(from + 16 * i + 64);
        const __m512i c = _mm512_loadu_si512(from + 16 * i + 128), d = _mm512_loadu_si512(from + 16 * i + 192);
        const __m512i one = _mm512_permutex2var_epi64(a, odds, b), two = _mm512_permutex2var_epi64(c, odds, d);
        Sixteen e;
        e.t0 = _mm512_permutex2var_epi64(a, evens, b), e.t1 = _mm512_permutex2var_epi64(c, evens, d);
        e.x = low16(one, two);
        e.y = low16(_mm512_srli_epi64(one, 16), _mm512_srli_epi64(two, 16));
        e.polarity = _mm_unpacklo_epi64(_mm512_cvtepi64_epi8(_mm512_srli_epi64(one, 32)), _mm512_cvtepi64_epi8(_mm512_srli_epi64(two, 32)));
        lanes.put(pen, i, e);
    }
    lanes.rest(bounds, out, 0, i);
    return i;
}
#endif

// Events one after the other, without anything around them.
inline void aedat4_events(const uint8_t* __restrict from, int64_t num, const Columns& out, Found& found) {
    int64_t done = 0;
#if defined(RANVIER_NEEDS_AVX512)
    done = aedat4_lanes(from, num, out, found.bounds);
#endif
    for (int64_t begin = done; begin < num; begin += STRETCH) {
        const int64_t end = smaller(begin + STRETCH, num);
        for (int64_t i = begin; i < end; ++i) out.t[i] = little<int64_t>(from + 16 * i);
        for (int64_t i = begin; i < end; ++i) out.x[i] = little<int16_t>(from + 16 * i + 8);
        for (int64_t i = begin; i < end; ++i) out.y[i] = little<int16_t>(from + 16 * i + 10);
        for (int64_t i = begin; i < end; ++i) out.polarity[i] = from[16 * i + 12];
        widen(found.bounds, out, begin, end);
    }
    found.num = num;
}

inline Found aedat4_items(Bytes bytes, const int64_t*, const int64_t*, const Columns& out) {
    Found found;
    const int64_t num = smaller(bytes.size / 16, out.capacity);
    aedat4_events(bytes.data, num, out, found);
    place(out, 0, num, 0, 0);
    found.used = 16 * num;
    return found;
}
