// What the instruction-set variants of the interpreter share with the rest.
#pragma once

#include <cstddef>
#include <cstdint>

#include "halves.hpp"
#include "normal.hpp"

namespace ranvier {

constexpr ptrdiff_t GRAIN = 64;  // rows are worked on in multiples of this many numbers

struct Instruction {
    int32_t opcode, target, a, b, c, d;  // slots; those beyond the arity are unused
};

// How a fused program takes a row from the caller's memory, or puts one there, where the two are not the same.
struct Lens {
    Format format = Format::own;  // or bfloat16
    // What is read is normalised, where there is a scale: y = x * scale + shift.
    const char *scale = nullptr, *shift = nullptr;
    // What is written is added up, where there is a sum: sum += g, product += g * (x - center), x of this format as well.
    const char *x = nullptr, *center = nullptr;
    char *sum = nullptr, *product = nullptr;
};

// Where an operand lies: a row of numbers (step 1), or one number repeated over 64 bytes (step 0).
struct Slot {
    char* data;
    ptrdiff_t step;
    bool streamed = false;  // results of fused programs: the row goes around the caches
    bool moves = false;     // the next stretch of neurons is further on, not in the same place again
    Lens* lens = nullptr;   // rows of fused programs only, if every constant and coefficient is one number
};

// Memory that the next step will read: fetched a few lines at a time between the arithmetic of this one, so that
// memory and arithmetic overlap. (All at once would fill the queue of open misses and stall.)
struct Ahead {
    const char* next = nullptr;
    const char* end = nullptr;
};

// Run instructions over rows of n numbers, n a multiple of GRAIN.
using Execute = void (*)(const Instruction* code, int count, const Slot* slots, ptrdiff_t n, Ahead ahead);

// Run a fused program; see fused.hpp.
using ExecuteFused = void (*)(const Slot* slots, const int32_t* places, ptrdiff_t n, Ahead ahead);

#define RANVIER_JOIN(a, b) a##b
#define RANVIER_FUSED_TABLE(variant) RANVIER_JOIN(FUSED_, variant)
#define RANVIER_HALVES(variant) RANVIER_JOIN(HALVES_, variant)
#define RANVIER_NORMALS(variant) RANVIER_JOIN(NORMALS_, variant)

struct Variant {
    const char* name;
    Execute on_float, on_double;
    const ExecuteFused* fused_on_float;  // by number, as found by find_fused
    const Halves* halves;
    const Normals* normals;
    bool (*usable)();  // whether this processor has the instructions
};

extern const Variant BASELINE;
#ifdef RANVIER_X86
extern const Variant AVX2;
extern const Variant AVX512;
#endif

}  // namespace ranvier
