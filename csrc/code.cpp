#include "code.hpp"

#include <stdexcept>
#include <utility>

#include "opcodes.hpp"
#include "shape.hpp"

namespace ranvier {
namespace {

constexpr int WORDS = 6;         // an instruction
constexpr int MOST_OF_ANY = 1 << 12;

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument("encoded program: " + what); }

}  // namespace

Code::Code(Layout layout_, std::vector<double> constants_, const std::vector<int32_t>& words,
           std::vector<bool> in_place_, bool fuse)
    : layout(layout_), constants(std::move(constants_)), in_place(std::move(in_place_)) {
    layout.constants = static_cast<int>(constants.size());
    check_counts(words.size());
    for (size_t k = 0; k < words.size(); k += WORDS) {
        Instruction i{words[k], words[k + 1], words[k + 2], words[k + 3], words[k + 4], words[k + 5]};
        if (i.opcode < 0 || i.opcode >= NUM_OPCODES) {
            refuse("expected an opcode below " + std::to_string(NUM_OPCODES) + " in instruction " +
                   std::to_string(k / WORDS) + ", got " + std::to_string(i.opcode));
        }
        const int n = arity(i.opcode);
        if (n < 2) i.b = i.a;
        if (n < 3) i.c = i.a;
        if (n < 4) i.d = i.a;
        instructions.push_back(i);
    }
    check_flow();
    if (fuse) {
        Shape shape(*this);
        fused = find_fused(shape);
        if (fused >= 0) places = std::move(shape.places);
    }
}

void Code::check_counts(size_t num_words) const {
    for (int count : {layout.registers, layout.constants, layout.coefficients, layout.states, layout.outputs}) {
        if (count < 0 || count > MOST_OF_ANY) {
            refuse("expected counts from 0 to " + std::to_string(MOST_OF_ANY) + ", got " + std::to_string(count));
        }
    }
    if (num_words % WORDS != 0) {
        refuse("expected six words an instruction, got " + std::to_string(num_words) + " words");
    }
    if (in_place.size() != static_cast<size_t>(layout.states)) {
        refuse("expected one in-place flag a state, got " + std::to_string(in_place.size()));
    }
}

// Slots exist, are written before they are read, every result is written, and no old state is read after its place
// was taken by the new one.
void Code::check_flow() const {
    const int total = layout.total(), first_result = layout.first_result();
    std::vector<bool> known(static_cast<size_t>(total), false);
    for (int s = layout.registers; s < total; ++s) {
        known[static_cast<size_t>(s)] = s < first_result || layout.is_sum(s);
    }
    const bool forward = layout.kind == Kind::forward;
    const int old_state = forward ? layout.state_in(0) : layout.grad_state_in(0);
    const int new_state = forward ? layout.state_out(0) : layout.grad_state_out(0);
    for (size_t k = 0; k < instructions.size(); ++k) {
        const Instruction& i = instructions[k];
        const std::string where = " in instruction " + std::to_string(k);
        for (int s : {i.a, i.b, i.c, i.d}) {
            if (s < 0 || s >= total || !known[static_cast<size_t>(s)]) {
                refuse("expected operands that have a value" + where + ", got slot " + std::to_string(s));
            }
        }
        const int t = i.target;
        if (t < 0 || t >= total || (t >= layout.registers && t < first_result)) {
            refuse("expected a register or a result as target" + where + ", got slot " + std::to_string(t));
        }
        known[static_cast<size_t>(t)] = true;
        if (t >= new_state && t < new_state + layout.states && in_place[static_cast<size_t>(t - new_state)]) {
            known[static_cast<size_t>(old_state + t - new_state)] = false;
        }
    }
    for (int s = first_result; s < total; ++s) {
        if (!known[static_cast<size_t>(s)]) refuse("expected every result to be written, slot " + std::to_string(s) + " is not");
    }
}

std::vector<std::string> opcode_names() {
#define RANVIER_NAME(name, ...) #name,
    return {RANVIER_VECTOR_1(RANVIER_NAME) RANVIER_FUNCTION_1(RANVIER_NAME) RANVIER_VECTOR_2(RANVIER_NAME)
                RANVIER_FUNCTION_2(RANVIER_NAME) RANVIER_VECTOR_3(RANVIER_NAME) RANVIER_VECTOR_4(RANVIER_NAME)};
#undef RANVIER_NAME
}

}  // namespace ranvier
