#include "pool.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <list>
#include <mutex>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "team.hpp"

namespace ranvier {
namespace {

struct Job {
    const std::function<void(Tasks&)>& work;
    Shares shares;
    std::atomic<int> arrived{1};  // threads so far; the caller is number 0
    int helpers_wanted;           // guarded by the pool's mutex, as are the next two
    int helpers_active = 0;
    std::exception_ptr failure = nullptr;

    Job(const std::function<void(Tasks&)>& work_, int64_t num_tasks, int threads)
        : work(work_), shares(num_tasks, threads), helpers_wanted(std::max(shares.count() - 1, 0)) {}

    // Take tasks until none is left. Returns what went wrong, if anything.
    std::exception_ptr take(int thread) noexcept {
        try {
            Tasks tasks(shares, thread);
            work(tasks);
        } catch (...) {
            shares.stop();
            return std::current_exception();
        }
        return nullptr;
    }
};

class Pool {
public:
    void run(Job& job) {
        std::unique_lock<std::mutex> lock(mutex_);
        const int helpers = job.helpers_wanted;
        const auto place = jobs_.insert(jobs_.end(), &job);
        wanted_ += helpers;
        while (num_threads_ < wanted_ && num_threads_ < MAX_THREADS) {
            try {
                std::thread(&Pool::live, this).detach();
            } catch (const std::exception&) {
                break;  // no more threads to be had: those that exist do the work
            }
            ++num_threads_;
        }
        lock.unlock();
        for (int k = 0; k < helpers; ++k) work_to_do_.notify_one();

        const std::exception_ptr failure = job.take(0);
        lock.lock();
        if (failure && !job.failure) job.failure = failure;
        jobs_.erase(place);
        wanted_ -= job.helpers_wanted;
        job.helpers_wanted = 0;
        job_left_.wait(lock, [&] { return job.helpers_active == 0; });
    }

private:
    static constexpr int MAX_THREADS = 1024;

    void live() {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            Job* job = nullptr;
            work_to_do_.wait(lock, [&] { return (job = job_in_need()) != nullptr; });
            --job->helpers_wanted;
            --wanted_;
            ++job->helpers_active;
            lock.unlock();
            const std::exception_ptr failure = job->take(job->arrived.fetch_add(1));
            lock.lock();
            if (failure && !job->failure) job->failure = failure;
            if (--job->helpers_active == 0) job_left_.notify_all();
        }
    }

    Job* job_in_need() {
        for (Job* job : jobs_) {
            if (job->helpers_wanted > 0) return job;
        }
        return nullptr;
    }

    std::mutex mutex_;
    std::condition_variable work_to_do_, job_left_;
    std::list<Job*> jobs_;
    int num_threads_ = 0, wanted_ = 0;
};

// Never deleted: threads asleep in it may outlive every destructor when the process ends.
std::atomic<Pool*> the_pool{nullptr};

// In a forked child no worker lives on and the mutex may have been held: it starts afresh.
void forget_pool() { the_pool.store(nullptr); }

Pool& pool() {
    Pool* known = the_pool.load();
    if (known == nullptr) {
#if defined(__unix__) || defined(__APPLE__)
        static const int registered = pthread_atfork(nullptr, nullptr, forget_pool);
        (void)registered;
#endif
        auto* fresh = new Pool;
        if (the_pool.compare_exchange_strong(known, fresh)) return *fresh;
        delete fresh;
    }
    return *known;
}

struct Team {
    Job& job;
    const std::thread::id caller = std::this_thread::get_id();
    std::mutex failing = {};
};

// What each thread of torch's team does.
void help(void* data) {
    auto& [job, caller, failing] = *static_cast<Team*>(data);
    const bool is_caller = std::this_thread::get_id() == caller;
    const std::exception_ptr failure = job.take(is_caller ? 0 : job.arrived.fetch_add(1));
    if (!failure) return;
    const std::lock_guard<std::mutex> lock(failing);
    if (!job.failure) job.failure = failure;
}

}  // namespace

void run_tasks(int64_t num_tasks, int num_threads, const std::function<void(Tasks&)>& work) {
    Job job(work, num_tasks, num_threads);
    if (job.helpers_wanted == 0) {
        job.failure = job.take(0);
    } else {
        Team team{job};
        // All its threads, and be there fewer tasks: asking for a smaller team ends those that torch has beyond it.
        if (!run_on_team(help, &team, num_threads)) pool().run(job);
    }
    if (job.failure) std::rethrow_exception(job.failure);
}

}  // namespace ranvier
