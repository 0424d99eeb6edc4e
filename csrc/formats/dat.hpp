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

inline Found dat(Bytes bytes, const int64_t* parameters, const int64_t* state, const Columns& out) {
    Found found;
    Watch watch{found, out};
    int64_t value = state[0], wraps = state[1];
    const int64_t records = smaller(bytes.size / 8, out.capacity);
    for (int64_t i = 0; i < records; i += BLOCK) {
        const int64_t num = smaller(BLOCK, records - i);
        in_blocks(num, [&](auto n) {
            if (parameters[0] == 2) {
                dat_records<14, 14, 28>(bytes.data + 8 * i, n, value, wraps, Pen(out, i));
            } else {
                dat_records<9, 8, 17>(bytes.data + 8 * i, n, value, wraps, Pen(out, i));
            }
        });
        place(out, i, num, 8 * i, 8);
        found.num += num;
        watch.now();
    }
    watch.rest();
    found.used = 8 * records;
    found.state[0] = value, found.state[1] = wraps;
    return found;
}
