// Linear layers and convolutions on events.
#pragma once

#include "session.hpp"

namespace ranvier::sparse {

struct Weight {
    Kind kind = Kind::float32;
    const void* data = nullptr;
    int64_t row = 0;               // numbers a row, padded
    const float* bias = nullptr;   // padded
    const float* scale = nullptr;  // padded; int8 only
    int64_t bytes = 0;
    int item() const { return kind == Kind::float32 ? 4 : kind == Kind::bfloat16 ? 2 : 1; }
    // Where sums start: int8 sums are scaled first.
    const float* start() const { return scale != nullptr ? nullptr : bias; }
};

// Some outputs of an element of the batch: `count` runs of `span` of them, the first from `begin`, each `pitch` after the
// one before.
struct Patch {
    int64_t begin, span, count = 1, pitch = 0;
    int64_t size() const { return span * count; }
};

class Product : public Stage {
public:
    Product(Weight weight, Exchange exchange, double crossover, bool lazy)
        : weight_(weight), exchange_(exchange), crossover_(crossover), lazy_(lazy) {}
    bool run(Session& session, Signal& in) override;
    void resumed() override { out.now_mapped(exchange_.out); }

    // Compute outputs of an element of the batch, run after run; acc has room for 4 * PAD more. Returns the synaptic
    // operations.
    virtual int64_t compute(const Session& session, int64_t item, const Patch& patch, float* acc) const = 0;
    // How many runs, a row apart, it wants in a patch.
    virtual int64_t runs() const { return 1; }
    // Say that whoever computes with it can take patches of several runs.
    void allow_patches() { patches_ = true; }
    // Tiles start at multiples of this many outputs.
    virtual int64_t unit() const = 0;
    // Guess of the time the present step takes on one thread.
    virtual double nanoseconds() const = 0;

protected:
    virtual Form prepare(const Session& session) = 0;  // choose the form, index the events
    const Weight weight_;
    Signal* in_ = nullptr;
    bool patches_ = false;

private:
    const Exchange exchange_;
    const double crossover_;  // share of inputs that are events above which the dense product is faster
    const bool lazy_;
};

class Linear final : public Product {
public:
    using Product::Product;
    int64_t compute(const Session& session, int64_t item, const Patch& patch, float* acc) const override;
    int64_t unit() const override { return 4 * PAD; }
    double nanoseconds() const override;

private:
    Form prepare(const Session&) override { return Form::scatter; }
};

// Which rows and columns of input, kernel and output meet: any stride, padding, dilation, transposed or not.
struct Geometry {
    std::vector<int32_t> row_start;  // of each output row, into rows
    std::vector<Tap> rows;           // input row and kernel row, input ascending
    std::vector<int32_t> segment_start;
    std::vector<Segment> segments;
    std::vector<int32_t> target_start;  // of each input column, into targets
    std::vector<Tap> targets;           // output column and kernel column
    int64_t kernel_width = 1, groups = 1;
    double mean_taps = 1.0;  // kernel places that meet an input, a mean output pixel
    bool slides = false;     // the next target of an input column is one output column on, one kernel column back
    bool steps = false;      // kernels 3 rows high, of which row k meets the input's row y - above + k at output row y
    int64_t above = 0;
};

class Convolution final : public Product {
public:
    Convolution(Weight weight, Exchange exchange, double crossover, bool lazy, Geometry geometry)
        : Product(weight, exchange, crossover, lazy), geometry_(std::move(geometry)) {}
    int64_t compute(const Session& session, int64_t item, const Patch& patch, float* acc) const override;
    int64_t unit() const override { return out.shape.width * out.shape.channels; }
    int64_t runs() const override { return patched_ ? ConvolvePatch::ROWS : 1; }
    double nanoseconds() const override;

private:
    Form prepare(const Session& session) override;
    int64_t compute_patch(const Session& session, int64_t item, const Patch& patch, float* acc) const;

    const Geometry geometry_;
    Form form_ = Form::scatter;
    bool patched_ = false;
    std::vector<int32_t> starts_;  // of each pixel (gather) or row (scatter), and the end, for each element of the batch
    int64_t starts_size_ = 0;
};

// Cut the outputs of the batch into tiles and work on them, on several threads if the work is worth it.
struct Tiles {
    int64_t size, tile;
    int64_t a_item() const { return (size + tile - 1) / tile; }
};
Tiles cut(int64_t size, int64_t unit, int64_t wanted);
int threads_worth(double nanoseconds, int threads);

}  // namespace ranvier::sparse
