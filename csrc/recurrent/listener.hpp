// What neurons hear: the currents I[t] = x[t] + (b + W s[t-1]), as sums over the neurons that fired.
#pragma once

#include <algorithm>
#include <vector>

#include "arena.hpp"
#include "loop.hpp"
#include "stepper.hpp"

namespace ranvier::recurrent {

// Weights and biases as listeners read them, made once a call: row i holds what neuron i adds to all others.
template <class T>
class Wiring {
public:
    explicit Wiring(const ForwardCall<T>& call) : pitch_(padded(call.N)), rows_(static_cast<size_t>(call.N * pitch_), T{0}) {
        constexpr int64_t TILE = 16;
        for (int64_t m0 = 0; m0 < call.N; m0 += TILE) {
            for (int64_t n0 = 0; n0 < call.N; n0 += TILE) {
                for (int64_t n = n0; n < std::min(n0 + TILE, call.N); ++n) {
                    for (int64_t m = m0; m < std::min(m0 + TILE, call.N); ++m) {
                        rows_[static_cast<size_t>(n * pitch_ + m)] = call.weight[m * call.N + n];
                    }
                }
            }
        }
        if (call.bias == nullptr) return;
        bias_.assign(static_cast<size_t>(pitch_), T{0});
        std::copy(call.bias, call.bias + call.N, bias_.begin());
    }
    const T* rows() const { return rows_.data(); }
    const T* bias() const { return bias_.empty() ? nullptr : bias_.data(); }

private:
    const int64_t pitch_;
    std::vector<T> rows_, bias_;
};

template <class T>
class Listener {
public:
    static size_t bytes_needed(int64_t N, int64_t numbers) {
        return Arena::round(static_cast<size_t>(numbers) * sizeof(T)) +
               Arena::round(static_cast<size_t>(padded(N)) * sizeof(int32_t));
    }
    Listener(const ForwardCall<T>& call, const Wiring<T>& wiring, Arena& arena, int64_t numbers)
        : call_(call), wiring_(wiring), x_(arena.take_zeros<T>(numbers)), index_(arena.take<int32_t>(padded(call.N))) {}

    // Args: x: a step's input in the caller's memory. heard, currents: rows of the shape's pitch.
    void listen(const Shape& shape, const T* x, const T* heard, T* currents) {
        const bool direct = shape.pitch == shape.N;  // else a row's padding would be another row, or no memory of ours
        if (!direct) shape.read(x_, x);
        for (int64_t b = 0; b < shape.size; ++b) {
            const T* row = heard + b * shape.pitch;
            const Events events = call_.gather.list(row, shape.N, index_);
            call_.gather.sum(currents + b * shape.pitch, (direct ? x : x_) + b * shape.pitch, wiring_.bias(), events, row, 1,
                             wiring_.rows(), shape.pitch, shape.pitch);
        }
    }

private:
    const ForwardCall<T>& call_;
    const Wiring<T>& wiring_;
    T* x_;
    int32_t* index_;
};

}  // namespace ranvier::recurrent
