// What looks at the events before each event: filters that ask for company, and histograms of time surfaces.
#include <algorithm>
#include <limits>
#include <vector>

#include "passes.hpp"

namespace ranvier::passes {
namespace {

constexpr int64_t NEVER = std::numeric_limits<int64_t>::min();

// t - window, never as low as NEVER.
int64_t since(int64_t t, int64_t window) {
    int64_t found;
    return __builtin_sub_overflow(t, window, &found) || found == NEVER ? NEVER + 1 : found;
}

}  // namespace

int64_t supported(const Columns& e, int64_t window, int64_t num, uint8_t* kept) {
    const int64_t wide = e.width + 2;  // a margin that never fires
    std::vector<int64_t> last((e.height + 2) * wide, NEVER);
    for (int64_t i = 0; i < e.num; ++i) {
        if (e.off(i)) return i;
        const int64_t from = since(e.t[i], window);
        int64_t* here = last.data() + (e.y[i] + 1) * wide + e.x[i] + 1;
        const int64_t *up = here - wide, *down = here + wide;
        const int found = (up[-1] >= from) + (up[0] >= from) + (up[1] >= from) + (here[-1] >= from) + (here[1] >= from) +
                          (down[-1] >= from) + (down[0] >= from) + (down[1] >= from);
        kept[i] = found >= num;
        *here = e.t[i];
    }
    return -1;
}

int64_t dense(const Columns& e, int64_t window, int64_t radius, int64_t num, uint8_t* kept) {
    const int64_t wide = e.width + 2 * radius;
    std::vector<uint32_t> recent((e.height + 2 * radius) * wide, 0);  // events of each pixel within the window
    const auto pixel = [&](int64_t i) { return (e.y[i] + radius) * wide + e.x[i] + radius; };
    int64_t oldest = 0;
    for (int64_t i = 0; i < e.num; ++i) {
        if (e.off(i)) return i;
        for (const int64_t from = since(e.t[i], window); oldest < i && e.t[oldest] < from; ++oldest) --recent[pixel(oldest)];
        uint32_t* here = recent.data() + pixel(i);
        int64_t found = -static_cast<int64_t>(*here);
        for (int64_t dy = -radius; dy <= radius; ++dy) {
            const uint32_t* row = here + dy * wide;
            for (int64_t dx = -radius; dx <= radius; ++dx) found += row[dx];
        }
        kept[i] = found >= num;
        ++*here;
    }
    return -1;
}

int64_t hats(const Columns& e, int64_t cell, int64_t radius, const double* weight, int64_t num_weights, double* total,
             int64_t* count) {
    struct Place {
        int64_t t;
        int32_t x, y;
    };
    const int64_t columns = (e.width + cell - 1) / cell, groups = (e.height + cell - 1) / cell * columns * 2;
    const auto group = [&](int64_t i) { return (e.y[i] / cell * columns + e.x[i] / cell) * 2 + e.polarity[i]; };
    for (int64_t i = 0; i < e.num; ++i) {
        if (e.off(i) || e.polarity[i] > 1) return i;
        ++count[group(i)];
    }
    // Events by group, by time within it.
    std::vector<int64_t> next(groups, 0);
    for (int64_t g = 1; g < groups; ++g) next[g] = next[g - 1] + count[g - 1];
    std::vector<Place> places(e.num);
    for (int64_t i = 0; i < e.num; ++i) places[next[group(i)]++] = {e.t[i], e.x[i], e.y[i]};
    const int64_t side = 2 * radius + 1;
    std::vector<double> sums(side * side + 1);  // the last one takes pairs that are too far apart
    const Place* first = places.data();
    for (int64_t g = 0; g < groups; first += count[g++]) {
        if (count[g] < 2) continue;
        std::fill(sums.begin(), sums.end(), 0.0);
        for (const Place* i = first + 1; i < first + count[g]; ++i) {
            for (const Place* j = i; j-- > first;) {
                const uint64_t age = static_cast<uint64_t>(i->t) - static_cast<uint64_t>(j->t);
                if (age >= static_cast<uint64_t>(num_weights)) break;
                const int64_t dx = j->x - i->x + radius, dy = j->y - i->y + radius;
                const bool near = static_cast<uint64_t>(dx) < static_cast<uint64_t>(side) && static_cast<uint64_t>(dy) < static_cast<uint64_t>(side);
                sums[near ? dy * side + dx : side * side] += weight[age];  // weight[0] is 0: ties do not see each other
            }
        }
        std::copy(sums.begin(), sums.end() - 1, total + g * side * side);
    }
    return -1;
}

}  // namespace ranvier::passes
