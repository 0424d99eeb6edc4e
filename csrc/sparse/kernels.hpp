// The sparse sums that the instruction-set variants share with the rest: rows of weights, added in the order of events.
//
// The law of every form: an output starts from its bias and adds value * weight for each event that reaches it, events
// in ascending order of their place (row, column, channel) in the input, each product and sum rounded by itself. So
// all forms give the same bits. Weights of int8 start from 0; the sum is scaled and the bias added at the end.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ranvier::sparse {

constexpr int64_t PAD = 16;  // rows of weights are padded to this many numbers, with zeros

enum class Kind : int { float32, bfloat16, int8 };

// Whole numbers divided by one that stays the same: floor(n / d) as a product, exact for all n below 2^32.
class Divisor {
public:
    explicit Divisor(int64_t d) : d_(static_cast<uint32_t>(d)), inverse_(~uint64_t{0} / d_) {}
    uint32_t operator()(uint32_t n) const {
        __extension__ using Wide = unsigned __int128;
        return static_cast<uint32_t>(static_cast<Wide>(inverse_) * (uint64_t{n} + 1) >> 64);
    }
    uint32_t rest(uint32_t n) const { return n - (*this)(n) * d_; }

private:
    uint32_t d_;
    uint64_t inverse_;
};

struct Tap {
    int32_t input, kernel;  // row or column of the input, and of the kernel, that meet
};

// Columns [first, last) of the input that meet kernel columns side by side, from `kernel` on.
struct Segment {
    int32_t first, last, kernel;
};

// acc[0 .. n) += sum over events of value * weight[index][first .. first + n), n a multiple of PAD.
struct AddRows {
    float* acc;
    const void* weight;
    int64_t row;  // numbers a row
    const int32_t* index;
    const float* value;  // null: all 1
    int64_t count, first, n;
};

// One row of outputs. Weights lie as [kernel row][kernel column][channel in][channel out, padded].
struct ConvolveRow {
    float* acc;         // [column][channel out]; gather writes up to PAD numbers beyond
    const float* bias;  // padded; null: 0
    const void* weight;
    const int32_t* index;
    const float* value;
    const int32_t* pixel_start;  // gather: where each pixel's events begin
    const int32_t* row_start;    // scatter: where each row's events begin
    const Tap* taps;             // rows of the input, ascending
    int64_t num_taps;
    const int32_t* segment_start;  // gather: of each output column, into segments
    const Segment* segments;
    const int32_t* target_start;  // scatter: of each input column, into targets {output column, kernel column}
    const Tap* targets;
    int64_t width_in, width_out, channels_in, channels_out, row, kernel_width, groups;
    bool slides;  // each target after an input column's first is one output column on, one kernel column back
};

// A patch of outputs of a convolution whose kernel is 3 rows high, every output row one below the last. All events are 1.
struct ConvolvePatch {
    static constexpr int64_t ROWS = 4;  // at most
    float* acc;        // [row][column of the patch][channel out]
    const float* bias;
    const void* weight;
    const int32_t* index;
    const int32_t* pixel_start;
    const int32_t* segment_start;
    const Segment* segments;
    int64_t first_row;  // of the input, perhaps outside, that meets the kernel's row 0 in the first row of outputs
    int64_t rows, first_column, columns;  // of outputs
    int64_t height_in, width_in, channels_in, channels_out, row, kernel_width;
};

struct Found {
    int64_t count;
    bool graded, negative;
};

struct Kernels {
    const char* name;
    bool (*usable)();
    void (*add_rows[3])(const AddRows&);              // by Kind
    int64_t (*gather_row[3])(const ConvolveRow&);     // returns the synaptic operations; one group only
    int64_t (*gather_patch[3])(const ConvolvePatch&);  // one group, channels out a multiple of PAD
    int64_t patch_channels;                            // more than these take several passes, and rows are faster
    int64_t (*scatter_row[3])(const ConvolveRow&);    // acc holds the bias already
    // List the places of numbers that are not 0, plus base; writes up to PAD numbers beyond the last.
    Found (*compact)(const float* row, int64_t n, int32_t base, int32_t* index);
    // Bits of the numbers that are not 0, the first in the lowest bit of the first word; n is a multiple of 64.
    // Returns whether all of them are 1.
    bool (*pack)(const float* row, int64_t n, uint64_t* words);
    // List the places of bits that are set, plus base; writes up to PAD numbers beyond the last. Returns how many there are.
    int64_t (*walk)(const uint64_t* words, int64_t count, int32_t base, int32_t* index);
    // start[k] = how many of the bits before k * width are set, k = 0 .. parts; width is 8, 16, 32 or a multiple of 64.
    void (*tally)(const uint64_t* words, int64_t parts, int64_t width, int32_t* start);
    void (*fill)(float* acc, int64_t pixels, int64_t channels, const float* bias);  // null: 0
    void (*scale)(float* acc, int64_t pixels, int64_t channels, const float* scale, const float* bias);
    void (*add)(float* acc, const float* other, int64_t n);
};

extern const Kernels KERNELS_BASELINE;
#ifdef RANVIER_X86
extern const Kernels KERNELS_AVX2, KERNELS_AVX512;
#endif

}  // namespace ranvier::sparse
