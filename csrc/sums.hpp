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
    // The same of the two sums that a normalisation needs, begin a multiple of grain_of(call.normal) or the last range.
    void add_normal(int64_t begin, int64_t size, const char* sum, const char* product);
    // Write the gradients.
    void finish(int threads);

private:
    void finish(const Coefficient& c, const std::vector<char>& rows, char* out, int threads);
    void finish_columns(const std::vector<double>& columns, char* out);

    const BackwardCall& call_;
    const int64_t grain_;                // of the normalisation
    std::vector<double> columns_[2];     // where its channels lie side by side: for each grain, a total for each channel
    std::vector<char> normal_rows_[2];   // where they do not: what each neuron gathered
    std::vector<std::vector<double>> groups_;  // of one value for all: a sum for each GRAIN neurons
    std::vector<std::vector<char>> rows_;      // of many values: what each neuron gathered
};

}  // namespace ranvier
