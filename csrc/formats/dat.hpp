// Prophesee DAT; the twin and the layout: ranvier/data/formats/dat.py.
// State: latest time of 32 bits, wraps of it. Parameter: version 1 or 2.

constexpr int64_t HALF_32 = int64_t{1} << 31, PERIOD_32 = int64_t{1} << 32;

// Unrolls the times of a 32-bit counter: a step back by more than half the period is a wrap.
template <class N>
inline void unroll(const int64_t* __restrict raw, N num, int64_t& value, int64_t& wraps, int64_t* __restrict t) {
    int falls = raw[0] - value < -HALF_32;
    for (int64_t i = 1; i < num; ++i) falls |= raw[i] - raw[i - 1] < -HALF_32;
    if (falls == 0) {
        const int64_t base = wraps * PERIOD_32;
        for (int64_t i = 0; i < num; ++i) t[i] = base + raw[i];
        value = raw[num - 1];
        return;
    }
    for (int64_t i = 0; i < num; ++i) {
        wraps += raw[i] - value < -HALF_32;
        value = raw[i];
        t[i] = wraps * PERIOD_32 + value;
    }
}

#if !defined(RANVIER_NEEDS_AVX512)
template <int X_BITS, int Y_BITS, int P_AT, class N>
inline void dat_records(const uint8_t* __restrict from, N num, int64_t& value, int64_t& wraps, Pen pen) {
    constexpr uint32_t X = (1u << X_BITS) - 1, Y = (1u << Y_BITS) - 1;
    alignas(64) int64_t raw[BLOCK];
    alignas(64) uint32_t payload[BLOCK];
    for (int64_t i = 0; i < num; ++i) raw[i] = static_cast<int64_t>(little<uint64_t>(from + 8 * i) & 0xFFFFFFFF);
    for (int64_t i = 0; i < num; ++i) payload[i] = static_cast<uint32_t>(little<uint64_t>(from + 8 * i) >> 32);
    unroll(raw, num, value, wraps, pen.t);
    for (int64_t i = 0; i < num; ++i) pen.x[i] = static_cast<int16_t>(payload[i] & X);
    for (int64_t i = 0; i < num; ++i) pen.y[i] = static_cast<int16_t>((payload[i] >> X_BITS) & Y);
    for (int64_t i = 0; i < num; ++i) pen.polarity[i] = static_cast<uint8_t>((payload[i] >> P_AT) & 15);
}

#endif

#if defined(RANVIER_NEEDS_AVX512)
// Sixteen records at a time.
template <int X_BITS, int Y_BITS, int P_AT>
inline void dat_all(const uint8_t* __restrict from, int64_t records, int64_t& value, int64_t& wraps, const Columns& out, Found& found) {
    const __m512i pairs = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i x_mask = _mm512_set1_epi32((1 << X_BITS) - 1), y_mask = _mm512_set1_epi32((1 << Y_BITS) - 1);
    const Pen pen(out);
    Lanes lanes;
    __m512i before = _mm512_set1_epi32(static_cast<int32_t>(value));  // its last lane is the time of the record before
    for (int64_t i = 0; i < records; i += 16) {
        const int num = static_cast<int>(smaller(16, records - i));
        const auto there = static_cast<uint32_t>((uint64_t{1} << (2 * num)) - 1);
        const __m512i a = _mm512_maskz_loadu_epi32(static_cast<__mmask16>(there), from + 8 * i);
        const __m512i b = _mm512_maskz_loadu_epi32(static_cast<__mmask16>(there >> 16), from + 8 * i + 64);
        const __m512i time = _mm512_permutex2var_epi32(a, pairs, b);
        const __m512i payload = _mm512_permutex2var_epi32(a, _mm512_or_si512(pairs, _mm512_set1_epi32(1)), b);
        Sixteen e;
        e.x = _mm512_cvtepi32_epi16(_mm512_and_si512(payload, x_mask));
        e.y = _mm512_cvtepi32_epi16(_mm512_and_si512(_mm512_srli_epi32(payload, X_BITS), y_mask));
        e.polarity = _mm512_cvtepi32_epi8(_mm512_and_si512(_mm512_srli_epi32(payload, P_AT), _mm512_set1_epi32(15)));
        const uint32_t falls = _mm512_cmplt_epu32_mask(time, _mm512_alignr_epi32(time, before, 15));
        if (falls == 0 && num == 16) {
            times_of(time, wraps * PERIOD_32, e);
            lanes.put(pen, i, e);
            before = time;
            continue;
        }
        alignas(64) uint32_t raw[16];
        alignas(64) int64_t wide[16], t[16] = {};
        _mm512_store_si512(raw, before);
        value = raw[15];
        _mm512_store_si512(raw, time);
        for (int k = 0; k < 16; ++k) wide[k] = raw[k];
        unroll(wide, num, value, wraps, t);
        e.t0 = _mm512_load_si512(t), e.t1 = _mm512_load_si512(t + 8);
        lanes.put_some(pen, i, e, num);
        before = _mm512_set1_epi32(static_cast<int32_t>(value));
    }
    if (records > 0) {
        alignas(64) uint32_t raw[16];
        _mm512_store_si512(raw, before);
        value = raw[15];
    }
    found.num = records;
    place(out, 0, records, 0, 8);
    lanes.rest(found.bounds, out, 0, records);
}
#else
template <int X_BITS, int Y_BITS, int P_AT>
inline void dat_all(const uint8_t* __restrict from, int64_t records, int64_t& value, int64_t& wraps, const Columns& out, Found& found) {
    Watch watch{found, out};
    for (int64_t i = 0; i < records; i += BLOCK) {
        const int64_t num = smaller(BLOCK, records - i);
        in_blocks(num, [&](auto n) { dat_records<X_BITS, Y_BITS, P_AT>(from + 8 * i, n, value, wraps, Pen(out, i)); });
        place(out, i, num, 8 * i, 8);
        found.num += num;
        watch.now();
    }
    watch.rest();
}
#endif

inline Found dat(Bytes bytes, const int64_t* parameters, const int64_t* state, const Columns& out) {
    Found found;
    int64_t value = state[0], wraps = state[1];
    const int64_t records = smaller(bytes.size / 8, out.capacity);
    if (parameters[0] == 2) {
        dat_all<14, 14, 28>(bytes.data, records, value, wraps, out, found);
    } else {
        dat_all<9, 8, 17>(bytes.data, records, value, wraps, out, found);
    }
    found.used = 8 * records;
    found.state[0] = value, found.state[1] = wraps;
    return found;
}

// What a counter of 32 bits does in whole records.
inline Outline dat_outline(Bytes bytes) {
    Outline o;
    o.events = bytes.size / 8;
    if (o.events == 0) return o;
    o.marked = true;
    o.first = little<uint32_t>(bytes.data), o.last = little<uint32_t>(bytes.data + 8 * (o.events - 1));
    uint64_t falls = 0;
    for (int64_t i = 1; i < o.events; ++i) {
        const uint8_t* from = bytes.data + 8 * i;
        const auto now = static_cast<int64_t>(little<uint64_t>(from) & 0xFFFFFFFF);
        const auto before = static_cast<int64_t>(little<uint64_t>(from - 8) & 0xFFFFFFFF);
        falls += static_cast<uint64_t>(now - before + HALF_32) >> 63;
    }
    o.falls = static_cast<int64_t>(falls);
    return o;
}

inline int64_t dat_follow(const Outline& o, int64_t* state) {
    if (!o.marked) return 0;
    state[1] += (o.first - state[0] < -HALF_32) + o.falls;
    state[0] = o.last;
    return o.events;
}
