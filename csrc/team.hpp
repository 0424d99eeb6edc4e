// The threads of torch, where they can be had.
#pragma once

namespace ranvier {

using TeamWork = void (*)(void*);

// Call work(data) at once on the caller and on the others of the team of num_threads that torch's own operators run on
// from this thread. Between two operators these are awake or no further than they always are, and never a second team
// that waits for the same cores. Returns false, and has called nothing, where torch has none (another OpenMP than that
// with GNU's entry points, or no torch at all) or its team did not live through a fork.
bool run_on_team(TeamWork work, void* data, int num_threads);

}  // namespace ranvier
