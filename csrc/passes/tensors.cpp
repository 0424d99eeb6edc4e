// The check of every event, frames and voxel grids.
#include <algorithm>
#include <cstring>
#include <vector>

#include "passes.hpp"

namespace ranvier::passes {
namespace {

constexpr double ONE = 4294967296.0;            // weights are whole multiples of 2^-32
constexpr double ROUND = 6755399441055744.0;    // added and taken away: rounds numbers below 2^51 to even

// Times of a hostile recording may be anything: differences and products wrap around.
int64_t minus(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b)); }
int64_t times(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b)); }

// One frame; T counts, as float or as an integer.
template <class T>
int64_t count(Columns e, int64_t first, int64_t last, int64_t shrink, int64_t small_width, int64_t plane, T* cells) {
    for (int64_t i = first; i < last; ++i) {
        if (e.off(i) || e.polarity[i] > 1) return i;
        int64_t x = e.x[i], y = e.y[i];
        if (shrink != 1) x /= shrink, y /= shrink;
        cells[e.polarity[i] * plane + y * small_width + x] += 1;
    }
    return -1;
}

}  // namespace

int64_t unsound(const Columns& events) {
    constexpr int64_t STRETCH = 256;  // judged together, without branches
    for (int64_t first = 0; first < events.num; first += STRETCH) {
        const int64_t last = std::min(first + STRETCH, events.num);
        bool bad = false;
        for (int64_t i = first; i < last; ++i) bad |= events.off(i) | (events.polarity[i] > 1);
        for (int64_t i = std::max<int64_t>(first, 1); i < last; ++i) bad |= events.t[i] < events.t[i - 1];
        if (!bad) continue;
        for (int64_t i = first; i < last; ++i) {
            if (events.off(i) || events.polarity[i] > 1 || (i && events.t[i] < events.t[i - 1])) return i;
        }
    }
    return -1;
}

int64_t frames(const Columns& e, const int64_t* borders, int64_t num_frames, int64_t shrink, int64_t exact, float* out) {
    const int64_t width = (e.width + shrink - 1) / shrink, plane = (e.height + shrink - 1) / shrink * width;
    std::vector<uint32_t> whole;
    for (int64_t k = 0; k < num_frames; ++k, out += 2 * plane) {
        int64_t bad;
        if (borders[k + 1] - borders[k] < exact) {
            std::memset(out, 0, sizeof(float) * 2 * plane);
            bad = count(e, borders[k], borders[k + 1], shrink, width, plane, out);
        } else {
            whole.assign(2 * plane, 0);
            bad = count(e, borders[k], borders[k + 1], shrink, width, plane, whole.data());
            std::copy(whole.begin(), whole.end(), out);
        }
        if (bad >= 0) return bad;
    }
    return -1;
}

void borders(const Columns& e, int64_t start, int64_t step, int64_t parts, int64_t cap, int64_t num_frames, int64_t* out) {
    const int64_t* from = e.t;
    for (int64_t k = 0; k <= num_frames; ++k) {
        const auto whole = (static_cast<unsigned __int128>(k) * static_cast<uint64_t>(step) + static_cast<uint64_t>(parts - 1)) / static_cast<uint64_t>(parts);
        const int64_t mark = whole < static_cast<uint64_t>(cap) ? static_cast<int64_t>(whole) : cap;
        if (e.t == nullptr) {
            out[k] = mark;
            continue;
        }
        int64_t time;
        if (__builtin_add_overflow(start, mark, &time)) time = start < 0 ? INT64_MIN : INT64_MAX;
        from = std::lower_bound(from, e.t + e.num, time);
        out[k] = from - e.t;
    }
}

int64_t voxels(const Columns& events, int64_t start, int64_t span, int64_t num_bins, int64_t channels, float* out) {
    const Columns e = events;  // a copy of its own, which no write can change
    const int64_t plane = e.height * e.width, size = channels * plane, steps = std::max<int64_t>(num_bins - 1, 1);
    const double unit = ONE / static_cast<double>(std::max<int64_t>(span, 1));
    // Time never falls, so of all bins only two are open: bin `low` and the one after it.
    std::vector<double> open(2 * size, 0.0);
    double *lower = open.data(), *upper = lower + size;
    int64_t low = 0, low_time = 0;  // low_time: low * span
    const auto close = [&] {
        for (int64_t c = 0; c < size; ++c) out[c] = static_cast<float>(lower[c] * (1 / ONE));
        out += size;
        std::fill(lower, lower + size, 0.0);
        std::swap(lower, upper);
    };
    const int64_t later = std::max<int64_t>(span, 1);
    const bool split = channels == 2;
    for (int64_t i = 0; i < e.num; ++i) {
        const int64_t polarity = e.polarity[i];
        if (e.off(i) || polarity > 1) return i;
        const int64_t place = times(minus(e.t[i], start), num_bins - 1);
        while (low < steps - 1 && minus(place, low_time) >= later) {
            close();
            low_time = times(span, ++low);
        }
        const double above = static_cast<double>(minus(place, low_time)) * unit + ROUND - ROUND;
        const double sign = split ? 1.0 : static_cast<double>(2 * polarity - 1);
        const int64_t cell = e.y[i] * e.width + e.x[i] + (split ? polarity * plane : 0);
        lower[cell] += (ONE - above) * sign;
        upper[cell] += above * sign;
    }
    for (; low < num_bins; ++low) close();
    return -1;
}

}  // namespace ranvier::passes
