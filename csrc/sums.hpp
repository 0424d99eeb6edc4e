// Gradients of coefficients: summed over neurons without races, the same to the last bit for any threads and blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "run.hpp"

namespace ranvier {

// Collects each block's sums over time, then adds them up over neurons in an order fixed by N alone.
class Sums {
public:
    explicit Sums(const BackwardCall& call);

    // Take the sums over time of neurons [begin, begin + size), begin a multiple of GRAIN. Blocks may come from any
    // thread in any order.
    void add(int coefficient, int64_t begin, int64_t size, const char* row);
    // Write the gradients.
    void finish(int threads);

private:
    const BackwardCall& call_;
    std::vector<std::vector<double>> groups_;  // of one value for all: a sum for each GRAIN neurons
    std::vector<std::vector<char>> rows_;      // of many values: what each neuron gathered
};

}  // namespace ranvier
