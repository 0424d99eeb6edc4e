#include "sums.hpp"

#include <algorithm>
#include <cstring>

#include "block.hpp"
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

Sums::Sums(const BackwardCall& call)
    : call_(call), grain_(grain_of(call.normal)), groups_(call.coefficients.size()), rows_(call.coefficients.size()) {
    if (call.normal.scale != nullptr) {
        // Neurons left over below GRAIN are a range of their own, behind the last grain.
        const auto grains = static_cast<size_t>((call.N + grain_ - 1) / grain_ + 1);
        for (int k = 0; k < 2; ++k) {
            if (call.normal.inner == 1) {
                columns_[k].resize(grains * static_cast<size_t>(call.normal.count));
            } else {
                normal_rows_[k].resize(static_cast<size_t>(call.N * call.item));
            }
        }
    }
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

void Sums::add_normal(int64_t begin, int64_t size, const char* sum, const char* product) {
    const char* rows[2] = {sum, product};
    for (int k = 0; k < 2; ++k) {
        if (call_.normal.inner > 1) {
            std::memcpy(normal_rows_[k].data() + begin * call_.item, rows[k], static_cast<size_t>(size * call_.item));
            continue;
        }
        const auto add_up = call_.normals->rows(Format::own, call_.item).add_up;
        const int64_t count = call_.normal.count;
        const bool is_rest = begin % grain_ != 0 || size < GRAIN;
        for (int64_t n = 0; n < size; n += grain_) {
            const int64_t grain = is_rest ? (call_.N + grain_ - 1) / grain_ : (begin + n) / grain_;
            double* columns = columns_[k].data() + grain * count;
            for (int64_t end = std::min(n + grain_, size), m = n; m < end;) {
                const int64_t first = (begin + m) % count, several = std::min(count - first, end - m);
                add_up(rows[k] + m * call_.item, columns + first, several);
                m += several;
            }
        }
    }
}

void Sums::finish(int threads) {
    for (size_t k = 0; k < call_.coefficients.size(); ++k) {
        const Coefficient& c = call_.coefficients[k];
        char* out = call_.grad_coefficients[k];
        if (c.count > 1) {
            finish(c, rows_[k], out, threads);
            continue;
        }
        const double sum = total(groups_[k].data(), static_cast<int64_t>(groups_[k].size()));
        if (call_.item == 4) {
            *reinterpret_cast<float*>(out) = static_cast<float>(sum);
        } else {
            *reinterpret_cast<double*>(out) = sum;
        }
    }
    const Normal& normal = call_.normal;
    if (normal.scale == nullptr) return;
    char* outs[2] = {normal.sum, normal.product};
    for (int k = 0; k < 2; ++k) {
        if (normal.inner == 1) {
            finish_columns(columns_[k], outs[k]);
        } else {
            finish({nullptr, normal.count, normal.inner}, normal_rows_[k], outs[k], threads);
        }
    }
}

void Sums::finish(const Coefficient& c, const std::vector<char>& rows, char* out, int threads) {
    const int64_t chunk = std::max<int64_t>(16, c.count / 64);
    run_tasks((c.count + chunk - 1) / chunk, threads, [&](Tasks& tasks) {
        const FlushDenormals flush;
        const auto add_up = call_.item == 4 ? total_of_values<float> : total_of_values<double>;
        for (int64_t task; tasks.take(task);) {
            add_up(rows.data(), c, call_.N, task * chunk, std::min((task + 1) * chunk, c.count), out);
        }
    });
}

void Sums::finish_columns(const std::vector<double>& columns, char* out) {
    const auto count = static_cast<size_t>(call_.normal.count);
    std::vector<double> totals(count);
    for (size_t row = 0; row < columns.size(); row += count) {
        for (size_t c = 0; c < count; ++c) totals[c] += columns[row + c];
    }
    for (size_t c = 0; c < count; ++c) {
        if (call_.item == 4) {
            reinterpret_cast<float*>(out)[c] = static_cast<float>(totals[c]);
        } else {
            reinterpret_cast<double*>(out)[c] = totals[c];
        }
    }
}

}  // namespace ranvier
