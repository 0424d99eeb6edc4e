// The shape of an encoded program: what it computes, whatever slots it uses and whatever its constants are.
//
// Two programs of one shape do the same arithmetic on their operands, so one fused loop serves both.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "code.hpp"
#include "fused.hpp"

namespace ranvier {

struct Shape {
    std::string kinds;             // of each operand in memory: 'u' constant or coefficient, 'r' a row
    std::vector<Fused> code;       // in the notation of fused.hpp
    std::vector<int32_t> results;  // the value that each result takes
    std::vector<int32_t> places;   // slots of the operands, then of the results

    explicit Shape(const Code& code);
    // As an entry of fused_programs.hpp, without its name.
    std::string text() const;
};

// The place of a program of this shape in the table of fused programs, -1 if there is none.
int find_fused(const Shape& shape);
std::string fused_name(int index);

}  // namespace ranvier
