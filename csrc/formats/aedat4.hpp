// AEDAT 4: the events of one unpacked packet; the twin and the layout: ranvier/data/formats/aedat4.py.
// Parameter: bytes of the packet, 0 if it is all there is. Gives nothing, and takes no byte, if the packet is no sound one of pixel events or there is no room for all of it.

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

inline Found aedat4(Bytes bytes, const int64_t* parameters, const int64_t*, const Columns& out) {
    Found found;
    if (parameters[0] > 0) bytes.size = smaller(bytes.size, parameters[0]);
    const Vector events = event_vector(bytes);
    if (events.place < 0 || events.length > out.capacity) return found;
    const uint8_t* from = bytes.data + events.place;
    int64_t done = 0;
#if defined(RANVIER_NEEDS_AVX512)
    done = aedat4_lanes(from, events.length, out, found.bounds);
#endif
    for (int64_t begin = done; begin < events.length; begin += STRETCH) {
        const int64_t end = smaller(begin + STRETCH, events.length);
        for (int64_t i = begin; i < end; ++i) out.t[i] = little<int64_t>(from + 16 * i);
        for (int64_t i = begin; i < end; ++i) out.x[i] = little<int16_t>(from + 16 * i + 8);
        for (int64_t i = begin; i < end; ++i) out.y[i] = little<int16_t>(from + 16 * i + 10);
        for (int64_t i = begin; i < end; ++i) out.polarity[i] = from[16 * i + 12];
        widen(found.bounds, out, begin, end);
    }
    place(out, 0, events.length, 0, 0);
    found.num = events.length;
    found.used = bytes.size;
    return found;
}
