// AEDAT 2.0; the twin and the layout: ranvier/data/formats/aedat2.py.
// State as DAT. Parameters: 1 for DAVIS, 0 for DVS128; what x and y are subtracted from (-1: they are not).

struct Aedat2 {
    bool davis;
    int64_t x_from, y_from;

    uint32_t dropped() const { return davis ? 0x80000400 : 0xFFFF8000; }
    int16_t x(uint32_t a) const {
        const int32_t x = static_cast<int32_t>(davis ? (a >> 12) & 0x3FF : (a >> 1) & 127);
        return static_cast<int16_t>(x_from < 0 ? x : static_cast<int32_t>(x_from) - x);
    }
    int16_t y(uint32_t a) const {
        const int32_t y = static_cast<int32_t>(davis ? (a >> 22) & 0x1FF : (a >> 8) & 127);
        return static_cast<int16_t>(y_from < 0 ? y : static_cast<int32_t>(y_from) - y);
    }
    uint8_t polarity(uint32_t a) const { return static_cast<uint8_t>(davis ? (a >> 11) & 1 : ~a & 1); }
};

// Gives how many of `num` words are events.
template <class N>
inline int64_t aedat2_words(const uint8_t* __restrict from, N num, const Aedat2 l, int64_t& value, int64_t& wraps, Pen pen,
                            uint8_t* __restrict kept) {
    alignas(64) int64_t raw[BLOCK], times[BLOCK];
    alignas(64) uint32_t address[BLOCK];
    for (int64_t i = 0; i < num; ++i) raw[i] = static_cast<int64_t>(big64(from + 8 * i) & 0xFFFFFFFF);
    for (int64_t i = 0; i < num; ++i) address[i] = static_cast<uint32_t>(big64(from + 8 * i) >> 32);
    uint32_t any = 0;
    for (int64_t i = 0; i < num; ++i) any |= address[i] & l.dropped();
    if (any == 0) {
        unroll(raw, num, value, wraps, pen.t);
        for (int64_t i = 0; i < num; ++i) pen.x[i] = l.x(address[i]);
        for (int64_t i = 0; i < num; ++i) pen.y[i] = l.y(address[i]);
        for (int64_t i = 0; i < num; ++i) pen.polarity[i] = l.polarity(address[i]);
        for (int64_t i = 0; i < num; ++i) kept[i] = 1;
        return num;
    }
    unroll(raw, num, value, wraps, times);
    int64_t n = 0;
    for (int64_t i = 0; i < num; ++i) {
        const uint32_t a = address[i];
        pen.t[n] = times[i], pen.x[n] = l.x(a), pen.y[n] = l.y(a), pen.polarity[n] = l.polarity(a);
        kept[i] = (a & l.dropped()) == 0;
        n += kept[i];
    }
    return n;
}

inline Found aedat2(Bytes bytes, const int64_t* parameters, const int64_t* state, const Columns& out) {
    Found found;
    Watch watch{found, out};
    int64_t value = state[0], wraps = state[1];
    const Aedat2 layout{parameters[0] != 0, parameters[1], parameters[2]};
    const int64_t records = smaller(bytes.size / 8, out.capacity);
    uint8_t kept[BLOCK];
    for (int64_t i = 0; i < records; i += BLOCK) {
        const int64_t num = smaller(BLOCK, records - i);
        const uint8_t* from = bytes.data + 8 * i;
        int64_t events = 0;
        in_blocks(num, [&](auto n) { events = aedat2_words(from, n, layout, value, wraps, Pen(out, found.num), kept); });
        if (events < num) {
            found.others += num - events;
            for (int64_t k = 0; k < num && layout.davis; ++k) found.frames += from[8 * k] >> 7;
        }
        if (out.at != nullptr) {
            int64_t n = found.num;
            for (int64_t k = 0; k < num; ++k) {
                if (kept[k] != 0) out.at[n++] = static_cast<uint32_t>(8 * (i + k));
            }
        }
        found.num += events;
        watch.now();
    }
    watch.rest();
    found.used = 8 * records;
    found.state[0] = value, found.state[1] = wraps;
    return found;
}
