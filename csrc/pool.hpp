// Tasks shared out among threads: torch's own where they can be had, else those of a pool that sleeps when idle, serves
// concurrent callers, and survives a fork.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>

namespace ranvier {

// Numbers from 0 on, cut into one share for each thread.
class Shares {
public:
    static constexpr int MOST = 64;

    Shares(int64_t tasks, int threads) : count_(static_cast<int>(std::min<int64_t>({tasks, threads, MOST}))) {
        for (int k = 0; k < count_; ++k) {
            shares_[k].next.store(tasks * k / count_, std::memory_order_relaxed);
            shares_[k].end = tasks * (k + 1) / count_;
        }
    }
    int count() const { return count_; }
    bool take(int share, int64_t& task) {
        Share& from = shares_[share];
        // A look first: once it is empty, nobody writes to it any more.
        if (from.next.load(std::memory_order_relaxed) >= from.end) return false;
        task = from.next.fetch_add(1, std::memory_order_relaxed);
        return task < from.end;
    }
    void stop() {
        for (int k = 0; k < count_; ++k) shares_[k].next.store(shares_[k].end, std::memory_order_relaxed);
    }

private:
    struct alignas(64) Share {  // a line each
        std::atomic<int64_t> next{0};
        int64_t end = 0;
    };
    Share shares_[MOST];
    const int count_;
};

// What one thread sees of them: each number goes once to whichever thread asks next. A thread starts with the share of
// its own, the same in each call of the same size, so that rows stay in its core's cache from one pass to the next;
// then it helps the others.
class Tasks {
public:
    Tasks(Shares& shares, int thread) : shares_(shares), share_(shares.count() == 0 ? 0 : thread % shares.count()) {}
    bool take(int64_t& task) {
        for (; tried_ < shares_.count(); ++tried_) {
            if (shares_.take(share_, task)) return true;
            share_ = share_ + 1 == shares_.count() ? 0 : share_ + 1;
        }
        return false;
    }

private:
    Shares& shares_;
    int share_, tried_ = 0;
};

// Call work(tasks) on at most num_threads threads, of which the caller is one; each takes tasks until none is left.
// Returns when all are done. Which thread runs which task is left open, so tasks must not share what they write.
// An exception is thrown again here, after the others have ended.
void run_tasks(int64_t num_tasks, int num_threads, const std::function<void(Tasks&)>& work);

}  // namespace ranvier
