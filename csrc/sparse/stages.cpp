#include "stages.hpp"

#include <algorithm>
#include <cstring>

#include "../flush.hpp"
#include "../pool.hpp"
#include "product.hpp"

namespace ranvier::sparse {

namespace {

constexpr double EVENT = 3.0, OUTPUT = 0.2, JOINED_BYTE = 0.2;  // nanoseconds

}  // namespace

// What one thread needs to pool: one output row at a time, so that its map stays in the first cache.
class Pool::Worker {
public:
    Worker(const Pool& pool, const Signal& in, const float* dense)
        : p_(pool), in_(in), dense_(dense), width_(pool.out.shape.width), channels_(in.shape.channels), channel_(channels_),
          map_(static_cast<size_t>(width_ * channels_)), starts_(static_cast<size_t>(in.shape.height) + 1) {}

    // List output rows [begin, end) of an element of the batch.
    void run(const Kernels& kernels, int64_t item, int64_t begin, int64_t end, int64_t task, Listing& listing) {
        const auto row = static_cast<int64_t>(map_.size());
        if (dense_ == nullptr) find_rows(item, begin, end);
        for (int64_t y = begin; y < end; ++y) {
            if (dense_ != nullptr) {
                maxima(dense_ + item * in_.size(), y);
            } else if (!spread(item, y)) {
                continue;
            }
            listing.append(kernels, task, map_.data(), row, y * row);
        }
    }

private:
    // Where the events begin of each input row that output rows [begin, end) see, and the end of the last.
    void find_rows(int64_t item, int64_t begin, int64_t end) {
        int32_t first = static_cast<int32_t>(in_.shape.height), last = 0;
        for (int32_t k = p_.rows_.input_start[begin]; k < p_.rows_.input_start[end]; ++k) {
            first = std::min(first, p_.rows_.inputs[k]);
            last = std::max(last, p_.rows_.inputs[k] + 1);
        }
        const int32_t *places = in_.events.places(item), *stop = places + in_.events.count(item);
        const int32_t* at = std::lower_bound(places, stop, first * row_in());
        for (int32_t y = first; y <= last; ++y) {
            while (at < stop && *at < y * row_in()) ++at;
            starts_[y] = at - places;
        }
    }

    // Gather the events that output row y sees; false if there are none.
    bool spread(int64_t item, int64_t y) {
        const int32_t begin = p_.rows_.input_start[y], end = p_.rows_.input_start[y + 1];
        bool any = false;
        for (int32_t r = begin; r < end; ++r) any |= starts_[p_.rows_.inputs[r]] < starts_[p_.rows_.inputs[r] + 1];
        if (!any) return false;
        std::fill(map_.begin(), map_.end(), 0.0f);
        const int32_t* places = in_.events.places(item);
        const float* values = in_.events.values(item);
        const bool mean = !p_.divisor_.empty();
        const int32_t *reach = p_.columns_.output_start.data(), *outputs = p_.columns_.outputs.data();
        const Divisor channel = channel_;
        float* map = map_.data();
        for (int32_t r = begin; r < end; ++r) {
            const int64_t row = p_.rows_.inputs[r], first = row * row_in();
            for (int64_t k = starts_[row]; k < starts_[row + 1]; ++k) {
                const auto place = static_cast<uint32_t>(places[k] - first);
                const uint32_t x = channel(place), c = channel.rest(place);
                const float value = values != nullptr ? values[k] : 1.0f;
                for (int32_t s = reach[x]; s < reach[x + 1]; ++s) {
                    float& target = map[outputs[s] * channels_ + c];
                    target = mean ? target + value : std::max(target, value);
                }
            }
        }
        for (int64_t x = 0; mean && x < width_; ++x) {
            const float divisor = p_.divisor_[y * width_ + x];
            for (int64_t c = 0; c < channels_; ++c) map_[x * channels_ + c] /= divisor;
        }
        return true;
    }

    void maxima(const float* in, int64_t y) {
        float* map = map_.data();
        for (int64_t x = 0; x < width_; ++x, map += channels_) {
            bool first = true;
            for (int32_t r = p_.rows_.input_start[y]; r < p_.rows_.input_start[y + 1]; ++r) {
                for (int32_t s = p_.columns_.input_start[x]; s < p_.columns_.input_start[x + 1]; ++s, first = false) {
                    const float* pixel = in + (p_.rows_.inputs[r] * in_.shape.width + p_.columns_.inputs[s]) * channels_;
                    for (int64_t c = 0; c < channels_; ++c) map[c] = first ? pixel[c] : std::max(map[c], pixel[c]);
                }
            }
        }
    }

    int32_t row_in() const { return static_cast<int32_t>(in_.shape.width * channels_); }

    const Pool& p_;
    const Signal& in_;
    const float* const dense_;  // null: the events are enough
    const int64_t width_, channels_;
    const Divisor channel_;
    std::vector<float> map_;  // one row of outputs
    std::vector<int64_t> starts_;
};

namespace {

void join_bytes(const uint8_t* from, uint8_t* joined, int64_t n) {
    int64_t k = 0;
    for (; k + 8 <= n; k += 8) {
        uint64_t a, b;
        std::memcpy(&a, from + k, 8);
        std::memcpy(&b, joined + k, 8);
        a |= b;
        std::memcpy(joined + k, &a, 8);
    }
    for (; k < n; ++k) joined[k] |= from[k];
}

// Columns of one row of output bits: the union of the input pixels that each sees, `each` words a pixel.
template <class Word>
void join_columns(const Axis& columns, const uint8_t* in, int64_t each, uint8_t* out) {
    const auto width = static_cast<int64_t>(columns.input_start.size()) - 1;
    const int32_t *start = columns.input_start.data(), *inputs = columns.inputs.data();
    const auto size = static_cast<int64_t>(sizeof(Word));
    for (int64_t x = 0; x < width; ++x) {
        const int32_t first = start[x], last = start[x + 1];
        for (int64_t k = 0; k < each; ++k, out += size) {
            Word joined = 0;
            for (int32_t s = first; s < last; ++s) {
                Word word;
                std::memcpy(&word, in + (inputs[s] * each + k) * size, sizeof(Word));
                joined |= word;
            }
            std::memcpy(out, &joined, sizeof(Word));
        }
    }
}

}  // namespace

// Output rows [begin, end) of an element of the batch. The maximum of bits is their union, channels side by side.
void Pool::join_rows(const Signal& in, int64_t item, int64_t begin, int64_t end) {
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bit k of a word must lie in its byte k / 8");
    const int64_t pixel = in.shape.channels / 8, row_in = in.shape.width * pixel, row_out = out.shape.width * pixel;
    const auto* from = reinterpret_cast<const uint8_t*>(in.bits.item(item));
    auto* to = reinterpret_cast<uint8_t*>(out.bits.item(item)) + begin * row_out;
    std::vector<uint8_t> joined(static_cast<size_t>(row_in));
    for (int64_t y = begin; y < end; ++y, to += row_out) {
        std::fill(joined.begin(), joined.end(), uint8_t{0});
        for (int32_t r = rows_.input_start[y]; r < rows_.input_start[y + 1]; ++r) {
            join_bytes(from + rows_.inputs[r] * row_in, joined.data(), row_in);
        }
        if (pixel % 8 == 0) join_columns<uint64_t>(columns_, joined.data(), pixel / 8, to);
        else if (pixel % 4 == 0) join_columns<uint32_t>(columns_, joined.data(), pixel / 4, to);
        else join_columns<uint8_t>(columns_, joined.data(), pixel, to);
    }
}

void Pool::join(const Session& session, const Signal& in) {
    const int64_t height = out.shape.height, row = out.shape.width * out.shape.channels, words = row / 64;
    const bool whole = row % 64 != 0;  // rows that share words are one task
    const auto bytes = static_cast<double>(in.batch * in.size() / 8);
    const int threads = whole ? 1 : threads_worth(bytes * JOINED_BYTE, session.threads);
    const Tiles rows = cut(height, 1, threads == 1 ? height : height / (2 * threads));
    out.bits.open(out.batch, out.size());
    listing_.open(out.batch * rows.a_item(), rows.tile * row);
    run_tasks(out.batch * rows.a_item(), threads, [&](Tasks& tasks) {
        for (int64_t task; tasks.take(task);) {
            const int64_t item = task / rows.a_item(), begin = task % rows.a_item() * rows.tile;
            const int64_t end = std::min(begin + rows.tile, height), an_item = out.bits.an_item;
            join_rows(in, item, begin, end);
            const int64_t first = whole ? 0 : begin * words;
            listing_.append(session.kernels, task, out.bits.item(item) + first, whole ? an_item : (end - begin) * words, 64 * first);
        }
    });
    listing_.merge(out.batch, out.events);
    out.now_packed();
    out.listed = true;
}

bool Pool::run(Session& session, Signal& in) {
    if (in.packed && divisor_.empty() && in.shape.channels % 8 == 0) {
        see(count(session.kernels, in.bits), in.batch * in.size(), Form::scatter);
        join(session, in);
        return true;
    }
    const Events& events = in.list(session.kernels);
    // Where something is below 0, the zeros of a window count as well: look at all of it.
    const bool whole = divisor_.empty() && events.negative;
    see(events.total(), in.batch * in.size(), whole ? Form::dense : Form::scatter);
    const float* dense = whole ? in.dense() : nullptr;
    const int64_t height = out.shape.height;
    const double seen = static_cast<double>(whole ? in.batch * in.size() : events.total());
    const int threads = threads_worth(seen * EVENT + static_cast<double>(out.batch * out.size()) * OUTPUT, session.threads);
    const Tiles rows = cut(height, 1, threads == 1 ? height : height / (4 * threads));
    listing_.open(out.batch * rows.a_item(), rows.tile * out.shape.width * out.shape.channels);
    run_tasks(out.batch * rows.a_item(), threads, [&](Tasks& tasks) {
        const FlushDenormals flush;
        Worker worker(*this, in, dense);
        for (int64_t task; tasks.take(task);) {
            const int64_t item = task / rows.a_item(), begin = task % rows.a_item() * rows.tile;
            worker.run(session.kernels, item, begin, std::min(begin + rows.tile, height), task, listing_);
        }
    });
    listing_.merge(out.batch, out.events);
    out.now_listed();
    return true;
}

bool Delay::run(Session& session, Signal& in) {
    const int64_t size = out.size();
    const float* fresh = in.dense();
    float* map = out.own_map();
    float* past = session.states[static_cast<size_t>(state_)] + session.steps % delay_ * size;
    for (int64_t b = 0; b < out.batch; ++b, past += delay_ * size) {
        std::copy_n(past, size, map + b * size);
        std::copy_n(fresh + b * size, size, past);
    }
    ++stats.steps;
    out.now_mapped(map);
    return true;
}

bool Flatten::run(Session&, Signal& in) {
    const float* from = in.dense();
    float* map = out.own_map();
    const int64_t pixels = in.shape.height * in.shape.width, channels = in.shape.channels;
    for (int64_t b = 0; b < out.batch; ++b) {
        for (int64_t p = 0; p < pixels; ++p) {
            for (int64_t c = 0; c < channels; ++c) map[(b * channels + c) * pixels + p] = from[(b * pixels + p) * channels + c];
        }
    }
    out.now_mapped(map);
    return true;
}

bool Foreign::run(Session&, Signal& in) {
    ++stats.steps;
    ++stats.forms[static_cast<size_t>(Form::dense)];
    stats.last = Form::dense;
    in.write(exchange_.in);
    return false;
}

}  // namespace ranvier::sparse
