// Prophesee EVT 2.0; the twin and the layout: ranvier/data/formats/evt2.py.
// State: latest TIME_HIGH (-1: none yet), wraps of it.

constexpr uint32_t EVT2_KNOWN = 1u << 0 | 1u << 1 | 1u << 8 | 1u << 10 | 1u << 14 | 1u << 15;
constexpr int64_t HIGH_HALF = int64_t{1} << 27, HIGH_PERIOD = int64_t{1} << 28;

inline void take_high(int64_t value, int64_t& high, int64_t& wraps) {
    wraps += value - high < -HIGH_HALF;
    high = value;
}

// Products, for the periods before the first word may be negative.
inline int64_t evt2_base(int64_t high, int64_t wraps) { return (wraps * HIGH_PERIOD + high) * 64; }

#if !defined(RANVIER_NEEDS_AVX512)
template <class N>
inline void evt2_events(const uint8_t* __restrict from, N num, int64_t base, Pen pen) {
    for (int64_t i = 0; i < num; ++i) pen.t[i] = base | ((little<uint32_t>(from + 4 * i) >> 22) & 63);
    for (int64_t i = 0; i < num; ++i) pen.x[i] = static_cast<int16_t>((little<uint32_t>(from + 4 * i) >> 11) & 0x7FF);
    for (int64_t i = 0; i < num; ++i) pen.y[i] = static_cast<int16_t>(little<uint32_t>(from + 4 * i) & 0x7FF);
    for (int64_t i = 0; i < num; ++i) pen.polarity[i] = static_cast<uint8_t>(little<uint32_t>(from + 4 * i) >> 28);
}

#endif

struct Evt2 {
    int64_t high, wraps, events = 0;
};

// A word that is no event.
inline void evt2_other(Evt2& s, uint32_t word, int64_t at, Found& found) {
    count_word(found, word >> 28, EVT2_KNOWN, at);
    if (word >> 28 == 8) take_high(word & 0xFFFFFFF, s.high, s.wraps);
}

#if defined(RANVIER_NEEDS_AVX512)
inline Sixteen evt2_sixteen(__m512i word, int64_t base) {
    const __m512i pixel = _mm512_set1_epi32(0x7FF);
    Sixteen e;
    times_of(_mm512_and_si512(_mm512_srli_epi32(word, 22), _mm512_set1_epi32(63)), base, e);
    e.x = _mm512_cvtepi32_epi16(_mm512_and_si512(_mm512_srli_epi32(word, 11), pixel));
    e.y = _mm512_cvtepi32_epi16(_mm512_and_si512(word, pixel));
    e.polarity = _mm512_cvtepi32_epi8(_mm512_srli_epi32(word, 28));
    return e;
}

// Sixteen words at a time; those that are no events part them.
inline void evt2_words(Bytes bytes, int64_t words, Evt2& s, const Columns& out, Found& found) {
    const Pen pen(out);
    Lanes lanes;
    int64_t n = 0;
    for (int64_t i = 0; i < words; i += 16) {
        const int64_t num = smaller(16, words - i);
        const uint8_t* from = bytes.data + 4 * i;
        const __m512i word = _mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << num) - 1), from);
        uint32_t others = _mm512_cmpgt_epu32_mask(word, _mm512_set1_epi32(0x1FFFFFFF));
        if (others == 0 && num == 16 && s.high >= 0) {
            lanes.put(pen, n, evt2_sixteen(word, evt2_base(s.high, s.wraps)));
            place(out, n, 16, 4 * i, 4);
            n += 16, s.events += 16;
            continue;
        }
        if (num == 16 && s.high >= 0 && (others & (others - 1)) == 0 && !out.at) {
            // One of them parts the others: what follows it has another base, and all move up by one.
            const int k = __builtin_ctz(others);
            const __m512i both = _mm512_maskz_compress_epi32(static_cast<__mmask16>(~others), word);
            const __m512i old = _mm512_set1_epi64(evt2_base(s.high, s.wraps));
            Sixteen e = evt2_sixteen(both, 0);
            evt2_other(s, little<uint32_t>(from + 4 * k), 4 * (i + k), found);
            const __m512i base = _mm512_set1_epi64(evt2_base(s.high, s.wraps));
            e.t0 = _mm512_or_si512(e.t0, _mm512_mask_mov_epi64(old, static_cast<__mmask8>(0xFFFFu << k), base));
            e.t1 = _mm512_or_si512(e.t1, _mm512_mask_mov_epi64(old, static_cast<__mmask8>((0xFFFFu << k) >> 8), base));
            lanes.put_fifteen(pen, n, e);
            n += 15, s.events += 15;
            continue;
        }
        for (int begin = 0; begin < num; others &= others - 1) {
            const int end = others != 0 ? __builtin_ctz(others) : static_cast<int>(num), some = end - begin;
            s.events += some;
            if (s.high < 0) {
                found.untimed += some;
            } else if (some > 0) {
                const auto these = static_cast<__mmask16>((1u << end) - (1u << begin));
                lanes.put_some(pen, n, evt2_sixteen(_mm512_maskz_compress_epi32(these, word), evt2_base(s.high, s.wraps)), some);
                place(out, n, some, 4 * (i + begin), 4);
                n += some;
            }
            if (end < num) evt2_other(s, little<uint32_t>(from + 4 * end), 4 * (i + end), found);
            begin = end + 1;
        }
    }
    found.num = n;
    lanes.rest(found.bounds, out, 0, found.num);
}
#else
inline void evt2_words(Bytes bytes, int64_t words, Evt2& s, const Columns& out, Found& found) {
    Watch watch{found, out};
    const auto give = [&](int64_t first, int64_t num) {
        s.events += num;
        if (s.high < 0) {
            found.untimed += num;
            return;
        }
        in_blocks(num, [&](auto n) { evt2_events(bytes.data + 4 * first, n, evt2_base(s.high, s.wraps), Pen(out, found.num)); });
        place(out, found.num, num, 4 * first, 4);
        found.num += num;
    };
    for (int64_t i = 0; i < words;) {
        const uint8_t* from = bytes.data + 4 * i;
        const int64_t num = smaller(BLOCK, words - i);
        uint32_t any = 0;
        if (num == BLOCK) {
            for (int64_t k = 0; k < BLOCK; ++k) any |= little<uint32_t>(from + 4 * k);
        }
        if (num == BLOCK && any >> 29 == 0) {
            give(i, BLOCK);
        } else {
            int64_t begin = 0;
            for (int64_t k = 0; k < num; ++k) {
                const uint32_t word = little<uint32_t>(from + 4 * k);
                if (word >> 28 <= 1) continue;
                if (k > begin) give(i + begin, k - begin);
                begin = k + 1;
                evt2_other(s, word, 4 * (i + k), found);
            }
            if (num > begin) give(i + begin, num - begin);
        }
        i += num;
        watch.now();
    }
    watch.rest();
}
#endif

inline Found evt2(Bytes bytes, const int64_t*, const int64_t* state, const Columns& out) {
    Found found;
    Evt2 s{state[0], state[1]};
    const int64_t words = smaller(bytes.size / 4, out.capacity);
    evt2_words(bytes, words, s, out, found);
    found.kinds[0] = s.events;  // of both polarities
    found.used = 4 * words;
    found.state[0] = s.high, found.state[1] = s.wraps;
    return found;
}

inline void evt2_mark(Outline& o, uint32_t word, int64_t events_before) {
    if (word >> 28 != 8) return;
    const int64_t value = word & 0xFFFFFFF;
    if (o.marked) {
        o.falls += value - o.last < -HIGH_HALF;
    } else {
        o.marked = true, o.first = value, o.early = events_before;
    }
    o.last = value;
}

inline Outline evt2_outline(Bytes bytes) {
    Outline o;
    const int64_t words = bytes.size / 4;
    for (int64_t i = 0; i < words; i += 16) {
        const int64_t num = smaller(16, words - i);
        const uint8_t* from = bytes.data + 4 * i;
#if defined(RANVIER_NEEDS_AVX512)
        const __m512i word = _mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << num) - 1), from);
        uint32_t others = _mm512_cmpgt_epu32_mask(word, _mm512_set1_epi32(0x1FFFFFFF));
#else
        uint32_t others = 0;
        if (num == 16) {
            for (int k = 0; k < 16; ++k) others |= little<uint32_t>(from + 4 * k);
            others = others >> 29 == 0 ? 0 : 0xFFFF;
        } else {
            others = (1u << num) - 1;
        }
        for (int k = 0; k < num && others != 0; ++k) others &= ~(static_cast<uint32_t>(little<uint32_t>(from + 4 * k) >> 29 == 0) << k);
#endif
        const uint32_t all = others;
        for (; others != 0; others &= others - 1) {
            const int k = __builtin_ctz(others);
            evt2_mark(o, little<uint32_t>(from + 4 * k), o.events + k - __builtin_popcount(all & ((1u << k) - 1)));
        }
        o.events += num - __builtin_popcount(all);
    }
    if (!o.marked) o.early = o.events;
    return o;
}

inline int64_t evt2_follow(const Outline& o, int64_t* state) {
    const bool timed = state[0] >= 0;
    if (o.marked) {
        state[1] += (o.first - state[0] < -HIGH_HALF) + o.falls;
        state[0] = o.last;
    }
    return timed ? o.events : o.events - o.early;
}
