// Prophesee EVT 3.0; the twin and the layout: ranvier/data/formats/evt3.py.
// State: high (-1: none yet), wraps of it, low, y (-1), base (-1), polarity of vectors.

constexpr uint32_t EVT3_KNOWN = 0b1110'0101'1111'1101;
constexpr int64_t EVT3_HALF = 1 << 11;

struct Evt3 {
    int64_t high, wraps, low, y, base, polarity;

    bool told() const { return high >= 0 && y >= 0; }
    int64_t time() const { return (wraps * 4096 + high) * 4096 | low; }
    void take_high(int64_t value) {
        wraps += value - high < -EVT3_HALF;
        low = value == high ? low : 0;
        high = value;
    }
};

// A vector of 12 or 8 pixels: a set bit is an event at base + its number.
inline void evt3_vector(Evt3& s, uint32_t mask, int64_t width, int64_t at, const Columns& out, Found& found) {
    if (s.base < 0 || !s.told()) {
        found.untimed += __builtin_popcount(mask);
    } else if (mask != 0) {
        found.unfit |= s.base + 12 > INT16_MAX;
        const int64_t t = s.time(), before = found.num;
        const Pen pen(out);
        int64_t n = before;
        for (; mask != 0; mask &= mask - 1, ++n) {
            pen.t[n] = t;
            pen.x[n] = static_cast<int16_t>((s.base + __builtin_ctz(mask)) & INT16_MAX);
            pen.y[n] = static_cast<int16_t>(s.y);
            pen.polarity[n] = static_cast<uint8_t>(s.polarity);
        }
        found.num = n;
        place(out, before, n - before, at, 0);
    }
    if (s.base >= 0) s.base += width;
}

// A word of any type.
inline void evt3_word(Evt3& s, uint32_t word, int64_t at, const Columns& out, Found& found) {
    const uint32_t kind = word >> 12, value = word & 0xFFF;
    count_word(found, kind, EVT3_KNOWN, at);
    switch (kind) {
        case 0: s.y = value & 0x7FF; break;
        case 2:
            if (s.told()) {
                const int64_t n = found.num++;
                out.t[n] = s.time();
                out.x[n] = static_cast<int16_t>(value & 0x7FF);
                out.y[n] = static_cast<int16_t>(s.y);
                out.polarity[n] = static_cast<uint8_t>(value >> 11);
                place(out, n, 1, at, 0);
            } else {
                ++found.untimed;
            }
            break;
        case 3: s.base = value & 0x7FF, s.polarity = value >> 11; break;
        case 4: evt3_vector(s, value, 12, at, out, found); break;
        case 5: evt3_vector(s, value & 0xFF, 8, at, out, found); break;
        case 6: s.low = value; break;
        case 8: s.take_high(value); break;
        default: break;
    }
}

// Words of row, event and low time, up to the first of another type, once time and row are known. They come in no order
// that a processor could guess, so nothing branches on their type: each writes an event, and only some count.
template <bool PLACES>
inline int64_t evt3_common(Evt3& s, const uint8_t* __restrict from, int64_t i, int64_t stop, const Columns& out, Found& found) {
    constexpr uint32_t COMMON = 1u << 0 | 1u << 2 | 1u << 6;
    const int64_t high = s.time() - s.low, begin = i, first = found.num;
    const Pen pen(out);
    int64_t n = first, t = s.time();
    int32_t y = static_cast<int32_t>(s.y);
#if defined(RANVIER_NEEDS_AVX512)
    if (!PLACES) {
        int32_t low = static_cast<int32_t>(s.low);
        i = evt3_lanes(from, i, stop, high, y, low, pen, n);
        t = high + low;
    }
#endif
    for (; i < stop; ++i) {
        const uint32_t word = little<uint16_t>(from + 2 * i), kind = word >> 12, value = word & 0xFFF;
        if (((COMMON >> kind) & 1) == 0) break;
        y += (static_cast<int32_t>(value & 0x7FF) - y) & -static_cast<int32_t>(kind == 0);
        t += (high + value - t) & -static_cast<int64_t>(kind == 6);
        pen.t[n] = t;
        pen.x[n] = static_cast<int16_t>(value & 0x7FF);
        pen.y[n] = static_cast<int16_t>(y);
        pen.polarity[n] = static_cast<uint8_t>(value >> 11);
        if (PLACES) out.at[n] = static_cast<uint32_t>(2 * i);
        n += kind == 2;
    }
    found.num = n;
    found.kinds[2] += i - begin;  // of these three types together
    s.y = y, s.low = t - high;
    return i;
}

inline Found evt3(Bytes bytes, const int64_t*, const int64_t* state, const Columns& out) {
    Found found;
    Watch watch{found, out};
    Evt3 s{state[0], state[1], state[2], state[3], state[4], state[5]};
    const int64_t words = bytes.size / 2;
    int64_t i = 0;
    for (; i < words && out.capacity - found.num > BLOCK * 12; watch.now()) {
        const int64_t stop = smaller(i + BLOCK, words);
        while (i < stop) {
            if (s.told()) {
                i = out.at != nullptr ? evt3_common<true>(s, bytes.data, i, stop, out, found)
                                      : evt3_common<false>(s, bytes.data, i, stop, out, found);
            }
            if (i == stop) break;
            evt3_word(s, little<uint16_t>(bytes.data + 2 * i), 2 * i, out, found);
            ++i;
        }
    }
    watch.rest();
    found.used = 2 * i;
    const int64_t after[] = {s.high, s.wraps, s.low, s.y, s.base, s.polarity};
    std::memcpy(found.state, after, sizeof(after));
    return found;
}
