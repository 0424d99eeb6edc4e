// Event Stream 2; the twin and the layout: ranvier/data/formats/es.py.
// State: the time so far. Parameters: type (1 DVS, 2 ATIS), height of the sensor.

// What of the records does not fit columns of int16.
struct Unfit {
    uint32_t x = 0;
    int64_t y = 0;
};

template <class N>
inline void dvs_words(const uint64_t* __restrict word, N num, int64_t height, int64_t& t, Pen pen, Unfit& unfit) {
    alignas(64) int32_t y[BLOCK];
    uint32_t wide = 0;
    int32_t lowest = 0;
    for (int64_t i = 0; i < num; ++i) {
        t += static_cast<int64_t>((word[i] >> 1) & 127);
        pen.t[i] = t;
    }
    for (int64_t i = 0; i < num; ++i) wide |= static_cast<uint32_t>(word[i] >> 8) & 0xFFFF;
    for (int64_t i = 0; i < num; ++i) pen.x[i] = static_cast<int16_t>((word[i] >> 8) & INT16_MAX);
    for (int64_t i = 0; i < num; ++i) y[i] = static_cast<int32_t>(height) - 1 - static_cast<int32_t>((word[i] >> 24) & 0xFFFF);
    for (int64_t i = 0; i < num; ++i) lowest = y[i] < lowest ? y[i] : lowest;
    for (int64_t i = 0; i < num; ++i) pen.y[i] = static_cast<int16_t>(y[i] < INT16_MIN ? INT16_MIN : y[i]);
    for (int64_t i = 0; i < num; ++i) pen.polarity[i] = static_cast<uint8_t>(word[i] & 1);
    unfit.x |= wide;
    unfit.y = smaller(unfit.y, lowest);
}

// One record of an ATIS; exposure events are passed over.
inline int64_t atis_word(uint64_t word, int64_t height, int64_t& t, Pen pen, Unfit& unfit) {
    t += static_cast<int64_t>((word & 0xFF) >> 2);
    if ((word & 1) != 0) return 0;
    const auto x = static_cast<uint32_t>(word >> 8) & 0xFFFF;
    const int64_t y = height - 1 - static_cast<int64_t>((word >> 24) & 0xFFFF);
    pen.t[0] = t;
    pen.x[0] = static_cast<int16_t>(x & INT16_MAX);
    pen.y[0] = static_cast<int16_t>(larger(y, INT16_MIN));
    pen.polarity[0] = static_cast<uint8_t>((word >> 1) & 1);
    unfit.x |= x;
    unfit.y = smaller(unfit.y, y);
    return 1;
}

inline uint64_t es_word(const uint8_t* from, int64_t there) {
    if (there >= 8) return little<uint64_t>(from);
    uint8_t last[8] = {};
    std::memcpy(last, from, 5);
    return little<uint64_t>(last);
}

inline Found es(Bytes bytes, const int64_t* parameters, const int64_t* state, const Columns& out) {
    Found found;
    Watch watch{found, out};
    Unfit unfit;
    const bool dvs = parameters[0] == 1;
    const int64_t height = smaller(larger(parameters[1], 1), 1 << 15);
    const uint64_t alone = dvs ? 254 : 252;
    int64_t t = state[0], i = 0;
    alignas(64) uint64_t words[BLOCK];
    while (i < bytes.size && found.num < out.capacity) {
        const int64_t begin = i, stop = smaller(BLOCK, out.capacity - found.num);
        int64_t num = 0;
        for (; num < stop && bytes.size - i >= 5; ++num, i += 5) {
            words[num] = es_word(bytes.data + i, bytes.size - i);
            if ((words[num] & 0xFF) >= alone) break;
        }
        if (num > 0 && dvs) {
            in_blocks(num, [&](auto n) { dvs_words(words, n, height, t, Pen(out, found.num), unfit); });
            place(out, found.num, num, begin, 5);
            found.num += num;
        } else if (num > 0) {
            for (int64_t k = 0; k < num; ++k) {
                place(out, found.num, 1, begin + 5 * k, 0);
                found.num += atis_word(words[k], height, t, Pen(out, found.num), unfit);
            }
        }
        found.others += num;
        watch.now();
        if (i == bytes.size || num == stop) continue;
        const uint8_t lead = bytes.data[i];
        if (lead < alone) break;  // a record that is cut
        t += dvs ? 127 * (lead == 255) : 63 * (lead & 3);
        ++i;
    }
    watch.rest();
    found.others -= found.num;  // exposure events
    found.unfit = unfit.x > INT16_MAX || unfit.y < INT16_MIN;
    found.used = i;
    found.state[0] = t;
    return found;
}
