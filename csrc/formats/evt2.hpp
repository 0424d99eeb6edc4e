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

template <class N>
inline void evt2_events(const uint8_t* __restrict from, N num, int64_t base, Pen pen) {
    for (int64_t i = 0; i < num; ++i) pen.t[i] = base | ((little<uint32_t>(from + 4 * i) >> 22) & 63);
    for (int64_t i = 0; i < num; ++i) pen.x[i] = static_cast<int16_t>((little<uint32_t>(from + 4 * i) >> 11) & 0x7FF);
    for (int64_t i = 0; i < num; ++i) pen.y[i] = static_cast<int16_t>(little<uint32_t>(from + 4 * i) & 0x7FF);
    for (int64_t i = 0; i < num; ++i) pen.polarity[i] = static_cast<uint8_t>(little<uint32_t>(from + 4 * i) >> 28);
}

inline Found evt2(Bytes bytes, const int64_t*, const int64_t* state, const Columns& out) {
    Found found;
    Watch watch{found, out};
    int64_t high = state[0], wraps = state[1], events = 0;
    const int64_t words = smaller(bytes.size / 4, out.capacity);
    const auto give = [&](int64_t first, int64_t num) {
        events += num;
        if (high < 0) {
            found.untimed += num;
            return;
        }
        in_blocks(num, [&](auto n) { evt2_events(bytes.data + 4 * first, n, evt2_base(high, wraps), Pen(out, found.num)); });
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
                const uint32_t word = little<uint32_t>(from + 4 * k), kind = word >> 28;
                if (kind <= 1) continue;
                if (k > begin) give(i + begin, k - begin);
                begin = k + 1;
                count_word(found, kind, EVT2_KNOWN, 4 * (i + k));
                if (kind == 8) take_high(word & 0xFFFFFFF, high, wraps);
            }
            if (num > begin) give(i + begin, num - begin);
        }
        i += num;
        watch.now();
    }
    watch.rest();
    found.kinds[0] = events;  // of both polarities
    found.used = 4 * words;
    found.state[0] = high, found.state[1] = wraps;
    return found;
}
