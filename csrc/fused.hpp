// Fused programs: whole steps as one loop, their values in SIMD registers from the first load to the last store.
//
// Which steps: the list in fused_programs.hpp. How they are recognised: shape.hpp.
#pragma once

#include "execute.hpp"

namespace ranvier {

// An instruction of a fused program. Its operands: value k of the program is k, operand k in memory is -1 - k.
struct Fused {
    int32_t opcode, a, b, c, d;
};

// An ExecuteFused runs over rows of n numbers, n a multiple of GRAIN. `places` names the slot of each operand in memory
// in the order of their first use, then the slot of each result. The row of a slot that is `streamed` is aligned to a
// cache line.

}  // namespace ranvier
