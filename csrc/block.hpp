// A block of neurons: how work is cut into blocks, and the scratch memory and slots that blocks are worked on with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "run.hpp"

namespace ranvier {

constexpr ptrdiff_t LINE = 64;                  // bytes of a cache line, and of the widest SIMD register
constexpr ptrdiff_t FIRST_CACHE = 24 * 1024;    // what rows in use at once may take of the smallest L1 (32 KB)
constexpr ptrdiff_t SECOND_CACHE = 512 * 1024;  // what the history of a block may take of the smallest L2 (1 MB)
constexpr int64_t STREAMED = 4 * 1024 * 1024;   // bytes from which on results go around the caches
constexpr int64_t SMALL_WORK = 32 * 1024;       // neuron-steps below which waking a thread costs more than it brings

// Neurons [begin, begin + size). All blocks but the last hold a multiple of GRAIN neurons.
struct Range {
    int64_t begin, size;
};

// Cuts N neurons into blocks of `block`, and a last one of what is left over below GRAIN.
struct Cut {
    int64_t N, block;

    int64_t whole() const { return N / GRAIN * GRAIN; }
    int64_t num_whole() const { return (whole() + block - 1) / block; }
    int64_t count() const { return num_whole() + (whole() < N ? 1 : 0); }
    Range range(int64_t index) const {
        if (index == num_whole()) return {whole(), N - whole()};
        return {index * block, std::min(block, whole() - index * block)};
    }
};

// Cuts so that `rows_in_use` rows fit the first cache and every thread gets a few blocks.
inline Cut cut_for_first_cache(const Call& call, ptrdiff_t rows_in_use) {
    int64_t block = FIRST_CACHE / (rows_in_use * call.item);
    block = std::min<int64_t>(block, call.N / (4 * std::max(call.threads, 1)));
    block = std::min<int64_t>(std::max<int64_t>(block / GRAIN * GRAIN, GRAIN), 2048);
    return {call.N, block};
}

inline int threads_for(const Call& call) { return call.T * call.N < SMALL_WORK ? 1 : call.threads; }

// Rows of scratch memory, kept by each thread from call to call.
class Scratch {
public:
    // Room for `rows` rows of `numbers` numbers, not all at the same place within their pages, and for `lines` lines.
    Scratch(ptrdiff_t rows, ptrdiff_t lines, ptrdiff_t numbers, ptrdiff_t item);
    char* row() { return next_row_ += pitch_; }
    char* line() { return next_line_ += LINE; }

private:
    ptrdiff_t pitch_;
    char *next_row_, *next_line_;
};

// The slots of one program, moved from block to block.
class Slots {
public:
    Slots(const Call& call, const Code& code, Scratch& scratch);
    ~Slots();
    Slots(const Slots&) = delete;
    Slots& operator=(const Slots&) = delete;

    static ptrdiff_t rows_needed(const Code& code) {
        const Layout& l = code.layout;
        return l.registers + l.coefficients + l.total();
    }
    static ptrdiff_t lines_needed(const Code& code) { return code.layout.constants + code.layout.coefficients + 1; }

    // Go to a block. What was pointed at before is void, save sums.
    void move_to(Range range);
    void point(int slot, char* row) { slots_[static_cast<size_t>(slot)] = {row, 1}; }
    void point_zero(int slot) { slots_[static_cast<size_t>(slot)] = {zero_, 0}; }
    // Point at numbers in the caller's memory: at the place itself, or for a ragged block at a padded copy.
    void read(int slot, const char* memory);
    // Point at where results go. Those of a ragged block, and those that go around the caches, are staged: a row in
    // scratch memory takes them and `run` carries them on.
    void write(int slot, char* memory, bool streamed = false);
    void run(Execute execute, Ahead ahead);

private:
    struct Staged {
        char* target;
        const char* row;
        bool streamed;
    };

    char* constant(double value, Scratch& scratch);
    void spread(const Coefficient& coefficient, char* row) const;

    const Call& call_;
    const Code& code_;
    const ptrdiff_t item_;
    Range range_{0, 0};
    ptrdiff_t padded_ = 0;
    bool has_streamed_ = false;
    char* zero_;
    std::vector<Slot> slots_;
    std::vector<char*> staging_;  // a row a slot
    std::vector<Staged> staged_;  // results of this step that wait to be carried on
};

}  // namespace ranvier
