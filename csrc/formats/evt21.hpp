// Prophesee EVT 2.1; the twin and the layout: ranvier/data/formats/evt21.py.
// State as EVT 2.0. Parameter: whether the halves of words are swapped.

inline Found evt21(Bytes bytes, const int64_t* parameters, const int64_t* state, const Columns& out) {
    Found found;
    Watch watch{found, out};
    int64_t high = state[0], wraps = state[1];
    const Pen pen(out);
    const int64_t words = bytes.size / 8, legacy = parameters[0] != 0 ? 4 : 0;
    int64_t i = 0;
    for (; i < words && out.capacity - found.num >= 32; ++i) {
        const uint8_t* from = bytes.data + 8 * i;
        uint32_t mask = little<uint32_t>(from + legacy);
        const uint32_t head = little<uint32_t>(from + 4 - legacy), kind = head >> 28;
        if (kind > 1) {
            count_word(found, kind, EVT2_KNOWN, 8 * i);
            if (kind == 8) take_high(head & 0xFFFFFFF, high, wraps);
            continue;
        }
        ++found.kinds[kind];
        if (high < 0) {
            found.untimed += __builtin_popcount(mask);
            continue;
        }
        const int64_t t = evt2_base(high, wraps) | ((head >> 22) & 63);
        const int32_t x = static_cast<int32_t>((head >> 11) & 0x7FF), y = static_cast<int32_t>(head & 0x7FF);
        int64_t n = found.num;
        for (; mask != 0; mask &= mask - 1, ++n) {
            pen.t[n] = t;
            pen.x[n] = static_cast<int16_t>(x + __builtin_ctz(mask));
            pen.y[n] = static_cast<int16_t>(y);
            pen.polarity[n] = static_cast<uint8_t>(kind);
        }
        place(out, found.num, n - found.num, 8 * i, 0);
        found.num = n;
        watch.now();
    }
    watch.rest();
    found.used = 8 * i;
    found.state[0] = high, found.state[1] = wraps;
    return found;
}
