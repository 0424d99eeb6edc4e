#include "sums.hpp"

#include <algorithm>
#include <cstring>

#include "flush.hpp"
#include "pool.hpp"

namespace ranvier {
namespace {

constexpr int LANES = 8;

// The order of additions depends on the length alone.
template <class T>
double total(const T* numbers, int64_t count) {
    double lanes[LANES] = {};
    int64_t n = 0;
    for (; n + LANES <= count; n += LANES) {
        for (int j = 0; j < LANES; ++j) lanes[j] += static_cast<double>(numbers[n + j]);
    }
    for (int j = 0; n + j < count; ++j) lanes[j] += static_cast<double>(numbers[n + j]);
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

template <class T>
void total_of_groups(const char* row, int64_t size, double* groups) {
    const T* numbers = reinterpret_cast<const T*>(row);
    for (int64_t n = 0; n < size; n += GRAIN) *groups++ = total(numbers + n, std::min<int64_t>(GRAIN, size - n));
}

// Add up, for each of the values [first, last), what the neurons that read it have gathered.
template <class T>
void total_of_values(const char* row, const Coefficient& c, int64_t N, int64_t first, int64_t last, char* out) {
    const T* numbers = reinterpret_cast<const T*>(row);
    std::vector<double> totals(static_cast<size_t>(last - first), 0.0);
    for (int64_t start = 0; start < N; start += c.count * c.inner) {
        for (int64_t k = first; k < last; ++k) {
            const int64_t begin = start + k * c.inner;
            if (begin >= N) break;
            totals[static_cast<size_t>(k - first)] += total(numbers + begin, std::min(c.inner, N - begin));
        }
    }
    T* result = reinterpret_cast<T*>(out);
    for (int64_t k = first; k < last; ++k) result[k] = static_cast<T>(totals[static_cast<size_t>(k - first)]);
}

}  // namespace

Sums::Sums(const BackwardCall& call) : call_(call), groups_(call.coefficients.size()), rows_(call.coefficients.size()) {
    for (size_t k = 0; k < call.coefficients.size(); ++k) {
        if (call.coefficients[k].count == 1) {
            groups_[k].resize(static_cast<size_t>((call.N + GRAIN - 1) / GRAIN));
        } else {
            rows_[k].resize(static_cast<size_t>(call.N * call.item));
        }
    }
}

void Sums::add(int coefficient, int64_t begin, int64_t size, const char* row) {
    const auto k = static_cast<size_t>(coefficient);
    if (call_.coefficients[k].count > 1) {
        std::memcpy(rows_[k].data() + begin * call_.item, row, static_cast<size_t>(size * call_.item));
    } else if (call_.item == 4) {
        total_of_groups<float>(row, size, groups_[k].data() + begin / GRAIN);
    } else {
        total_of_groups<double>(row, size, groups_[k].data() + begin / GRAIN);
    }
}

void Sums::finish(int threads) {
    for (size_t k = 0; k < call_.coefficients.size(); ++k) {
        const Coefficient& c = call_.coefficients[k];
        char* out = call_.grad_coefficients[k];
        if (c.count == 1) {
            const double sum = total(groups_[k].data(), static_cast<int64_t>(groups_[k].size()));
            if (call_.item == 4) {
                *reinterpret_cast<float*>(out) = static_cast<float>(sum);
            } else {
                *reinterpret_cast<double*>(out) = sum;
            }
            continue;
        }
        const int64_t chunk = std::max<int64_t>(16, c.count / 64);
        run_tasks((c.count + chunk - 1) / chunk, threads, [&](Tasks& tasks) {
            const FlushDenormals flush;
            const auto add_up = call_.item == 4 ? total_of_values<float> : total_of_values<double>;
            for (int64_t task; tasks.take(task);) {
                add_up(rows_[k].data(), c, call_.N, task * chunk, std::min((task + 1) * chunk, c.count), out);
            }
        });
    }
}

}  // namespace ranvier
