// A block of neurons: how work is cut into blocks, and the scratch memory and slots that blocks are worked on with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "channels.hpp"
#include "run.hpp"
#include "team.hpp"

namespace ranvier {

constexpr ptrdiff_t LINE = 64;                  // bytes of a cache line, and of the widest SIMD register
constexpr ptrdiff_t FIRST_CACHE = 24 * 1024;     // what a stretch of the rows in use may take of the smallest L1 (32 KB)
constexpr ptrdiff_t SECOND_CACHE = 1024 * 1024;  // what the history of a block may take of L2, or of a share of L3
constexpr ptrdiff_t LONGEST_ROW = 64 * 1024;     // bytes of a block's row: beyond it memory is read no faster
constexpr ptrdiff_t LONG_ROW = 32 * 1024;        // bytes from which on the processor itself reads ahead well enough
constexpr ptrdiff_t SHORT_STRETCH = 1024;        // neurons that a fused program takes at a time, if rows must be widened
constexpr int64_t STREAMED = 4 * 1024 * 1024;   // bytes from which on results go around the caches
constexpr int64_t SMALL_WORK = 32 * 1024;       // neuron-steps below which a thread that waits brings less than it costs

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

// Neurons whose sums for channels side by side are made at once: the same for any number of threads, so blocks hold
// whole numbers of them.
inline int64_t grain_of(const Normal& normal) {
    if (normal.scale == nullptr || normal.inner > 1) return GRAIN;
    return std::max<int64_t>(SHORT_STRETCH, (4 * normal.count + GRAIN - 1) / GRAIN * GRAIN);
}

// Cuts so that what a block keeps, `rows` rows, fits the second cache, and every thread gets a few blocks. Blocks are
// as long as that allows: memory is read twice as fast in rows of 32 KB as in rows of 8 KB.
inline Cut cut_for(const Call& call, ptrdiff_t rows) {
    int64_t block = std::min(LONGEST_ROW, SECOND_CACHE / std::max<ptrdiff_t>(rows, 1)) / call.item;
    if (call.threads > 1) block = std::min<int64_t>(block, call.N / (4 * call.threads));
    const int64_t grain = grain_of(call.normal);
    return {call.N, std::max<int64_t>(block / grain * grain, grain)};
}

// Whether currents are not what the step reads, but what that is made from.
inline bool is_staged(const Call& call) { return call.current.format != Format::own || call.normal.scale != nullptr; }

// The row of a later step, if the processor wants to be told that it comes next: it does not notice by itself where rows
// are short, or where they are read a stretch at a time.
inline Ahead ahead(const Call& call, const Matrix& matrix, int64_t t, Range range) {
    const ptrdiff_t bytes = matrix.item(call.item);
    if (matrix.data == nullptr || (range.size * bytes >= LONG_ROW && !is_staged(call))) return {};
    const char* next = matrix.row(t) + range.begin * bytes;
    return {next, next + range.size * bytes};
}

void copy_row(char* target, const Row& from, int64_t N, ptrdiff_t item);

inline int threads_for(int64_t neuron_steps, int threads) {
    return neuron_steps < SMALL_WORK * worth_of_waking() ? 1 : threads;
}
inline int threads_for(const Call& call) { return threads_for(call.T * call.N, call.threads); }

// Scratch memory, kept by each thread from call to call.
class Scratch {
public:
    explicit Scratch(ptrdiff_t bytes);
    // A row of numbers of `bytes` in all. Two lines are left free behind it, so that rows do not start at the same place
    // within their pages.
    char* row(ptrdiff_t bytes) { return take(row_size(bytes)); }
    char* line() { return take(LINE); }
    static ptrdiff_t row_size(ptrdiff_t bytes) { return (bytes + LINE - 1) / LINE * LINE + 2 * LINE; }

private:
    char* take(ptrdiff_t bytes) {
        next_ += bytes;
        return next_ - bytes;
    }
    char* next_;
};

// The slots of one program, moved from block to block.
class Slots {
public:
    Slots(const Call& call, const Code& code, int64_t block, Scratch& scratch);
    ~Slots();
    Slots(const Slots&) = delete;
    Slots& operator=(const Slots&) = delete;

    static ptrdiff_t scratch_needed(const Call& call, const Code& code, int64_t block);

    // Go to a block. What was pointed at before is void, save sums.
    void move_to(Range range);
    void point(int slot, char* row) { at(slot) = {row, 1, false, true}; }
    void point_zero(int slot) { at(slot) = {zero_, 0}; }
    // Point at a state's values before the first step.
    void point_initial(int state);
    // Point at nowhere in particular, for a result that nobody wants.
    void discard(int slot) { at(slot) = {staging_[static_cast<size_t>(slot)], 1}; }
    // Point at numbers in the caller's memory: at the place itself, or for a ragged block at a padded copy. Numbers of
    // 16 bits are staged: `run` widens them.
    void read(int slot, const char* memory);
    void read(int slot, const Matrix& matrix, int64_t t);
    // Point at the current of a step, which is normalised if the call says so.
    void read_current(int64_t t);
    // Point at where results go. Those of a ragged block are staged: a row in scratch memory takes them and `run`
    // carries them on. So are those that go around the caches, unless a fused program sends them there itself, and
    // those of 16 bits.
    void write(int slot, char* memory, bool streamed = false);
    void write(int slot, const Matrix& matrix, int64_t t, bool streamed);
    // Point at where the gradient of a step's current goes; of a normalised one add up what the norm needs of it, in two
    // rows of the block.
    void write_grad_current(const Matrix& matrix, int64_t t, bool streamed, char* sum, char* product);
    // Run the program once. ahead: what will be read next, if that is worth a hint.
    void run(Ahead ahead);

private:
    struct Staged {
        char* target;
        const char* row;
        bool streamed;
        Format format;
    };
    struct Widened {
        const char* from;
        char* row;
        Format format;
        bool normalised;
    };
    struct Gathered {
        const char *x, *g;
        char *sum, *product;
    };
    struct Normaliser {
        Channels scale, shift, center;
    };

    Slot& at(int slot) { return slots_[static_cast<size_t>(slot)]; }
    // Whether the fused program takes rows of a format, or normalised ones, from where they lie and puts them there.
    bool sees(Format format) const { return lenses_.size() == slots_.size() && padded_ == range_.size && format != Format::float16; }
    Lens& see(int slot, char* memory, Format format);
    void run_stretches(Ahead ahead);
    void turn_lenses(ptrdiff_t begin, ptrdiff_t end);
    void widen(ptrdiff_t begin, ptrdiff_t end);
    void carry_on(ptrdiff_t begin, ptrdiff_t end);
    char* constant(double value, Scratch& scratch);
    double number(const char* place) const;
    void spread(const Coefficient& coefficient, char* row) const;

    const Call& call_;
    const Code& code_;
    const ptrdiff_t item_;
    const ExecuteFused fused_;  // null if the interpreter has to do it
    const ptrdiff_t stretch_;   // neurons that are worked on at a time, so that the rows in use stay in L1
    Range range_{0, 0};
    ptrdiff_t padded_ = 0;
    bool has_streamed_ = false;
    char* zero_;
    std::vector<Slot> slots_, moving_;
    std::vector<Lens> lenses_;  // one a slot, if the program can do with them
    std::vector<char*> initial_;  // a line a state that all neurons share, else null
    std::vector<char*> staging_;  // a row a slot
    std::vector<Staged> staged_;  // results of this step that wait to be carried on
    std::vector<Widened> widened_;  // what this step reads in 16 bits, or normalised
    std::optional<Gathered> gathered_;  // the gradient of a normalised current
    std::optional<Normaliser> normaliser_;
};

}  // namespace ranvier
