// A thread pool that sleeps when idle, shares its threads between concurrent callers, and survives a fork.
#pragma once

#include <cstdint>
#include <functional>

namespace ranvier {

// Run work(task) for every task in [0, num_tasks), on at most num_threads threads of which the caller is one.
// Returns when all are done. Which thread runs which task is left open, so tasks must not share what they write.
// An exception in a task is thrown again here, after the others have ended.
void run_tasks(int64_t num_tasks, int num_threads, const std::function<void(int64_t)>& work);

}  // namespace ranvier
