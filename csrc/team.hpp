// The threads of torch, where they can be had.
#pragma once

#include <cstdint>

namespace ranvier {

using TeamWork = void (*)(void*);

// Call work(data) at once on the caller and on the others of the team of num_threads that torch's own operators run on
// from this thread. Between two operators these are awake or no further than they always are, and never a second team
// that waits for the same cores. Returns false, and has called nothing, where torch has none (another OpenMP than that
// with GNU's entry points, or no torch at all) or its team did not live through a fork.
bool run_on_team(TeamWork work, void* data, int num_threads);

// Never ask torch's team again: in a forked child its threads are gone, and the library waits for them for ever. Called
// in children by itself once this code is loaded; whoever loads it in a child of a process that ran torch has to say so.
void forget_team();

// How much work is worth a second thread, as a multiple of what is worth one that starts within microseconds: 1 where
// threads of the team wait by spinning, as they do for some milliseconds after any work unless OMP_WAIT_POLICY is
// passive; else more, for one that sleeps takes 20 to 50 us to wake.
int64_t worth_of_waking();

}  // namespace ranvier
