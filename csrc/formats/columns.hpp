// What the decoders share: numbers read from bytes at any address, and the bounds of what was written.
// Included by variant.cpp only, inside its namespace: compiled once for each instruction set.

constexpr int64_t BLOCK = 64;      // words that are decoded by loops without branches
constexpr int64_t STRETCH = 1024;  // events after which bounds are taken, while they are still in the first cache

template <class T>
inline T little(const uint8_t* from) {
    T value;
    std::memcpy(&value, from, sizeof(T));
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "the decoders are written for little-endian processors"
#endif
    return value;
}

inline uint32_t big32(const uint8_t* from) { return __builtin_bswap32(little<uint32_t>(from)); }
inline uint64_t big64(const uint8_t* from) { return __builtin_bswap64(little<uint64_t>(from)); }

// The columns from event `from` on, told apart: bytes may alias anything, and would make the compiler load all anew.
struct Pen {
    int64_t* __restrict t;
    int16_t* __restrict x;
    int16_t* __restrict y;
    uint8_t* __restrict polarity;

    explicit Pen(const Columns& out, int64_t from = 0)
        : t(out.t + from), x(out.x + from), y(out.y + from), polarity(out.polarity + from) {}
};

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

inline void range_of(const int16_t* values, int64_t num, int64_t& low, int64_t& high) {
    int16_t least = values[0], most = values[0];
    for (int64_t i = 0; i < num; ++i) {
        least = values[i] < least ? values[i] : least;
        most = values[i] > most ? values[i] : most;
    }
    low = least, high = most;
}

// Widens bounds by the times from `from` to `to`, which never fall.
inline void widen_rising(Bounds& b, const Columns& c, int64_t from, int64_t to) {
    const int64_t first = c.t[from], last = c.t[to - 1];
    if (from == 0) b.t_first = first;
    b.rising &= from == 0 || first >= b.t_last;
    b.t_low = smaller(b.t_low, first), b.t_high = larger(b.t_high, last), b.t_last = last;
}

inline void widen_times(Bounds& b, const Columns& c, int64_t from, int64_t to) {
    int any = 0;
    for (int64_t i = from + 1; i < to; ++i) any |= c.t[i] < c.t[i - 1];
    if (any == 0) return widen_rising(b, c, from, to);
    if (from == 0) b.t_first = c.t[0];
    for (int64_t i = from; i < to; ++i) b.t_low = smaller(b.t_low, c.t[i]), b.t_high = larger(b.t_high, c.t[i]);
    b.rising = false, b.t_last = c.t[to - 1];
}

inline void widen_pixels(Bounds& b, bool first, int64_t x_low, int64_t x_high, int64_t y_low, int64_t y_high, int64_t p_high) {
    if (first) b.x_low = x_low, b.x_high = x_high, b.y_low = y_low, b.y_high = y_high;
    b.x_low = smaller(b.x_low, x_low), b.x_high = larger(b.x_high, x_high);
    b.y_low = smaller(b.y_low, y_low), b.y_high = larger(b.y_high, y_high);
    b.p_high = larger(b.p_high, p_high);
}

// Widens bounds by the events from `from` to `to`.
inline void widen(Bounds& b, const Columns& c, int64_t from, int64_t to) {
    for (; from < to; from += STRETCH) {
        const int64_t num = smaller(STRETCH, to - from);
        widen_times(b, c, from, from + num);
        int64_t x_low, x_high, y_low, y_high;
        range_of(c.x + from, num, x_low, x_high);
        range_of(c.y + from, num, y_low, y_high);
        uint8_t most = 0;
        for (int64_t i = from; i < from + num; ++i) most = c.polarity[i] > most ? c.polarity[i] : most;
        widen_pixels(b, from == 0, x_low, x_high, y_low, y_high, most);
    }
}

inline Bounds bounds(const Columns& columns, int64_t num) {
    Bounds found;
    widen(found, columns, 0, num);
    return found;
}

// Takes bounds as events are added, a stretch at a time.
struct Watch {
    Found& found;
    const Columns& out;
    int64_t seen = 0;

    void now() {
        if (found.num - seen >= STRETCH) rest();
    }
    void rest() {
        widen(found.bounds, out, seen, found.num);
        seen = found.num;
    }
};

// Runs `f` for a block of constant length, which loops without ends, or for what is left of one.
template <class F>
inline void in_blocks(int64_t num, F f) {
    if (num == BLOCK) {
        f(std::integral_constant<int64_t, BLOCK>());
    } else {
        f(num);
    }
}

inline void place(const Columns& out, int64_t from, int64_t num, int64_t first, int64_t step) {
    if (out.at == nullptr) return;
    for (int64_t i = 0; i < num; ++i) out.at[from + i] = static_cast<uint32_t>(first + step * i);
}

// The words of EVT: how many there are of each type, and the first of a type that does not exist.
inline void count_word(Found& found, uint32_t kind, uint32_t known, int64_t at) {
    ++found.kinds[kind];
    if (((known >> kind) & 1) == 0 && found.first_unknown < 0) found.first_unknown = at;
}
