#include "linear.hpp"

#include <algorithm>

#include "../bit_run.hpp"
#include "../flush.hpp"
#include "../pool.hpp"
#include "arena.hpp"

namespace ranvier::recurrent {
namespace {

constexpr int64_t CHUNK_BYTES = 512 * 1024;  // of rows that are used again and again, to stay in the second cache
constexpr int64_t TASK_BYTES = 64 * 1024;    // of results that a thread computes at a time
constexpr int64_t GROUP = 64;                // columns that one mask covers
constexpr int64_t AHEAD = 4;                 // rows that are fetched before they are needed

// to (n, m; pitch) = from (m, n), tile by tile.
template <class T>
void transpose(const T* from, int64_t M, int64_t N, int64_t from_pitch, T* to, int64_t to_pitch) {
    constexpr int64_t TILE = 16;
    for (int64_t m0 = 0; m0 < M; m0 += TILE) {
        for (int64_t n0 = 0; n0 < N; n0 += TILE) {
            for (int64_t n = n0; n < std::min(n0 + TILE, N); ++n) {
                for (int64_t m = m0; m < std::min(m0 + TILE, M); ++m) to[n * to_pitch + m] = from[m * from_pitch + n];
            }
        }
    }
}

// Gradients of the weights of some inputs: for every input, the rows at which it was not silent.
template <class T>
class GradientWorker {
public:
    GradientWorker(const GradientCall<T>& call, int64_t columns)
        : call_(call), pitch_(padded(call.M)), chunk_(chunk_for(pitch_)),
          lane_(chunk_ + 17), columns_(columns), arena_(bytes_needed()) {
        sums_ = arena_.template take<T>(columns * pitch_);
        rows_ = arena_.template take<T>(chunk_ * pitch_);
        index_ = arena_.template take<int32_t>(columns * lane_);
        counts_.resize(static_cast<size_t>(columns));
    }

    void run(int64_t first, int64_t size) {
        std::fill(sums_, sums_ + size * pitch_, T{0});
        for (const Part<T>& part : call_.parts) {
            for (int64_t r = 0; r < part.R; r += chunk_) add(part, r, std::min(chunk_, part.R - r), first, size);
        }
        transpose(sums_, size, call_.M, pitch_, call_.out + first, call_.J);
    }

private:
    static int64_t chunk_for(int64_t pitch) {
        return std::max<int64_t>(CHUNK_BYTES / (pitch * static_cast<int64_t>(sizeof(T))), 16);
    }

    size_t bytes_needed() const {
        return Arena::round(static_cast<size_t>(columns_ * pitch_) * sizeof(T)) +
               Arena::round(static_cast<size_t>(chunk_ * pitch_) * sizeof(T)) +
               Arena::round(static_cast<size_t>(columns_ * lane_) * sizeof(int32_t));
    }

    void add(const Part<T>& part, int64_t r, int64_t count, int64_t first, int64_t size) {
        const bool ones = list(part.x, r, count, first, size);
        const T* x = part.x.numbers != nullptr ? part.x.numbers + r * call_.J : nullptr;  // bits are all 1
        const T* grad = part.grad + r * call_.M;
        if (pitch_ != call_.M) {  // a row's padding would be another row, or no memory of ours
            for (int64_t k = 0; k < count; ++k) {
                std::copy(grad + k * call_.M, grad + (k + 1) * call_.M, rows_ + k * pitch_);
                std::fill(rows_ + k * pitch_ + call_.M, rows_ + (k + 1) * pitch_, T{0});
            }
            grad = rows_;
        }
        for (int64_t j = 0; j < size; ++j) {
            const Events events{index_ + j * lane_, counts_[static_cast<size_t>(j)], ones};
            if (events.count == 0) continue;
            T* sum = sums_ + j * pitch_;
            call_.gather.sum(sum, nullptr, sum, events, x == nullptr ? nullptr : x + first + j, call_.J, grad, pitch_, pitch_);
        }
    }

    // Note, for each column, the rows from `begin` on at which it is not zero. Returns whether all numbers there are 1.
    bool list(const Input<T>& x, int64_t begin, int64_t count, int64_t first, int64_t size) {
        std::fill(counts_.begin(), counts_.end(), 0);
        bool ones = true;
        for (int64_t r = 0; r < count; ++r) {
            for (int64_t start = 0; start < size; start += GROUP) {
                const int64_t at = (begin + r) * call_.J + first + start, n = std::min(GROUP, size - start);
                uint64_t left = 0;
                if (x.numbers == nullptr) {
                    left = bits_at(x.codes, at, n);
                } else {
                    // Parts of rows: the processor does not foresee the jump to the next one.
                    const auto* ahead = reinterpret_cast<const char*>(x.numbers + at + std::min(AHEAD, count - 1 - r) * call_.J);
                    for (size_t k = 0; k < GROUP * sizeof(T); k += LINE) __builtin_prefetch(ahead + k);
                    left = call_.gather.mask(x.numbers + at, n, &ones);
                }
                for (; left != 0; left &= left - 1) {
                    const int64_t j = start + __builtin_ctzll(left);
                    index_[j * lane_ + counts_[static_cast<size_t>(j)]++] = static_cast<int32_t>(r);
                }
            }
        }
        return ones;
    }

    const GradientCall<T>& call_;
    const int64_t pitch_, chunk_, lane_, columns_;  // lane_: no power of two, which would crowd few lines of the cache
    Arena arena_;
    T *sums_, *rows_;
    int32_t* index_;
    std::vector<ptrdiff_t> counts_;
};

Events list_bits(const uint8_t* codes, int64_t from, int64_t n, int32_t* index) {
    int32_t* next = index;
    for (int64_t k = 0; k < n; k += 64) {
        for (uint64_t left = bits_at(codes, from + k, std::min<int64_t>(64, n - k)); left != 0; left &= left - 1) {
            *next++ = static_cast<int32_t>(k) + __builtin_ctzll(left);
        }
    }
    return {index, next - index, true};
}

template <class T>
void sum_rows(const GradientCall<T>& call) {
    const FlushDenormals flush;
    std::fill(call.bias, call.bias + call.M, T{0});
    for (const Part<T>& part : call.parts) {
        for (int64_t r = 0; r < part.R; ++r) {
            for (int64_t m = 0; m < call.M; ++m) call.bias[m] += part.grad[r * call.M + m];
        }
    }
}

}  // namespace

template <class T>
void run_linear(const LinearCall<T>& call) {
    const int64_t pitch = padded(call.M), block = std::max<int64_t>(TASK_BYTES / (pitch * static_cast<int64_t>(sizeof(T))), 16);
    std::vector<T> rows(static_cast<size_t>(call.J * pitch), T{0}), bias;
    transpose(call.weight, call.M, call.J, call.J, rows.data(), pitch);
    if (call.bias != nullptr) {
        bias.assign(static_cast<size_t>(pitch), T{0});
        std::copy(call.bias, call.bias + call.M, bias.begin());
    }
    run_tasks((call.R + block - 1) / block, call.threads, [&](Tasks& tasks) {
        const FlushDenormals flush;
        std::vector<int32_t> index(static_cast<size_t>(padded(call.J)));
        std::vector<T> staged(static_cast<size_t>(pitch)), row;
        for (int64_t task; tasks.take(task);) {
            for (int64_t r = task * block; r < std::min((task + 1) * block, call.R); ++r) {
                const T* x = call.x.numbers != nullptr ? call.x.numbers + r * call.J : nullptr;
                if (x == nullptr && !call.x.bits) {  // bytes: a row at a time becomes numbers
                    row.assign(call.x.codes + r * call.J, call.x.codes + (r + 1) * call.J);
                    x = row.data();
                }
                T* out = pitch == call.M ? call.out + r * call.M : staged.data();
                const Events events = x != nullptr ? call.gather.list(x, call.J, index.data())
                                                   : list_bits(call.x.codes, r * call.J, call.J, index.data());
                call.gather.sum(out, nullptr, bias.empty() ? nullptr : bias.data(), events, x, 1, rows.data(), pitch, pitch);
                if (pitch != call.M) std::copy(out, out + call.M, call.out + r * call.M);
            }
        }
    });
}

template <class T>
void run_gradient(const GradientCall<T>& call) {
    const int64_t pitch = padded(call.M), item = sizeof(T);
    // A few groups of inputs for every thread; fewer inputs at a time where their sums would leave the cache.
    const int64_t fits = std::max<int64_t>(2 * CHUNK_BYTES / (pitch * item) / GROUP, 1) * GROUP;
    const int64_t share = (call.J + call.threads - 1) / call.threads;
    const int64_t columns = std::min(fits, std::max<int64_t>((share + GROUP - 1) / GROUP, 1) * GROUP);
    run_tasks((call.J + columns - 1) / columns, call.threads, [&](Tasks& tasks) {
        const FlushDenormals flush;
        GradientWorker<T> worker(call, columns);
        for (int64_t task; tasks.take(task);) worker.run(task * columns, std::min(columns, call.J - task * columns));
    });
    if (call.bias != nullptr) sum_rows(call);
}

template void run_linear<float>(const LinearCall<float>&);
template void run_linear<double>(const LinearCall<double>&);
template void run_gradient<float>(const GradientCall<float>&);
template void run_gradient<double>(const GradientCall<double>&);

}  // namespace ranvier::recurrent
