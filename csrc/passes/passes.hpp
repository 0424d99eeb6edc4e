// Passes over event columns: what framing, voxel grids, filters and histograms do event by event.
//
// Every pass checks each event before it touches memory, and returns the number of the first event that is off the
// sensor or has a polarity above 1, or -1. The numpy and torch forms beside their callers say what is right.
#pragma once

#include <cstdint>

namespace ranvier::passes {

// Columns of one length. Times are in us and never fall.
struct Columns {
    const int64_t* t;
    const int16_t* x;
    const int16_t* y;
    const uint8_t* polarity;
    int64_t num;
    int64_t height, width;

    bool off(int64_t i) const {
        return (static_cast<uint16_t>(x[i]) >= width) | (static_cast<uint16_t>(y[i]) >= height);
    }
};

// The first event that is off the sensor, has a polarity above 1, or lies before the one in front of it.
int64_t unsound(const Columns& events);

// Frames of (2, ceil(H / shrink), ceil(W / shrink)): frame k counts the events borders[k] <= i < borders[k + 1].
// Frames of `exact` events or more are counted in integers, since a float counts no further than 2^24.
int64_t frames(const Columns& events, const int64_t* borders, int64_t num_frames, int64_t shrink, int64_t exact, float* out);

// The borders of frames at equal steps: the first event at or after start + min(ceil(k step / parts), cap), for k from 0
// to num_frames, by time; or, without times, that number itself.
void borders(const Columns& events, int64_t start, int64_t step, int64_t parts, int64_t cap, int64_t num_frames, int64_t* out);

// Bins of (channels, H, W), bilinear in time, in whole multiples of 2^-32; channels 1: signed, 2: split by polarity.
int64_t voxels(const Columns& events, int64_t start, int64_t span, int64_t num_bins, int64_t channels, float* out);

// kept[i]: at least `num` of the 8 pixels around fired before i with t_i - t_last <= window.
int64_t supported(const Columns& events, int64_t window, int64_t num, uint8_t* kept);

// kept[i]: at least `num` events j < i in the box of `radius` around, not of the same pixel, with t_i - t_j <= window.
int64_t dense(const Columns& events, int64_t window, int64_t radius, int64_t num, uint8_t* kept);

// total[group, dy, dx] += weight[t_i - t_j] over the events j < i of the group (cell of `cell` pixels and polarity) of
// i, within `radius` pixels, 0 < t_i - t_j < num_weights; count[group] is the number of events.
int64_t hats(const Columns& events, int64_t cell, int64_t radius, const double* weight, int64_t num_weights,
             double* total, int64_t* count);

}  // namespace ranvier::passes
