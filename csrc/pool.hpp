// A thread pool that sleeps when idle, shares its threads between concurrent callers, and survives a fork.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace ranvier {

// Numbers from 0 on, each handed out once to whichever thread asks next.
class Tasks {
public:
    explicit Tasks(int64_t count) : count_(count) {}
    bool take(int64_t& task) {
        task = next_.fetch_add(1, std::memory_order_relaxed);
        return task < count_;
    }
    void stop() { next_.store(count_, std::memory_order_relaxed); }

private:
    const int64_t count_;
    std::atomic<int64_t> next_{0};
};

// Call work(tasks) on at most num_threads threads, of which the caller is one; each takes tasks until none is left.
// Returns when all are done. Which thread runs which task is left open, so tasks must not share what they write.
// An exception is thrown again here, after the others have ended.
void run_tasks(int64_t num_tasks, int num_threads, const std::function<void(Tasks&)>& work);

}  // namespace ranvier
