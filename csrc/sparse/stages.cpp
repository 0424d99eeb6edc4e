#include "stages.hpp"

#include <algorithm>
#include <cstring>

namespace ranvier::sparse {

// One output row at a time, so that its map stays in the first cache.
bool Pool::run(Session& session, Signal& in) {
    const Events& events = in.list(session.kernels);
    // Where something is below 0, the zeros of a window count as well: look at all of it.
    const bool whole = divisor_.empty() && events.negative;
    see(events, in.batch * in.size(), whole ? Form::dense : Form::scatter);
    const float* dense = whole ? in.dense() : nullptr;
    const int64_t row = out.shape.width * out.shape.channels, row_in = in.shape.width * in.shape.channels;
    map_.resize(static_cast<size_t>(row));
    starts_.resize(static_cast<size_t>(in.shape.height + 1));
    Events& found = out.events;
    found.clear(out.batch);
    for (int64_t b = 0; b < out.batch; ++b) {
        int64_t at = found.start[b];
        if (!whole) find_rows(events, b, in.shape.height, row_in);
        for (int64_t y = 0; y < out.shape.height; ++y) {
            if (whole) {
                maxima(dense + b * in.size(), in.shape, y);
            } else if (!spread(events, b, in.shape, y)) {
                continue;
            }
            found.reserve(at + row);
            const Found listed = session.kernels.compact(map_.data(), row, static_cast<int32_t>(y * row), found.index.data() + at);
            if (listed.graded && !found.graded) std::fill_n(found.value.begin(), at, 1.0f);
            found.graded |= listed.graded;
            found.negative |= listed.negative;
            for (int64_t k = at; found.graded && k < at + listed.count; ++k) found.value[k] = map_[found.index[k] - y * row];
            at += listed.count;
        }
        found.start[b + 1] = at;
    }
    out.now_listed();
    return true;
}

void Pool::find_rows(const Events& events, int64_t item, int64_t rows, int64_t row) {
    const int32_t* places = events.places(item);
    const int64_t count = events.count(item);
    int64_t e = 0;
    for (int64_t y = 0; y < rows; ++y) {
        starts_[y] = e;
        while (e < count && places[e] < (y + 1) * row) ++e;
    }
    starts_[rows] = count;
}

// Gather the events that output row y sees; false if there are none.
bool Pool::spread(const Events& events, int64_t item, const Shape& shape, int64_t y) {
    const int32_t begin = rows_.input_start[y], end = rows_.input_start[y + 1];
    bool any = false;
    for (int32_t r = begin; r < end; ++r) any |= starts_[rows_.inputs[r]] < starts_[rows_.inputs[r] + 1];
    if (!any) return false;
    std::fill(map_.begin(), map_.end(), 0.0f);
    const int32_t* places = events.places(item);
    const float* values = events.values(item);
    const bool mean = !divisor_.empty();
    const auto channels = static_cast<uint32_t>(shape.channels);
    for (int32_t r = begin; r < end; ++r) {
        const int64_t row = rows_.inputs[r], first = row * shape.width * shape.channels;
        for (int64_t k = starts_[row]; k < starts_[row + 1]; ++k) {
            const auto place = static_cast<uint32_t>(places[k] - first);
            const uint32_t x = place / channels, c = place % channels;
            const float value = values != nullptr ? values[k] : 1.0f;
            for (int32_t s = columns_.output_start[x]; s < columns_.output_start[x + 1]; ++s) {
                float& target = map_[static_cast<uint32_t>(columns_.outputs[s]) * channels + c];
                target = mean ? target + value : std::max(target, value);
            }
        }
    }
    for (int64_t x = 0; mean && x < out.shape.width; ++x) {
        const float divisor = divisor_[y * out.shape.width + x];
        for (uint32_t c = 0; c < channels; ++c) map_[x * channels + c] /= divisor;
    }
    return true;
}

void Pool::maxima(const float* in, const Shape& shape, int64_t y) {
    const int64_t channels = shape.channels;
    float* map = map_.data();
    for (int64_t x = 0; x < out.shape.width; ++x, map += channels) {
        bool first = true;
        for (int32_t r = rows_.input_start[y]; r < rows_.input_start[y + 1]; ++r) {
            for (int32_t s = columns_.input_start[x]; s < columns_.input_start[x + 1]; ++s, first = false) {
                const float* pixel = in + (rows_.inputs[r] * shape.width + columns_.inputs[s]) * channels;
                for (int64_t c = 0; c < channels; ++c) map[c] = first ? pixel[c] : std::max(map[c], pixel[c]);
            }
        }
    }
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
