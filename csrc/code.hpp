// An encoded program: instructions over slots, checked once so that running it can never leave its memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "execute.hpp"

namespace ranvier {

enum class Kind { forward, backward };

// How many slots of each kind a program has, and where each lies. Slots come in the order of the functions below.
struct Layout {
    Kind kind;
    int registers, constants, coefficients, states, outputs;

    int constant(int k) const { return registers + k; }
    int coefficient(int k) const { return constant(constants) + k; }
    int current() const { return coefficient(coefficients); }
    int state_in(int k) const { return current() + 1 + k; }
    // Forward programs go on with:
    int state_out(int k) const { return state_in(states) + k; }
    int output(int k) const { return state_out(states) + k; }
    // Backward programs go on with:
    int grad_state_in(int k) const { return state_in(states) + k; }
    int grad_output(int k) const { return grad_state_in(states) + k; }
    int grad_current() const { return grad_output(outputs); }
    int grad_state_out(int k) const { return grad_current() + 1 + k; }
    int sum(int k) const { return grad_state_out(states) + k; }  // of a coefficient's gradient, over time

    int total() const { return kind == Kind::forward ? output(outputs) : sum(coefficients); }
    int first_result() const { return kind == Kind::forward ? state_out(0) : grad_current(); }
    bool is_sum(int slot) const { return kind == Kind::backward && slot >= sum(0); }
};

struct Code {
    Layout layout;
    std::vector<double> constants;
    std::vector<Instruction> instructions;
    std::vector<bool> in_place;  // per state: whether its new value may be written over the old one

    int fused = -1;               // the fused program that does the same in float, -1 if there is none
    std::vector<int32_t> places;  // what it is bound to, see fused.hpp

    // words: six a instruction. fuse: whether to look for a fused program. Throws std::invalid_argument naming the
    // instruction at fault.
    Code(Layout layout, std::vector<double> constants, const std::vector<int32_t>& words, std::vector<bool> in_place,
         bool fuse);

private:
    void check_counts(size_t num_words) const;
    void check_flow() const;
};

// Names in the order of their numbers.
std::vector<std::string> opcode_names();

}  // namespace ranvier
