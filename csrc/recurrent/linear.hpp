// Products with matrices that are mostly zeros, such as spikes: a layer's forward product and its weight gradient.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.hpp"

namespace ranvier::recurrent {

// A matrix (rows, J), row after row: numbers, or spikes kept as bytes, or as bits in bytes from the lowest on.
template <class T>
struct Input {
    const T* numbers = nullptr;
    const uint8_t* codes = nullptr;  // if there are no numbers
    bool bits = false;
};

// out (R, M) = bias + x (R, J) W^T, W (M, J). Sums over j in ascending order, starting from the bias.
template <class T>
struct LinearCall {
    Gather<T> gather;
    int threads = 1;
    int64_t R = 0, J = 0, M = 0;
    Input<T> x;
    const T *weight = nullptr, *bias = nullptr;
    T* out = nullptr;
};

// Rows of an input, numbers or bits, and what the gradient of the output was there.
template <class T>
struct Part {
    Input<T> x;
    const T* grad;
    int64_t R;
};

// out (M, J) = sum over the rows of all parts, in their order, of grad (R, M)^T x (R, J); bias (M,) = sum of grad.
template <class T>
struct GradientCall {
    Gather<T> gather;
    int threads = 1;
    int64_t J = 0, M = 0;
    std::vector<Part<T>> parts;
    T *out = nullptr, *bias = nullptr;  // bias may be null
};

template <class T>
void run_linear(const LinearCall<T>& call);
template <class T>
void run_gradient(const GradientCall<T>& call);

}  // namespace ranvier::recurrent
