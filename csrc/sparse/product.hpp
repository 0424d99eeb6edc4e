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

class Product : public Stage {
public:
    Product(Weight weight, Exchange exchange, double crossover, bool lazy)
        : weight_(weight), exchange_(exchange), crossover_(crossover), lazy_(lazy) {}
    bool run(Session& session, Signal& in) override;
    void resumed() override { out.now_mapped(exchange_.out); }

    // Compute outputs [begin, begin + size) of an element of the batch; acc has room for 4 * PAD more.
    virtual int64_t compute(const Session& session, int64_t item, int64_t begin, int64_t size, float* acc) const = 0;
    // Tiles start at multiples of this many outputs.
    virtual int64_t unit() const = 0;
    // Guess of the time the present step takes on one thread.
    virtual double nanoseconds() const = 0;

protected:
    virtual Form prepare(const Session& session) = 0;  // choose the form, index the events
    const Weight weight_;
    Signal* in_ = nullptr;

private:
    const Exchange exchange_;
    const double crossover_;  // share of inputs that are events above which the dense product is faster
    const bool lazy_;
};

class Linear final : public Product {
public:
    using Product::Product;
    int64_t compute(const Session& session, int64_t item, int64_t begin, int64_t size, float* acc) const override;
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
};

class Convolution final : public Product {
public:
    Convolution(Weight weight, Exchange exchange, double crossover, bool lazy, Geometry geometry)
        : Product(weight, exchange, crossover, lazy), geometry_(std::move(geometry)) {}
    int64_t compute(const Session& session, int64_t item, int64_t begin, int64_t size, float* acc) const override;
    int64_t unit() const override { return out.shape.width * out.shape.channels; }
    double nanoseconds() const override;

private:
    Form prepare(const Session& session) override;

    const Geometry geometry_;
    Form form_ = Form::scatter;
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
