#include "block.hpp"
#include "flush.hpp"
#include "pool.hpp"
#include "run.hpp"

namespace ranvier {

void run_spread(const SpreadCall& call) {
    constexpr int64_t CHUNK = 16 * SHORT_STRETCH;  // neurons of a step that a thread takes at a time
    const int64_t chunks = (call.N + CHUNK - 1) / CHUNK;
    const int threads = threads_for(call.T * call.N, call.threads);
    const ptrdiff_t room = Scratch::row_size(Channels::bytes_needed(call.count, call.inner, call.item, SHORT_STRETCH));
    const ptrdiff_t item = call.x.item(call.item);
    run_tasks(chunks, threads, [&](Tasks& tasks) {
        const FlushDenormals flush;
        Scratch scratch(4 * room);
        const auto rows = [&](const char* values) {
            return Channels(values, call.count, call.inner, call.item, SHORT_STRETCH, scratch.row(room - 2 * LINE));
        };
        Channels scale = rows(call.scale), shift = rows(call.shift), center = rows(call.center), slope = rows(call.slope);
        const NormalRows& work = call.normals->rows(call.x.format, call.item);
        for (int64_t task; tasks.take(task);) {
            const int64_t end = std::min((task + 1) * CHUNK, call.N);
            for (int64_t t = 0; t < call.T; ++t) {
                for (int64_t n = task * CHUNK; n < end; n += SHORT_STRETCH) {
                    const int64_t size = std::min<int64_t>(SHORT_STRETCH, end - n);
                    work.spread(call.x.row(t) + n * item, center.at(n, size), call.g.row(t) + n * item, scale.at(n, size),
                                slope.at(n, size), shift.at(n, size), size);
                }
            }
        }
    });
}

}  // namespace ranvier
