#include "team.hpp"

#include <atomic>
#include <cstdlib>

#if defined(__linux__)
#include <dlfcn.h>
#include <pthread.h>
#endif

namespace ranvier {
namespace {

// libgomp's entry point, which other OpenMP libraries on Linux have too.
using Parallel = void (*)(TeamWork work, void* data, unsigned num_threads, unsigned flags);

#if defined(__linux__)
// In a forked child the other threads are gone, and the library still waits for them.
std::atomic<bool> forked{false};
void forget_team() { forked.store(true); }

Parallel find() {
    void* torch = dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD);
    if (torch == nullptr) return nullptr;
    // Looked for in torch and what it was linked to, so a second OpenMP in the process is not mistaken for torch's.
    const auto parallel = reinterpret_cast<Parallel>(dlsym(torch, "GOMP_parallel"));
    if (parallel != nullptr && pthread_atfork(nullptr, nullptr, forget_team) != 0) return nullptr;
    return parallel;
}
#else
constexpr bool forked = false;
Parallel find() { return nullptr; }
#endif

Parallel torchs() {
    static const Parallel found = find();
    return forked ? nullptr : found;
}

bool is_passive() {
    const char* policy = std::getenv("OMP_WAIT_POLICY");
    return policy != nullptr && (policy[0] == 'p' || policy[0] == 'P');
}

}  // namespace

bool run_on_team(TeamWork work, void* data, int num_threads) {
    const Parallel parallel = torchs();
    if (parallel == nullptr) return false;
    parallel(work, data, static_cast<unsigned>(num_threads), 0);
    return true;
}

int64_t worth_of_waking() {
    static const bool passive = is_passive();  // the library, too, read it once
    return passive || torchs() == nullptr ? 5 : 1;
}

}  // namespace ranvier
