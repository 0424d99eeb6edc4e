#include "product.hpp"

#include <algorithm>
#include <atomic>

#include "../flush.hpp"
#include "../pool.hpp"
#include "../team.hpp"

namespace ranvier::sparse {
namespace {

constexpr double WORTH_A_THREAD = 8e3;        // nanoseconds of work below which a thread that waits brings nothing
constexpr double SYNOP = 0.04, FAR_BYTE = 0.04;  // nanoseconds, in the caches and for weights that lie beyond them
constexpr double TAP = 1.2;                    // nanoseconds for each pixel that an event reaches
constexpr int64_t NEAR = 1 << 20;             // bytes of weights that stay in the second cache
constexpr double EVENTS_TO_PATCH = 3.0;
constexpr double EVENTS_TO_GATHER = 6.0;       // events a window from which on registers beat the first cache

}  // namespace

Tiles cut(int64_t size, int64_t unit, int64_t wanted) {
    const int64_t units = std::max<int64_t>((wanted + unit - 1) / unit, 1);
    return {size, std::max<int64_t>(std::min(units * unit, (size + unit - 1) / unit * unit), 1)};
}

int threads_worth(double nanoseconds, int threads) {
    return nanoseconds < WORTH_A_THREAD * static_cast<double>(worth_of_waking()) ? 1 : threads;
}

bool Product::run(Session& session, Signal& in) {
    in_ = &in;
    const Events& events = in.list(session.kernels);
    const int64_t inputs = in.batch * in.size();
    const bool dense = static_cast<double>(events.total()) > crossover_ * static_cast<double>(inputs);
    if (dense) {
        see(events.total(), inputs, Form::dense);
        in.write(exchange_.in);
        return false;
    }
    see(events.total(), inputs, prepare(session));
    if (lazy_) {
        out.now_lazy(this);
        return true;
    }
    float* map = out.own_map();
    const double work = nanoseconds();
    const int threads = threads_worth(work, session.threads);
    const Tiles tiles = cut(out.size(), unit(), threads == 1 ? out.size() : out.size() / (2 * threads));
    std::atomic<int64_t> synops{0};
    run_tasks(in.batch * tiles.a_item(), threads, [&](Tasks& tasks) {
        const FlushDenormals flush;
        std::vector<float> acc(static_cast<size_t>(tiles.tile + 4 * PAD));
        for (int64_t task; tasks.take(task);) {
            const int64_t item = task / tiles.a_item(), begin = task % tiles.a_item() * tiles.tile;
            const int64_t size = std::min(tiles.tile, tiles.size - begin);
            synops += compute(session, item, {begin, size}, acc.data());
            std::copy_n(acc.data(), size, map + item * tiles.size + begin);
        }
    });
    stats.synops += synops;
    out.now_mapped(map);
    return true;
}

int64_t Linear::compute(const Session& session, int64_t item, const Patch& patch, float* acc) const {
    const int64_t begin = patch.begin, size = patch.span;
    const Kernels& k = session.kernels;
    const int64_t padded = (size + PAD - 1) / PAD * PAD;
    const Events& events = in_->events;
    const float* bias = weight_.start();
    k.fill(acc, 1, padded, bias != nullptr ? bias + begin : nullptr);
    k.add_rows[static_cast<int>(weight_.kind)]({acc, weight_.data, weight_.row, events.places(item), events.values(item),
                                                events.count(item), begin, padded});
    if (weight_.scale != nullptr) k.scale(acc, 1, padded, weight_.scale + begin, weight_.bias + begin);
    return events.count(item) * size;
}

double Linear::nanoseconds() const {
    const double synops = static_cast<double>(in_->events.total() * out.size());
    return synops * (SYNOP + (weight_.bytes > NEAR ? FAR_BYTE * weight_.item() : 0.0));
}

Form Convolution::prepare(const Session& session) {
    const Events& events = in_->events;
    const Shape& shape = in_->shape;
    const double a_window = static_cast<double>(events.total()) / static_cast<double>(std::max<int64_t>(in_->batch, 1)) /
                            static_cast<double>(std::max<int64_t>(shape.height * shape.width, 1)) * geometry_.mean_taps;
    // Patches of several rows: they want rows that begin with a word of bits, and registers that are full.
    patched_ = patches_ && geometry_.steps && geometry_.groups == 1 && !events.graded && out.shape.channels % PAD == 0 &&
               out.shape.channels <= session.kernels.patch_channels && unit() % 64 == 0 && a_window >= EVENTS_TO_PATCH;
    const bool gather = geometry_.groups == 1 && out.shape.channels >= PAD && a_window >= EVENTS_TO_GATHER;
    form_ = patched_ || gather ? Form::gather : Form::scatter;
    const int64_t parts = form_ == Form::gather ? shape.height * shape.width : shape.height;
    const int64_t width = std::max<int64_t>(shape.size() / std::max<int64_t>(parts, 1), 1);
    const bool counted = in_->packed && (width == 8 || width == 16 || width == 32 || width % 64 == 0);
    const Divisor part(width);
    starts_size_ = parts + 1;
    starts_.assign(static_cast<size_t>(in_->batch * starts_size_), 0);
    for (int64_t b = 0; b < in_->batch; ++b) {
        if (counted) {
            session.kernels.tally(in_->bits.item(b), parts, width, starts_.data() + b * starts_size_);
            continue;
        }
        // The last event of each part says where the next begins; parts without any begin where the one before does.
        int32_t* start = starts_.data() + b * starts_size_;
        const int32_t* places = events.places(b);
        const auto count = static_cast<int32_t>(events.count(b));
        for (int32_t e = 0; e < count; ++e) start[part(static_cast<uint32_t>(places[e])) + 1] = e + 1;
        int32_t begun = 0;
        for (int64_t p = 1; p <= parts; ++p) start[p] = begun = std::max(begun, start[p]);
    }
    return form_;
}

int64_t Convolution::compute(const Session& session, int64_t item, const Patch& patch, float* acc) const {
    if (patched_) return compute_patch(session, item, patch, acc);
    const int64_t begin = patch.begin, size = patch.span;
    const Kernels& k = session.kernels;
    const Events& events = in_->events;
    const int32_t* starts = starts_.data() + item * starts_size_;
    const Geometry& g = geometry_;
    const int64_t row = unit(), width = out.shape.width, channels = out.shape.channels;
    ConvolveRow call{acc, weight_.start(), weight_.data, events.places(item), events.values(item), starts, starts,
                     nullptr, 0, g.segment_start.data(), g.segments.data(), g.target_start.data(), g.targets.data(),
                     in_->shape.width, width, in_->shape.channels, channels, weight_.row, g.kernel_width, g.groups, g.slides};
    const int kind = static_cast<int>(weight_.kind);
    int64_t synops = 0;
    for (int64_t y = begin / row; y < (begin + size) / row; ++y, call.acc += row) {
        call.taps = g.rows.data() + g.row_start[y];
        call.num_taps = g.row_start[y + 1] - g.row_start[y];
        if (form_ == Form::gather) {
            synops += k.gather_row[kind](call);
        } else {
            k.fill(call.acc, width, channels, weight_.start());
            synops += k.scatter_row[kind](call);
        }
    }
    if (weight_.scale != nullptr) k.scale(acc, size / channels, channels, weight_.scale, weight_.bias);
    return synops;
}

int64_t Convolution::compute_patch(const Session& session, int64_t item, const Patch& patch, float* acc) const {
    const Geometry& g = geometry_;
    const Shape &from = in_->shape, &to = out.shape;
    const int64_t y = patch.begin / unit();
    const ConvolvePatch call{
        acc, weight_.start(), weight_.data, in_->events.places(item), starts_.data() + item * starts_size_,
        g.segment_start.data(), g.segments.data(), y - g.above, patch.count, patch.begin % unit() / to.channels,
        patch.span / to.channels, from.height, from.width, from.channels, to.channels, weight_.row, g.kernel_width};
    const int64_t synops = session.kernels.gather_patch[static_cast<int>(weight_.kind)](call);
    if (weight_.scale != nullptr) session.kernels.scale(acc, patch.size() / to.channels, to.channels, weight_.scale, weight_.bias);
    return synops;
}

double Convolution::nanoseconds() const {
    const auto pixels_out = static_cast<double>(out.shape.height * out.shape.width);
    const auto pixels_in = static_cast<double>(std::max<int64_t>(in_->shape.height * in_->shape.width, 1));
    const double taps = geometry_.mean_taps * pixels_out / pixels_in;  // places an event goes to
    const auto channels = static_cast<double>(out.shape.channels) / static_cast<double>(geometry_.groups);
    return static_cast<double>(in_->events.total()) * taps * (TAP + channels * SYNOP);
}

}  // namespace ranvier::sparse
