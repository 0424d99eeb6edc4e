// N-MNIST / ATIS .bin; the twin and the layout: ranvier/data/formats/nmnist_bin.py. State: markers so far.

template <class N>
inline void nmnist_words(const uint64_t* __restrict word, N num, int64_t added, Pen pen) {
    for (int64_t i = 0; i < num; ++i) pen.t[i] = static_cast<int64_t>((word[i] >> 24) & 0x7FFFFF) + added;
    for (int64_t i = 0; i < num; ++i) pen.x[i] = static_cast<int16_t>(word[i] >> 56);
    for (int64_t i = 0; i < num; ++i) pen.y[i] = static_cast<int16_t>((word[i] >> 48) & 0xFF);
    for (int64_t i = 0; i < num; ++i) pen.polarity[i] = static_cast<uint8_t>((word[i] >> 47) & 1);
}

#if defined(RANVIER_NEEDS_AVX512)
// Eight records as big-endian words of their own: 46 bytes are read.
inline __m512i nmnist_eight(const uint8_t* from) {
    const auto pair = [&](int at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at)); };
    __m512i all = _mm512_castsi128_si512(pair(0));
    all = _mm512_inserti32x4(all, pair(10), 1);
    all = _mm512_inserti32x4(all, pair(20), 2);
    all = _mm512_inserti32x4(all, pair(30), 3);
    const __m128i turn = _mm_set_epi8(5, 6, 7, 8, 9, -1, -1, -1, 0, 1, 2, 3, 4, -1, -1, -1);
    return _mm512_shuffle_epi8(all, _mm512_broadcast_i32x4(turn));
}

// Sixteen records at a time, as long as 86 bytes may be read, up to those with a marker; gives their number.
inline int64_t nmnist_lanes(Bytes bytes, int64_t i, int64_t records, int64_t added, const Columns& out, Found& found) {
    const int64_t readable = bytes.size < 86 ? -1 : (bytes.size - 86) / 5;
    const int64_t last = smaller(records - 16, readable), begin = i, first = found.num;
    const __m512i time = _mm512_set1_epi64(0x7FFFFF), base = _mm512_set1_epi64(added), byte = _mm512_set1_epi64(0xFF);
    const __m512i marker = _mm512_set1_epi64(240);
    const Pen pen(out, first);
    Lanes lanes;
    for (; i <= last; i += 16) {
        const __m512i a = nmnist_eight(bytes.data + 5 * i), b = nmnist_eight(bytes.data + 5 * i + 40);
        const __m512i ya = _mm512_and_si512(_mm512_srli_epi64(a, 48), byte), yb = _mm512_and_si512(_mm512_srli_epi64(b, 48), byte);
        if ((_mm512_cmpeq_epi64_mask(ya, marker) | _mm512_cmpeq_epi64_mask(yb, marker)) != 0) break;
        Sixteen e;
        e.t0 = _mm512_add_epi64(base, _mm512_and_si512(_mm512_srli_epi64(a, 24), time));
        e.t1 = _mm512_add_epi64(base, _mm512_and_si512(_mm512_srli_epi64(b, 24), time));
        e.x = low16(_mm512_srli_epi64(a, 56), _mm512_srli_epi64(b, 56));
        e.y = low16(ya, yb);
        const __m512i one = _mm512_set1_epi64(1);
        e.polarity = _mm_unpacklo_epi64(_mm512_cvtepi64_epi8(_mm512_and_si512(_mm512_srli_epi64(a, 47), one)),
                                        _mm512_cvtepi64_epi8(_mm512_and_si512(_mm512_srli_epi64(b, 47), one)));
        lanes.put(pen, i - begin, e);
    }
    const int64_t num = i - begin;
    place(out, first, num, 5 * begin, 5);
    lanes.rest(found.bounds, out, first, first + num);
    found.num += num;
    return num;
}
#endif

inline Found nmnist_bin(Bytes bytes, const int64_t*, const int64_t* state, const Columns& out) {
    Found found;
    Watch watch{found, out};
    int64_t markers = state[0];
    const int64_t records = smaller(bytes.size / 5, out.capacity);
    const int64_t fast = larger(0, (bytes.size - 3) / 5);  // records of which eight bytes can be read
    alignas(64) uint64_t words[BLOCK];
    for (int64_t i = 0; i < records;) {
#if defined(RANVIER_NEEDS_AVX512)
        watch.rest();
        i += nmnist_lanes(bytes, i, records, markers * 8192, out, found);
        watch.seen = found.num;
#endif
        const int64_t stop = smaller(BLOCK, records - i);
        int64_t num = 0;
        for (; num < stop; ++num) {
            const uint8_t* from = bytes.data + 5 * (i + num);
            uint8_t last[8] = {};
            if (i + num >= fast) std::memcpy(last, from, 5);
            words[num] = big64(i + num < fast ? from : last);
            if (((words[num] >> 48) & 0xFF) == 240) break;
        }
        if (num > 0) {
            in_blocks(num, [&](auto n) { nmnist_words(words, n, markers * 8192, Pen(out, found.num)); });
            place(out, found.num, num, 5 * i, 5);
        }
        found.num += num;
        i += num;
        if (num < stop) ++markers, ++i;
        watch.now();
    }
    watch.rest();
    found.used = 5 * records;
    found.state[0] = markers;
    return found;
}

// Counts markers, 64 records at a time: every fifth byte is a row.
inline Outline nmnist_outline(Bytes bytes) {
    constexpr int64_t RECORDS = 64;
    struct Rows {
        uint8_t is[5 * RECORDS] = {};
        constexpr Rows() {
            for (int64_t k = 0; k < RECORDS; ++k) is[5 * k + 1] = 1;
        }
    };
    static constexpr Rows rows;
    const int64_t records = bytes.size / 5;
    int64_t markers = 0, i = 0;
    for (; i + RECORDS <= records; i += RECORDS) {
        const uint8_t* from = bytes.data + 5 * i;
        int found = 0;
        for (int64_t k = 0; k < 5 * RECORDS; ++k) found += rows.is[k] & static_cast<uint8_t>(from[k] == 240);
        markers += found;
    }
    for (; i < records; ++i) markers += bytes.data[5 * i + 1] == 240;
    Outline o;
    o.events = records - markers, o.falls = markers;
    return o;
}

inline int64_t nmnist_follow(const Outline& o, int64_t* state) {
    state[0] += o.falls;
    return o.events;
}
